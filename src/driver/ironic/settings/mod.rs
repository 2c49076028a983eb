//! The `apply_node_*` steps: what the design says of a node, written where Ironic looks for it.
//!
//! Each step makes a list of fields and a list of what Ironic has no field for. The fields that differ
//! are set in one patch and read back; what an earlier task set and the design wants no more is removed
//! in it. What has no place is told, so that nobody takes a deployment for more than it is.

mod network_data;

mod networking;

mod storage;

mod platform;

mod record;

use serde_json::Value;

use super::super::{DriverError, ErrorKind, Progress};
use super::client::Session;
use super::node::{Node, remove, set};
use super::progress::done;
use super::state::State;
use record::Record;

pub(super) use networking::{config_drive, networking};
pub(super) use platform::platform;
pub(super) use storage::storage;

/// What one section of the design comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    /// Every place that the section may set.
    places: &'static [Place],
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

    /// What is there; none: nothing.
    fn of(self, node: &Node) -> Option<Value> {
        match self {
            Self::Instance(key) => node.instance_info.get(key).cloned(),
            Self::NetworkData => {
                let data = &node.network_data;
                (!data.is_empty()).then(|| Value::Object(data.clone()))
            }
        }
    }
}

impl Settings {
    /// Those of a section that may set `places`, and sets none of them yet.
    fn of(places: &'static [Place]) -> Self {
        Self {
            places,
            fields: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// What the section wants at a place; none: nothing.
    fn wanted(&self, place: Place) -> Option<&Value> {
        let field = self.fields.iter().find(|field| field.place == place);
        field.map(|field| &field.value)
    }

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

/// What is said of a node that nothing is written to; none: it may be written to.
pub(super) fn left_alone(node: &Node) -> Option<Result<Progress, DriverError>> {
    if let Some(instance) = node.claimed_by_others() {
        let text = format!(
            "{} is claimed for instance {instance}, which is none of ours: nothing is written to it",
            node.label()
        );
        return Some(Err(DriverError::permanent(ErrorKind::Refused, text)));
    }
    if node.provision_state == State::Active {
        let text = "in use: its settings are left as it was deployed with";
        return Some(Ok(done(node, text)));
    }
    None
}

/// Sets what differs, removes what is wanted no more, and reads it back.
pub(super) async fn apply(
    session: Session<'_>,
    node: Node,
    settings: Settings,
) -> Result<Progress, DriverError> {
    let record = Record::read(&node)?;
    let mut after = record.clone();
    let mut operations = Vec::new();
    let (mut changed, mut removed) = (Vec::new(), Vec::new());
    for place in settings.places.iter().copied() {
        let present = place.of(&node);
        let ours = present
            .as_ref()
            .is_some_and(|value| record.has(place, value));
        match settings.wanted(place) {
            Some(value) if present.as_ref() != Some(value) => {
                operations.push(set(&place.path(), value.clone()));
                after.put(place, value);
                changed.push(place);
            }
            // As it is wanted, by us or by somebody else.
            Some(_) => {}
            // Once somebody else has changed it, it is theirs.
            None if ours => {
                // Set first, as a patch whose answer was lost is sent again, and what is not there
                // cannot be removed.
                if let Place::Instance(_) = place {
                    operations.push(set(&place.path(), Value::Null));
                }
                operations.push(remove(&place.path()));
                after.drop(place);
                removed.push(place);
            }
            None => after.drop(place),
        }
    }
    if operations.is_empty() {
        let text = if settings.fields.is_empty() {
            "nothing to set"
        } else {
            "as designed already"
        };
        return Ok(done(&node, settings.told(text.to_owned())));
    }
    operations.push(after.operation());
    let written = session.patch_node(&node, operations).await?;
    let lost = changed.iter().chain(&removed);
    let mut lost = lost.filter(|place| place.of(&written).as_ref() != settings.wanted(**place));
    if let Some(lost) = lost.next() {
        return Err(DriverError::permanent(
            ErrorKind::Failed,
            format!(
                "{} of {} did not keep what it was set to",
                lost.name(),
                node.label()
            ),
        ));
    }
    let text = [("set", changed), ("removed", removed)]
        .into_iter()
        .filter(|(_, places)| !places.is_empty())
        .map(|(what, places)| {
            let names: Vec<String> = places.into_iter().map(Place::name).collect();
            format!("{what} {}", names.join(", "))
        })
        .collect::<Vec<_>>()
        .join("; ");
    Ok(done(&written, settings.told(text)))
}
