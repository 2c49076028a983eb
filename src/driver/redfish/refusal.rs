//! What a Redfish service says when it does not do what it was asked to.

use http::StatusCode;
use serde_json::Value;

use crate::driver::device_error::device_text;
use crate::driver::http::Answer;
use crate::driver::{DriverError, ErrorKind};
use crate::secret::Secret;

/// The most of the messages of one answer that are told.
const MAX_MESSAGES: usize = 5;

/// Ends of message ids that say: not now. The registries of vendors have them in several versions.
const PASSING: [&str; 7] = [
    "ServiceTemporarilyUnavailable",
    "ServiceShuttingDown",
    "ServiceInUnknownState",
    "ResourceInUse",
    "ResourceInStandby",
    "ConditionInRelatedResource",
    "SessionLimitExceeded",
];

/// Ends of message ids that say: not this, ever.
const UNSUPPORTED: [&str; 5] = [
    "ActionNotSupported",
    "ActionParameterNotSupported",
    "ActionParameterValueNotInList",
    "PropertyValueNotInList",
    "PropertyNotWritable",
];

/// The error that an answer other than success stands for. Whatever of `secrets` the service
/// repeats is left out.
pub(super) fn of(answer: &Answer, secrets: &[&Secret]) -> DriverError {
    let parsed: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let said = parsed.as_ref().map(messages).unwrap_or_default();
    let mut error = DriverError::of_status(answer.status, &device_text(&said.join("; "), secrets));
    if answer.status.is_client_error() && answer.status != StatusCode::UNAUTHORIZED {
        let ids = parsed.as_ref().map(message_ids).unwrap_or_default();
        let any_of = |known: &[&str]| {
            ids.iter().any(|id| {
                known
                    .iter()
                    .any(|known| id.rsplit('.').next() == Some(known))
            })
        };
        if any_of(&PASSING) {
            error.kind = ErrorKind::Busy;
            error.transient = true;
        } else if any_of(&UNSUPPORTED) {
            error.kind = ErrorKind::Unsupported;
            error.transient = false;
        }
    }
    error
}

/// What an error document tells people.
fn messages(document: &Value) -> Vec<&str> {
    let extended = extended(document).iter();
    let mut said: Vec<&str> = extended
        .filter_map(|info| info["Message"].as_str())
        .filter(|text| !text.is_empty())
        .take(MAX_MESSAGES)
        .collect();
    if said.is_empty() {
        said.extend(document["error"]["message"].as_str());
    }
    said
}

fn message_ids(document: &Value) -> Vec<&str> {
    let extended = extended(document).iter().take(MAX_MESSAGES);
    let ids = extended.filter_map(|info| info["MessageId"].as_str());
    ids.chain(document["error"]["code"].as_str()).collect()
}

fn extended(document: &Value) -> &[Value] {
    let info = &document["error"]["@Message.ExtendedInfo"];
    info.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn refused(status: u16, body: &str) -> DriverError {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
            url: "https://bmc/".parse().unwrap(),
        };
        of(&answer, &[&Secret::new("hunter2".to_owned())])
    }

    #[test]
    fn messages_of_the_service_are_told() {
        let body = json!({"error": {"code": "Base.1.8.GeneralError", "message": "general", "@Message.ExtendedInfo": [
            {"MessageId": "Base.1.8.ActionNotSupported", "Message": "no such action for hunter2"},
            {"MessageId": "x", "Message": "try later"},
        ]}});
        let error = refused(400, &body.to_string());
        assert_eq!(
            error.message,
            "answered 400 Bad Request: no such action for [redacted]; try later"
        );
        assert_eq!(
            (error.kind, error.transient),
            (ErrorKind::Unsupported, false)
        );

        let body =
            json!({"error": {"code": "Base.1.0.GeneralError", "message": "Not implemented"}});
        let error = refused(501, &body.to_string());
        assert_eq!(
            error.message,
            "answered 501 Not Implemented: Not implemented"
        );
        assert_eq!(error.kind, ErrorKind::Unsupported);

        let error = refused(500, "<html>hunter2</html>");
        assert_eq!(error.message, "answered 500 Internal Server Error");
    }

    #[test]
    fn a_service_that_is_busy_is_asked_again() {
        let body = json!({"error": {"@Message.ExtendedInfo": [{"MessageId": "Vendor.2.0.1.ResourceInUse"}]}});
        let error = refused(400, &body.to_string());
        assert_eq!((error.kind, error.transient), (ErrorKind::Busy, true));
        let error = refused(401, &body.to_string());
        assert_eq!(
            (error.kind, error.transient),
            (ErrorKind::Unauthorised, false)
        );
    }

    #[test]
    fn documents_of_any_shape_are_borne() {
        for body in [
            "",
            "[]",
            "7",
            "{}",
            r#"{"error": []}"#,
            r#"{"error": {"message": 7, "@Message.ExtendedInfo": [7, {}]}}"#,
        ] {
            assert_eq!(refused(404, body).message, "answered 404 Not Found");
        }
    }
}
