//! Durations as people write them: `30s`, `200ms`, `1h30m`, `7d`.

use std::time::Duration;

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration such as `30s`, `200ms` or `1h30m` (units d, h, m, s, ms)")]
pub struct NotADuration;

/// The duration that `text` names: numbers with units, added up. A bare number is refused, as it could
/// mean seconds to one and milliseconds to another.
///
/// # Errors
///
/// Anything else, and what does not fit in 64 bits of milliseconds.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return Err(NotADuration);
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let (_, unit_ms) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or(NotADuration)?;
        let number: u64 = number.parse().map_err(|_| NotADuration)?;
        total_ms = number
            .checked_mul(*unit_ms)
            .and_then(|ms| total_ms.checked_add(ms))
            .ok_or(NotADuration)?;
        rest = after;
    }
    Ok(Duration::from_millis(total_ms))
}

/// The shortest text that [`parse`] reads as `duration`, whose fractions of a millisecond are dropped.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut rest_ms = duration.as_millis();
    let mut text = String::new();
    for (unit, unit_ms) in UNITS {
        let count = rest_ms / u128::from(unit_ms);
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
        rest_ms %= u128::from(unit_ms);
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [
            ("0ms", 0),
            ("200ms", 200),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1s500ms", 1_500),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["30s", "1m30s", "1d", "250ms", "0s"] {
            assert_eq!(parse(text).map(format).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1y",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert_eq!(parse(text), Err(NotADuration), "{text}");
        }
    }
}
