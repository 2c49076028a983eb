//! What Ironic's refusals mean.

use http::StatusCode;
use serde_json::Value;

use super::super::device_error::device_text;
use super::super::{DriverError, ErrorKind};
use crate::secret::Secret;

/// Conflicts that waiting does not end; every other one is a lock. Ironic has no codes for them.
const LASTING_CONFLICTS: [&str; 3] = [
    "already exists",
    "is associated with",
    "is already associated",
];

/// A call that did not do what was asked.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    /// What Ironic answered; none: it did not.
    pub(super) status: Option<StatusCode>,
    /// What it means.
    pub(super) meaning: DriverError,
    /// Ironic itself says so, and no proxy before it.
    by_ironic: bool,
}

impl ApiError {
    /// What an answer other than success means. `place` is the host that gave it.
    pub(super) fn of_answer(
        place: &str,
        status: StatusCode,
        body: &[u8],
        secrets: &[&Secret],
    ) -> Self {
        let said = device_text(&said(body), secrets);
        let mut meaning = DriverError::of_status(status, &said);
        if status == StatusCode::CONFLICT
            && LASTING_CONFLICTS.iter().any(|text| said.contains(text))
        {
            meaning.kind = ErrorKind::Refused;
            meaning.transient = false;
        }
        Self {
            status: Some(status),
            by_ironic: is_ironics(body),
            meaning: meaning.within(&format!("Ironic at {place}")),
        }
    }

    /// What was asked for is not there.
    pub(super) fn is_missing(&self) -> bool {
        self.by_ironic && self.status == Some(StatusCode::NOT_FOUND)
    }

    /// Somebody else has what was asked for, and keeps it.
    pub(super) fn is_taken(&self) -> bool {
        self.status == Some(StatusCode::CONFLICT) && !self.meaning.transient
    }

    /// Ironic looked at what was asked and will not do it; nothing has begun. What a proxy says that
    /// stands before it is no word on what Ironic did.
    pub(super) fn is_refusal(&self) -> bool {
        self.by_ironic && self.status.is_some_and(|status| status.is_client_error())
    }

    /// Ironic began, had no worker for it, and put the node back where it was.
    pub(super) fn was_put_back(&self) -> bool {
        self.by_ironic && self.status == Some(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// Nothing has begun, and the same may be asked for again: it never got there, or Ironic itself had
    /// no time or nobody for it.
    pub(super) fn has_begun_nothing(&self) -> bool {
        self.meaning.not_sent || (self.by_ironic && self.meaning.kind == ErrorKind::Busy)
    }

    /// As a poll tells it: whatever keeps us from asking says nothing about the work itself.
    pub(super) fn while_polling(self) -> DriverError {
        DriverError {
            transient: true,
            ..self.meaning
        }
    }
}

impl From<DriverError> for ApiError {
    fn from(meaning: DriverError) -> Self {
        Self {
            status: None,
            meaning,
            by_ironic: false,
        }
    }
}

impl From<ApiError> for DriverError {
    fn from(error: ApiError) -> Self {
        error.meaning
    }
}

/// Whether a refusal has Ironic's own form.
fn is_ironics(body: &[u8]) -> bool {
    let document = serde_json::from_slice::<Value>(body);
    document.is_ok_and(|document| document.get("error_message").is_some())
}

/// What the body of a refusal says. Ironic wraps its words in a JSON text within a JSON document, its
/// middleware in documents of other shapes.
fn said(body: &[u8]) -> String {
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return String::from_utf8_lossy(body).into_owned();
    };
    let inner = match document
        .get("error_message")
        .or_else(|| document.get("error"))
    {
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ Value::Object(_)) => inner,
            Ok(_) | Err(_) => return text.clone(),
        },
        Some(inner @ Value::Object(_)) => inner.clone(),
        Some(_) | None => document,
    };
    let words = ["faultstring", "description", "message", "title"]
        .into_iter()
        .find_map(|key| inner.get(key)?.as_str());
    words.map_or_else(|| inner.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKED: &str = r#"{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Node 831902ad is locked by host ironic-test, please retry after the current operation is completed.\", \"debuginfo\": null}"}"#;
    const TAKEN: &str = r#"{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Node 447af31e is associated with instance 11111111.\", \"debuginfo\": null}"}"#;

    fn error(status: u16, body: &str) -> ApiError {
        let status = StatusCode::from_u16(status).unwrap();
        ApiError::of_answer("ironic:6385", status, body.as_bytes(), &[])
    }

    #[test]
    fn a_lock_passes_and_a_claim_does_not() {
        let locked = error(409, LOCKED);
        assert!(locked.meaning.transient && !locked.is_taken());
        assert_eq!(locked.meaning.kind, ErrorKind::Busy);
        let taken = error(409, TAKEN);
        assert!(!taken.meaning.transient && taken.is_taken());
        assert_eq!(
            taken.meaning.message,
            "Ironic at ironic:6385: answered 409 Conflict: Node 447af31e is associated with instance 11111111."
        );
    }

    #[test]
    fn a_proxy_has_no_word_on_what_ironic_did() {
        const FULL: &str = r#"{"error_message": "{\"faultcode\": \"Server\", \"faultstring\": \"Requested action cannot be performed due to lack of free conductor workers.\", \"debuginfo\": null}"}"#;
        const PROXY: &str = "<html><body><h1>503 Service Unavailable</h1></body></html>";
        let full = error(503, FULL);
        assert!(full.meaning.transient && full.has_begun_nothing() && full.was_put_back());
        let proxy = error(503, PROXY);
        assert!(proxy.meaning.transient && !proxy.has_begun_nothing() && !proxy.was_put_back());
        assert!(error(409, LOCKED).has_begun_nothing());
        assert!(error(400, TAKEN).is_refusal());
        for status in [400, 404, 409, 429] {
            let error = error(status, PROXY);
            assert!(!error.is_refusal() && !error.has_begun_nothing() && !error.is_missing());
        }
    }

    #[test]
    fn every_shape_of_refusal_is_read() {
        for (body, told) in [
            (LOCKED, "Node 831902ad is locked"),
            (
                r#"{"error_message": "{\"code\": 406, \"title\": \"Not Acceptable\", \"description\": \"Version 1.999\"}"}"#,
                "Version 1.999",
            ),
            (
                r#"{"error": {"message": "Authorization required", "code": 401}}"#,
                "Authorization required",
            ),
            (r#"{"error_message": "plain"}"#, "plain"),
            (r#"{"error_message": {"faultstring": "object"}}"#, "object"),
            ("<html>bad gateway</html>", "<html>bad gateway</html>"),
            ("[1]", "[1]"),
            ("", ""),
        ] {
            let said = said(body.as_bytes());
            assert!(said.starts_with(told), "{body}: {said}");
        }
    }
}
