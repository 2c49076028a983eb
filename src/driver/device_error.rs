//! What devices say went wrong, made fit for operators: bounded, printable, without secrets, and put
//! in one of our kinds.

use http::StatusCode;
use serde_json::Value;

use super::redaction::redacted;
use super::{DriverError, ErrorKind, Progress};
use crate::domain::build_data::MAX_ELEMENT_BYTES;
use crate::secret::{Secret, SecretError};

/// The most of a device's own text that is passed on (api contract, "Sizes").
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// Marks text that was cut.
const CUT: &str = " [cut]";

/// The most that is looked at of a device's text: far more than is told of it, as there may be little
/// in it that can be shown.
const MAX_LOOKED_AT: usize = 64 * 1024;

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

    /// The same error without any of `secrets` in its message.
    #[must_use]
    pub fn without(self, secrets: &[&Secret]) -> Self {
        Self {
            message: redacted(&self.message, secrets, usize::MAX).0,
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
/// without the `secrets` that were sent to it, in any form in which it may repeat them. Nothing of a
/// device is told, kept or logged otherwise.
#[must_use]
pub fn device_text(said: &str, secrets: &[&Secret]) -> String {
    // Before anything is cut or changed, as half a secret is still too much; and after that, as what
    // was apart may have come together.
    let (text, all) = redacted(said, secrets, MAX_LOOKED_AT);
    let (mut fit, _) = redacted(&on_one_line(&text), secrets, MAX_LOOKED_AT);
    if !all || fit.len() > MAX_TEXT_BYTES {
        fit.truncate(fit.floor_char_boundary(MAX_TEXT_BYTES - CUT.len()));
        fit.push_str(CUT);
    }
    fit
}

/// What a driver call came to, without any of `secrets`: whatever of a device's words got into it
/// other than as [`device_text`], such as names and identifiers.
pub fn without_secrets(
    answer: Result<Progress, DriverError>,
    secrets: &[&Secret],
) -> Result<Progress, DriverError> {
    let clean = |text: &mut String| *text = redacted(text, secrets, usize::MAX).0;
    match answer {
        Ok(Progress::Done(mut report)) => {
            report.message.iter_mut().for_each(clean);
            report
                .extra
                .values_mut()
                .for_each(|value| each_text(value, &clean));
            for collected in &mut report.build_data {
                clean_document(&mut collected.data_element, secrets);
            }
            Ok(Progress::Done(report))
        }
        Ok(Progress::Running {
            poll_after,
            mut message,
        }) => {
            message.iter_mut().for_each(clean);
            Ok(Progress::Running {
                poll_after,
                message,
            })
        }
        Err(error) => Err(error.without(secrets)),
    }
}

/// Takes secrets out of a document, and leaves it one of its format where that is JSON and they are
/// texts in it. One that is too large to be kept is left as it is: it is kept nowhere, and only its
/// length is told.
pub(super) fn clean_document(document: &mut String, secrets: &[&Secret]) {
    if document.len() > MAX_ELEMENT_BYTES {
        return;
    }
    let clean = |text: &str| redacted(text, secrets, usize::MAX).0;
    let plain = clean(document);
    if plain == *document {
        return;
    }
    *document = match serde_json::from_str::<Value>(document) {
        Ok(mut value) => {
            each_text(&mut value, &|text: &mut String| *text = clean(text));
            let document = value.to_string();
            // A secret may also stand there as a number.
            if clean(&document) == document {
                document
            } else {
                plain
            }
        }
        Err(_no_json) => plain,
    };
}

fn each_text(value: &mut Value, change: &impl Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(fields) => {
            let named = std::mem::take(fields).into_iter();
            fields.extend(named.map(|(mut name, mut field)| {
                change(&mut name);
                each_text(&mut field, change);
                (name, field)
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|each: char| each.is_whitespace() || each.is_control()) {
        let before = line.len();
        line.extend(word.chars().filter(|each| !is_invisible(*each)));
        if before > 0 && line.len() > before {
            line.insert(before, ' ');
        }
    }
    line
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
    use serde_json::json;

    use super::*;
    use crate::domain::build_data::Collected;
    use crate::driver::StepReport;

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
    fn an_answer_has_no_secret_in_any_of_its_parts() {
        let secret = Secret::new("12\"34".to_owned());
        let said = || "it is 12\"34".to_owned();
        let mut report = StepReport {
            message: Some(said()),
            build_data: vec![Collected {
                generator: "redfish".to_owned(),
                data_format: "application/json".to_owned(),
                data_element: json!({"a": [said()], "b": 1234}).to_string(),
            }],
            ..StepReport::default()
        };
        report
            .extra
            .insert("deep".to_owned(), json!({"a": [said(), 7]}));
        let clean = without_secrets(Ok(Progress::Done(report)), &[&secret]);
        let Ok(Progress::Done(clean)) = clean else {
            panic!("{clean:?}")
        };
        assert_eq!(clean.message.as_deref(), Some("it is [redacted]"));
        assert_eq!(clean.extra["deep"], json!({"a": ["it is [redacted]", 7]}));
        let element: Value = serde_json::from_str(&clean.build_data[0].data_element).unwrap();
        assert_eq!(element, json!({"a": ["it is [redacted]"], "b": 1234}));
        let error = DriverError::permanent(ErrorKind::Failed, said());
        let error = without_secrets(Err(error), &[&secret]).unwrap_err();
        assert_eq!(error.message, "it is [redacted]");
    }

    #[test]
    fn a_document_has_no_secret_as_a_name_or_a_number() {
        let secret = Secret::new("123456".to_owned());
        let cleaned = |document: &str| {
            let mut document = document.to_owned();
            clean_document(&mut document, &[&secret]);
            document
        };
        assert_eq!(cleaned(r#"{"123456":1}"#), r#"{"[redacted]":1}"#);
        assert_eq!(cleaned(r#"{"pin":123456}"#), r#"{"pin":[redacted]}"#);
        assert_eq!(cleaned("pin 123456"), "pin [redacted]");
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
