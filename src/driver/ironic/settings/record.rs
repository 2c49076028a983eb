//! What of a node's fields we have written: the only ones that we take away again.
//!
//! Operators of Ironic, and other clients, set the same fields. So each step notes which it has set, and
//! to what, in the patch that sets it; a field that has another value since is theirs. The note has
//! digests and no values: it must stay small, and it is no second place to look for them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::super::{DriverError, ErrorKind};
use super::super::node::{Node, set};
use super::Place;

/// The key in `extra`.
const KEY: &str = "drydock_settings";

/// Bytes of a digest that are kept: nobody gains from two values that have the same.
const DIGEST_BYTES: usize = 8;

/// The fields that we have written, each with a digest of its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record(BTreeMap<String, String>);

impl Record {
    /// That of a node; empty where there is none.
    pub(super) fn read(node: &Node) -> Result<Self, DriverError> {
        let Some(value) = node.extra.get(KEY) else {
            return Ok(Self::default());
        };
        let fields = value.as_object().and_then(|fields| {
            let digest = |value: &Value| value.as_str().map(str::to_owned);
            let fields = fields.iter();
            fields
                .map(|(name, value)| Some((name.clone(), digest(value)?)))
                .collect()
        });
        fields.map(Self).ok_or_else(|| {
            let text = format!("extra.{KEY} of {} is no record of ours", node.label());
            DriverError::permanent(ErrorKind::Protocol, text)
        })
    }

    /// Whether we have written `value` there.
    pub(super) fn has(&self, place: Place, value: &Value) -> bool {
        self.0.get(&place.name()) == Some(&digest(value))
    }

    /// Notes that we write `value` there.
    pub(super) fn put(&mut self, place: Place, value: &Value) {
        self.0.insert(place.name(), digest(value));
    }

    /// Forgets a place.
    pub(super) fn drop(&mut self, place: Place) {
        self.0.remove(&place.name());
    }

    /// The operation that keeps it.
    pub(super) fn operation(&self) -> Value {
        set(&format!("/extra/{KEY}"), json!(self.0))
    }
}

/// The keys of a JSON object are in order here, whatever order Ironic gives them in.
fn digest(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string());
    let digest = digest.iter().take(DIGEST_BYTES);
    digest.map(|byte| format!("{byte:02x}")).collect()
}
