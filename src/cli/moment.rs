//! Moments and durations between the wire, documents and people.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::config::duration;

/// A moment as documents write it: ISO 8601, UTC, microseconds.
pub(super) fn document(moment: &prost_types::Timestamp) -> Option<String> {
    format(moment, SecondsFormat::Micros)
}

/// A moment for people: to the millisecond, `-` if there is none.
pub(super) fn short(moment: Option<&prost_types::Timestamp>) -> String {
    moment
        .and_then(|moment| format(moment, SecondsFormat::Millis))
        .unwrap_or_else(|| "-".to_owned())
}

/// A moment given on the command line, in RFC 3339.
pub(super) fn argument(text: &str) -> Result<prost_types::Timestamp, String> {
    let moment = DateTime::parse_from_rfc3339(text)
        .map_err(|_| "give a time such as 2026-01-31T12:00:00Z".to_owned())?;
    Ok(prost_types::Timestamp {
        seconds: moment.timestamp(),
        nanos: i32::try_from(moment.timestamp_subsec_nanos()).unwrap_or_default(),
    })
}

/// A duration given on the command line.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

/// A duration for the wire.
pub(super) fn wire(span: Duration) -> Option<prost_types::Duration> {
    span.try_into().ok()
}

fn format(moment: &prost_types::Timestamp, precision: SecondsFormat) -> Option<String> {
    let nanos = u32::try_from(moment.nanos).ok()?;
    let moment: DateTime<Utc> = DateTime::from_timestamp(moment.seconds, nanos)?;
    Some(moment.to_rfc3339_opts(precision, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc() {
        let moment = argument("2026-01-31T13:00:00.25+01:00").unwrap();
        assert_eq!(
            document(&moment).as_deref(),
            Some("2026-01-31T12:00:00.250000Z")
        );
        assert_eq!(short(Some(&moment)), "2026-01-31T12:00:00.250Z");
        assert_eq!(short(None), "-");
        assert!(argument("yesterday").is_err());
    }
}
