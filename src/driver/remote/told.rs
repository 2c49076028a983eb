//! What a plug-in tells, made fit: bounded, printable, without secrets, and put in our terms.

use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

use super::super::device_error::{clean_document, device_text};
use super::super::redaction::redacted;
use super::super::{DriverError, ErrorKind, Progress, StepReport};
use super::wire::{self, v1};
use crate::domain::build_data::{Collected, MAX_ITEMS};
use crate::secret::Secret;

/// The most of a report's `extra` that is kept, as JSON.
const MAX_EXTRA_BYTES: usize = 64 * 1024;

/// How deep `extra` may be; what is deeper is left out.
const MAX_DEPTH: usize = 16;

/// The outcome of a step. `begun`: it may have changed something.
///
/// # Errors
///
/// The plug-in's own failure, or an outcome that says nothing.
pub(super) fn outcome(
    plugin: &str,
    outcome: v1::Outcome,
    begun: bool,
    secrets: &[&Secret],
) -> Result<Progress, DriverError> {
    use v1::outcome::Result as Said;
    let text = |said: &str| text(said, secrets);
    match outcome.result {
        Some(Said::Success(success)) => Ok(Progress::Done(StepReport {
            message: text(&success.message),
            extra: extra(success.extra.unwrap_or_default(), secrets),
            found: true,
            build_data: success
                .build_data
                .into_iter()
                // One more than is kept, so that it is told that there were more.
                .take(MAX_ITEMS + 1)
                .map(|each| collected(plugin, each, secrets))
                .collect(),
        })),
        Some(Said::NotFound(not_found)) => Ok(Progress::Done(StepReport {
            message: text(&not_found.message),
            found: false,
            ..StepReport::default()
        })),
        Some(Said::Failure(failure)) => Err(DriverError {
            kind: wire::error_kind(failure.kind()),
            transient: failure.transient,
            not_sent: failure.not_sent && !begun,
            message: text(&failure.message)
                .unwrap_or_else(|| format!("plug-in {plugin} does not say what went wrong")),
        }),
        Some(Said::Cancelled(cancelled)) => Err(DriverError::permanent(
            ErrorKind::Cancelled,
            text(&cancelled.message).unwrap_or_else(|| "it was stopped".to_owned()),
        )),
        None => Err(DriverError::permanent(
            ErrorKind::Protocol,
            format!("plug-in {plugin} tells of an end that is none we know"),
        )),
    }
}

/// What is said for people; none: nothing is.
pub(super) fn text(said: &str, secrets: &[&Secret]) -> Option<String> {
    Some(device_text(said, secrets)).filter(|text| !text.is_empty())
}

/// A document is kept under the name that we have for the plug-in: it cannot pass for another's.
fn collected(plugin: &str, said: v1::BuildData, secrets: &[&Secret]) -> Collected {
    Collected {
        generator: plugin.to_owned(),
        data_format: device_text(&said.data_format, secrets),
        data_element: document(said.data_element, secrets),
    }
}

fn document(mut said: String, secrets: &[&Secret]) -> String {
    clean_document(&mut said, secrets);
    said
}

/// A report's `extra`, or how long it was if that was too long.
fn extra(said: prost_types::Struct, secrets: &[&Secret]) -> Map<String, Value> {
    let told = object(said, secrets, 0);
    let length = Value::Object(told.clone()).to_string().len();
    if length <= MAX_EXTRA_BYTES {
        return told;
    }
    Map::from_iter([("truncated_bytes".to_owned(), Value::from(length))])
}

fn object(said: prost_types::Struct, secrets: &[&Secret], depth: usize) -> Map<String, Value> {
    let fields = said.fields.into_iter();
    fields
        .map(|(name, each)| (clean(&name, secrets), value(each, secrets, depth + 1)))
        .collect()
}

