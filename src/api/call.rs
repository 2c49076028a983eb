//! One call: its id, and who makes it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tonic::Request;
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use super::identity::identity;
use super::status::Failure;
use super::violations::{Check, Violations};
use crate::access::Certificate;
use crate::tasks::Caller;

/// The request metadata that joins a call with its caller's own logs. The second is how clients of the
/// original name it.
const CORRELATION_KEYS: [&str; 2] = ["x-correlation-id", "x-context-marker"];

/// The longest correlation id, in bytes.
const MAX_CORRELATION_ID: usize = 128;

/// The id of one call, by which its log lines are found. The service makes it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(Uuid);

impl CallId {
    /// A fresh id.
    pub fn new() -> Self {
        Self(crate::random::id())
    }

    /// The id that the call was given on arrival.
    pub fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().copied().unwrap_or_default()
    }
}

impl Default for CallId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The other end of the connection that a call came by. The composition root puts it into the extensions
/// of every request; without it a dead connection is left to the transport's keepalive.
#[derive(Clone)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// The client certificate that the handshake has verified.
    pub certificate: Option<Arc<Certificate>>,
    /// Closes the connection.
    pub close: Arc<dyn Fn() + Send + Sync>,
}

/// Who makes the call. A correlation id that breaks its rules is recorded in `check`.
pub(super) fn caller<T>(check: &mut Check, request: &Request<T>) -> Result<Caller, Failure> {
    let identity = identity(request)?;
    Ok(Caller {
        actor: identity.name,
        role: identity.role,
        correlation_id: correlation_id(request.metadata()).unwrap_or_else(|violations| {
            check.absorb(violations);
            None
        }),
    })
}

fn correlation_id(metadata: &MetadataMap) -> Result<Option<Arc<str>>, Violations> {
    let Some((key, value)) = CORRELATION_KEYS
        .into_iter()
        .find_map(|key| metadata.get(key).map(|value| (key, value)))
    else {
        return Ok(None);
    };
    let mut check = Check::default();
    let text = std::str::from_utf8(value.as_encoded_bytes())
        .ok()
        .filter(|text| {
            (1..=MAX_CORRELATION_ID).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        });
    if text.is_none() {
        check.refuse(
            key,
            format!("must be 1 to {MAX_CORRELATION_ID} visible ASCII characters"),
        );
    }
    check.finish(text.map(|text| Some(Arc::from(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &str)]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for (key, value) in pairs {
            metadata.insert(*key, value.parse().expect("header text"));
        }
        metadata
    }

    #[test]
    fn our_own_key_comes_before_the_original_one() {
        let both = with(&[("x-context-marker", "b"), ("x-correlation-id", "a")]);
        assert_eq!(correlation_id(&both), Ok(Some(Arc::from("a"))));
        let marker = with(&[("x-context-marker", "b")]);
        assert_eq!(correlation_id(&marker), Ok(Some(Arc::from("b"))));
        assert_eq!(correlation_id(&MetadataMap::new()), Ok(None));
    }

    #[test]
    fn only_visible_ascii_of_128_characters_is_accepted() {
        let longest = "x".repeat(128);
        assert!(correlation_id(&with(&[("x-correlation-id", &longest)])).is_ok());
        let too_long = "x".repeat(129);
        for bad in [too_long.as_str(), "", "a b", "a\tb"] {
            let refused = correlation_id(&with(&[("x-correlation-id", bad)]));
            let violations = refused.expect_err("not accepted");
            assert_eq!(violations.listed[0].field, "x-correlation-id", "{bad:?}");
        }
    }
}
