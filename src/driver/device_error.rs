//! What devices say went wrong, made fit for operators: bounded, printable, without secrets, and put
//! in one of our kinds.

use http::StatusCode;

use super::{DriverError, ErrorKind};
use crate::secret::{Secret, SecretError};

/// The most of a device's own text that is passed on (api contract, "Sizes").
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// Marks text that was cut.
const CUT: &str = " [cut]";

/// Stands where a secret was.
const REDACTED: &str = "[redacted]";

impl DriverError {
    /// An error that the same call would meet again.
    #[must_use]
    pub fn permanent(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            transient: false,
            not_sent: false,
            message: message.into(),
        }
    }

    /// An error that may be gone a little later.
    #[must_use]
    pub fn passing(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            transient: true,
            ..Self::permanent(kind, message)
        }
    }

    /// The same error where it is certain that nothing reached the device.
    #[must_use]
    pub fn before_sending(self) -> Self {
        Self {
            not_sent: true,
            ..self
        }
    }

    /// The same error, told after `context`, as in "set the boot device: ...".
    #[must_use]
    pub fn within(self, context: &str) -> Self {
        Self {
            message: format!("{context}: {}", self.message),
            ..self
        }
    }

    /// The error that an HTTP status stands for; `said` is the device's own text, made fit by
    /// [`device_text`].
    #[must_use]
    pub fn of_status(status: StatusCode, said: &str) -> Self {
        let (kind, transient) = classify(status);
        let message = if said.is_empty() {
            format!("answered {status}")
        } else {
            format!("answered {status}: {said}")
        };
        Self {
            kind,
            transient,
            not_sent: false,
            message,
        }
    }
}

/// A secret that cannot be had: nothing was sent, and an operator has to do something.
impl From<SecretError> for DriverError {
    fn from(error: SecretError) -> Self {
        let message = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let kind = match error {
            SecretError::Own { .. } | SecretError::NotForDesigns { .. } => ErrorKind::Refused,
            SecretError::Missing { .. }
            | SecretError::Unreadable { .. }
            | SecretError::Unusable { .. } => ErrorKind::Internal,
        };
        Self::permanent(kind, message).before_sending()
    }
}

/// What a device said, fit to be shown: at most 8 KiB, on one line, without control characters, and
/// without the `secrets` that were sent to it, in case it repeats them.
#[must_use]
pub fn device_text(said: &str, secrets: &[&Secret]) -> String {
    // Redacted before anything is cut or changed: half a secret is still too much.
    let mut text = said.to_owned();
    for secret in secrets.iter().map(|secret| secret.expose()) {
        if !secret.is_empty() && text.contains(secret) {
            text = text.replace(secret, REDACTED);
        }
    }
    let mut fit = String::with_capacity(text.len().min(MAX_TEXT_BYTES));
    for word in text.split(|each: char| each.is_whitespace() || each.is_control()) {
        let word = word.trim_matches(|each: char| is_invisible(each));
        if word.is_empty() {
            continue;
        }
        if !fit.is_empty() {
            fit.push(' ');
        }
        fit.extend(word.chars().filter(|each| !is_invisible(*each)));
        if fit.len() > MAX_TEXT_BYTES {
            fit.truncate(fit.floor_char_boundary(MAX_TEXT_BYTES - CUT.len()));
            fit.push_str(CUT);
            break;
        }
    }
    fit
}

/// Characters that change how the others are shown: they could make one message look like another.
fn is_invisible(each: char) -> bool {
    matches!(each, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn classify(status: StatusCode) -> (ErrorKind, bool) {
    match status.as_u16() {
        401 | 403 => (ErrorKind::Unauthorised, false),
        405 | 501 => (ErrorKind::Unsupported, false),
        408 => (ErrorKind::Timeout, true),
        // Another change came in between, or another one goes on.
        409 | 412 | 423 | 425 | 429 | 503 => (ErrorKind::Busy, true),
        // Gateways say these for a device behind them.
        502 => (ErrorKind::Unreachable, true),
        504 => (ErrorKind::Timeout, true),
        400..=499 => (ErrorKind::Refused, false),
        // BMCs say 500 while they start, and for resources that are not ready yet.
        500..=599 => (ErrorKind::Failed, true),
        // Neither an answer nor a refusal.
        _ => (ErrorKind::Protocol, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_text_is_bounded_printable_and_without_secrets() {
        let secret = Secret::new("hunter2".to_owned());
        for (said, fit) in [
            ("plain", "plain"),
            (
                "two\r\nlines\tand \u{1b}[31mred\u{7}",
                "two lines and [31mred",
            ),
            ("password hunter2 is wrong", "password [redacted] is wrong"),
            ("x\u{202e}y", "xy"),
            (" \n ", ""),
        ] {
            assert_eq!(device_text(said, &[&secret]), fit);
        }
        let long = device_text(&format!("{}hunter2", "ä".repeat(10_000)), &[&secret]);
        assert!(long.len() <= MAX_TEXT_BYTES && long.ends_with(CUT));
        let straddling = format!("{}hunter2", "a".repeat(MAX_TEXT_BYTES - 4));
        assert!(!device_text(&straddling, &[&secret]).contains("hunt"));
    }

    #[test]
    fn statuses_have_a_kind_and_pass_or_stay() {
        for (status, kind, transient) in [
            (401, ErrorKind::Unauthorised, false),
            (404, ErrorKind::Refused, false),
            (409, ErrorKind::Busy, true),
            (501, ErrorKind::Unsupported, false),
            (503, ErrorKind::Busy, true),
            (304, ErrorKind::Protocol, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = DriverError::of_status(status, "no");
            assert_eq!((error.kind, error.transient), (kind, transient), "{status}");
        }
        let error = DriverError::of_status(StatusCode::NOT_FOUND, "");
        assert_eq!(
            error.within("read it").message,
            "read it: answered 404 Not Found"
        );
    }
}