fn value(said: prost_types::Value, secrets: &[&Secret], depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    match said.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(is)) => Value::Bool(is),
        // JSON has no infinity.
        Some(Kind::NumberValue(number)) => {
            Number::from_f64(number).map_or(Value::Null, Value::Number)
        }
        Some(Kind::StringValue(text)) => Value::String(clean(&text, secrets)),
        Some(Kind::ListValue(list)) => {
            let values = list.values.into_iter();
            values.map(|each| value(each, secrets, depth + 1)).collect()
        }
        Some(Kind::StructValue(inner)) => Value::Object(object(inner, secrets, depth)),
    }
}

/// What a plug-in said, as it said it, but without `secrets`.
fn clean(said: &str, secrets: &[&Secret]) -> String {
    // All of it: a message that came is no longer than 1 MiB.
    redacted(said, secrets, usize::MAX).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(result: v1::outcome::Result) -> v1::Outcome {
        v1::Outcome {
            result: Some(result),
        }
    }

    fn text(text: &str) -> prost_types::Value {
        prost_types::Value {
            kind: Some(Kind::StringValue(text.to_owned())),
        }
    }

    #[test]
    fn a_success_is_told_without_secrets_and_within_bounds() {
        let secret = Secret::new("hunter2".to_owned());
        let mut deep = text("deep");
        for _ in 0..100 {
            let list = prost_types::ListValue { values: vec![deep] };
            deep = prost_types::Value {
                kind: Some(Kind::ListValue(list)),
            };
        }
        let fields = [
            ("password".to_owned(), text("is hunter2")),
            ("deep".to_owned(), deep),
        ];
        let success = v1::Success {
            message: "done\nwith hunter2".to_owned(),
            extra: Some(prost_types::Struct {
                fields: fields.into(),
            }),
            ..v1::Success::default()
        };
        let told = outcome(
            "maas",
            said(v1::outcome::Result::Success(success)),
            true,
            &[&secret],
        );
        let Ok(Progress::Done(report)) = told else {
            panic!("{told:?}");
        };
        assert_eq!(report.message.as_deref(), Some("done with [redacted]"));
        assert_eq!(report.extra["password"], "is [redacted]");
        assert!(!report.extra["deep"].to_string().contains("deep"));

        let long = prost_types::Struct {
            fields: [("long".to_owned(), text(&"a".repeat(MAX_EXTRA_BYTES)))].into(),
        };
        assert_eq!(extra(long, &[])["truncated_bytes"], MAX_EXTRA_BYTES + 11);
    }

    #[test]
    fn no_form_of_a_secret_is_kept() {
        let secret = Secret::new("12\"34".to_owned());
        let data = serde_json::json!({"a": "is 12\"34", "b": "MTIiMzQ=", "12\"34": 1});
        let fields = [("c".to_owned(), text("MTIiMzQ="))];
        let success = v1::Success {
            extra: Some(prost_types::Struct {
                fields: fields.into(),
            }),
            build_data: vec![v1::BuildData {
                data_format: "application/json".to_owned(),
                data_element: data.to_string(),
            }],
            ..v1::Success::default()
        };
        let told = said(v1::outcome::Result::Success(success));
        let Ok(Progress::Done(report)) = outcome("maas", told, true, &[&secret]) else {
            panic!("a success");
        };
        assert_eq!(report.extra["c"], "[redacted]");
        let element: Value = serde_json::from_str(&report.build_data[0].data_element).unwrap();
        let expected =
            serde_json::json!({"a": "is [redacted]", "b": "[redacted]", "[redacted]": 1});
        assert_eq!(element, expected);
    }

    #[test]
    fn what_has_begun_was_sent_whatever_is_said() {
        let failure = v1::Failure {
            kind: v1::ErrorKind::Busy.into(),
            transient: true,
            not_sent: true,
            message: "\u{7}".to_owned(),
        };
        for (begun, not_sent) in [(false, true), (true, false)] {
            let told = said(v1::outcome::Result::Failure(failure.clone()));
            let error = outcome("maas", told, begun, &[]).unwrap_err();
            assert_eq!((error.kind, error.not_sent), (ErrorKind::Busy, not_sent));
            assert_eq!(error.message, "plug-in maas does not say what went wrong");
        }
        let error = outcome("maas", v1::Outcome::default(), true, &[]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Protocol);
    }
}
