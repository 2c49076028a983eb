//! The `apply_node_*` steps: what the design says of a node, written where Ironic looks for it.
//!
//! Each step makes a list of fields and a list of what Ironic has no field for. The fields that differ
//! are set in one patch and read back; what has no place is told, so that nobody takes a deployment
//! for more than it is.

mod network_data;

mod networking;

mod storage;

mod platform;

use serde_json::Value;

use super::super::{DriverError, ErrorKind, Progress};
use super::client::Session;
use super::node::{Node, set};
use super::progress::done;
use super::state::State;

pub(super) use networking::{config_drive, networking};
pub(super) use platform::platform;
pub(super) use storage::storage;

/// What one section of the design comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// What is set.
    fields: Vec<Field>,
    /// What Ironic has no place for, in words.
    left_out: Vec<String>,
}

/// A field of a node.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    place: Place,
    value: Value,
}

/// Where a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A key of `instance_info`: what is deployed. Ironic empties it with each release.
    Instance(&'static str),
    /// All of `network_data`.
    NetworkData,
}

impl Place {
    fn name(self) -> String {
        match self {
            Self::Instance(key) => format!("instance_info.{key}"),
            Self::NetworkData => "network_data".to_owned(),
        }
    }

    fn path(self) -> String {
        match self {
            Self::Instance(key) => format!("/instance_info/{key}"),
            Self::NetworkData => "/network_data".to_owned(),
        }
    }

    fn holds(self, node: &Node, value: &Value) -> bool {
        match self {
            Self::Instance(key) => node.instance_info.get(key) == Some(value),
            Self::NetworkData => value.as_object() == Some(&node.network_data),
        }
    }
}

impl Settings {
    fn set(&mut self, place: Place, value: impl Into<Value>) {
        let value = value.into();
        self.fields.push(Field { place, value });
    }

    fn leave_out(&mut self, text: impl Into<String>) {
        self.left_out.push(text.into());
    }

    /// `text`, and what has no place.
    fn told(&self, mut text: String) -> String {
        if !self.left_out.is_empty() {
            text.push_str("; not expressed in Ironic: ");
            text.push_str(&self.left_out.join(", "));
        }
        text
    }
}

/// Sets what differs, and reads it back.
pub(super) async fn apply(
    session: Session<'_>,
    node: Node,
    settings: Settings,
) -> Result<Progress, DriverError> {
    if node.provision_state == State::Active {
        return Ok(done(
            &node,
            "in use: its settings are left as it was deployed with",
        ));
    }
    let differing: Vec<&Field> = settings
        .fields
        .iter()
        .filter(|field| !field.place.holds(&node, &field.value))
        .collect();
    if differing.is_empty() {
        let text = if settings.fields.is_empty() {
            "nothing to set"
        } else {
            "as designed already"
        };
        return Ok(done(&node, settings.told(text.to_owned())));
    }
    let operations = differing
        .iter()
        .map(|field| set(&field.place.path(), field.value.clone()))
        .collect();
    let after = session.patch_node(&node, operations).await?;
    let kept = |field: &&Field| field.place.holds(&after, &field.value);
    if let Some(lost) = differing.iter().find(|field| !kept(field)) {
        return Err(DriverError::permanent(
            ErrorKind::Failed,
            format!(
                "{} of {} did not keep what it was set to",
                lost.place.name(),
                node.label()
            ),
        ));
    }
    let names: Vec<String> = differing.iter().map(|field| field.place.name()).collect();
    Ok(done(
        &after,
        settings.told(format!("set {}", names.join(", "))),
    ))
}
