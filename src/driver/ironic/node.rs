//! A node as Ironic shows it.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::DriverError;
use super::client::Session;
use super::error::ApiError;
use super::mark::Mark;
use super::microversion::Microversion;
use super::state::{State, Verb};
use crate::clock;
use crate::domain::Timestamp;

/// What is asked for of a node: everything that a decision here rests on.
const FIELDS: &str = "uuid,name,driver,provision_state,target_provision_state,provision_updated_at,power_state,\
last_error,reservation,instance_uuid,instance_info,extra,maintenance,maintenance_reason,deploy_step,clean_step";

/// What Ironic notes on a node that it put back where it was for want of a worker. It has no code for it.
const NO_WORKER: &str = "No free conductor workers";

/// How soon a node is asked after again: at first often, to see every state; later seldom, so that
/// hundreds of nodes that take minutes each do not keep Ironic from working.
const SHORTEST_PACE: Duration = Duration::from_millis(400);
const LONGEST_PACE: Duration = Duration::from_secs(5);

/// What part of the time that a node has been in its state is waited before it is asked after again.
const PACE_SHARE: u32 = 8;

/// A node.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Node {
    pub(super) uuid: String,
    pub(super) name: Option<String>,
    pub(super) driver: Option<String>,
    pub(super) provision_state: State,
    pub(super) target_provision_state: Option<String>,
    /// When the provision state last changed: what tells one stay in a state from the next.
    pub(super) provision_updated_at: Option<String>,
    pub(super) power_state: Option<String>,
    pub(super) last_error: Option<Said>,
    /// The conductor that has it locked.
    pub(super) reservation: Option<String>,
    pub(super) instance_uuid: Option<String>,
    #[serde(default)]
    pub(super) instance_info: Map<String, Value>,
    #[serde(default)]
    pub(super) network_data: Map<String, Value>,
    #[serde(default)]
    pub(super) extra: Map<String, Value>,
    #[serde(default)]
    pub(super) maintenance: bool,
    pub(super) maintenance_reason: Option<Said>,
    #[serde(default)]
    pub(super) deploy_step: Map<String, Value>,
    #[serde(default)]
    pub(super) clean_step: Map<String, Value>,
    /// When anything of it last changed.
    pub(super) updated_at: Option<String>,
}

/// Words of Ironic or of what it talks to, which are told by [`Session::told`] alone: a password may be
/// among them.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Said(pub(super) String);

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said(..)")
    }
}

impl Node {
    /// Nothing goes on with it. Ironic reaches a state up to a second before it lets the node go, and
    /// leaves the target of what failed standing.
    pub(super) fn is_settled(&self) -> bool {
        self.reservation.is_none()
            && (self.target_provision_state.is_none() || self.provision_state.is_failure())
    }

    /// The mark that one of our steps left.
    ///
    /// # Errors
    ///
    /// Something else is in its place: nobody can tell what was begun.
    pub(super) fn mark(&self) -> Result<Option<Mark>, DriverError> {
        Mark::read(&self.extra)
    }

    /// Whether its instance is a deployment of ours, of any task.
    pub(super) fn has_deployment_of_ours(&self) -> bool {
        let mark = self.mark().ok().flatten();
        let instance = self.instance_uuid.as_deref();
        instance.is_some() && mark.is_some_and(|mark| mark.deployment() == instance)
    }

    /// Whether Ironic put it back where it was because no conductor had a worker for it. It forgets the
    /// reason with the next work that it begins.
    pub(super) fn lacked_a_worker(&self) -> bool {
        let error = self.last_error.as_ref();
        error.is_some_and(|error| error.0.contains(NO_WORKER))
    }

    /// The instance that somebody else has claimed it for.
    pub(super) fn claimed_by_others(&self) -> Option<&str> {
        let instance = self.instance_uuid.as_deref();
        instance.filter(|_| !self.has_deployment_of_ours())
    }

    /// How it is called, for operators.
    pub(super) fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("node {name} ({})", self.uuid),
            None => format!("node {}", self.uuid),
        }
    }

    /// When to ask after it again.
    pub(super) fn pace(&self) -> Duration {
        let changed = self.provision_updated_at.as_deref().and_then(parse);
        // Clocks that differ make it more or less often, and nothing else.
        let age = changed.and_then(|changed| (clock::now() - changed).to_std().ok());
        (age.unwrap_or_default() / PACE_SHARE).clamp(SHORTEST_PACE, LONGEST_PACE)
    }
}

/// A moment as Ironic writes it.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(parsed.to_utc())
}

impl Session<'_> {
    /// Reads a node by its name or UUID; none: Ironic knows no such node.
    pub(super) async fn node(&self, name: &str) -> Result<Option<Node>, ApiError> {
        let fields = self.fields().await?;
        match self.get(&["nodes", name], &[("fields", &fields)]).await {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Patches a node, waiting out whoever has it locked, and reads it back.
    pub(super) async fn patch_node(
        &self,
        node: &Node,
        operations: Vec<Value>,
    ) -> Result<Node, ApiError> {
        self.patch(&["nodes", &node.uuid], operations).await
    }

    /// Asks Ironic to do something with a node.
    pub(super) async fn provision(
        &self,
        node: &Node,
        verb: Verb,
        config_drive: Option<Value>,
    ) -> Result<(), ApiError> {
        let mut body = json!({"target": verb.token()});
        if let Some(config_drive) = config_drive {
            body["configdrive"] = config_drive;
        }
        self.put(&["nodes", &node.uuid, "states", "provision"], body)
            .await
    }

    async fn fields(&self) -> Result<String, ApiError> {
        let version = self.version().await?;
        Ok(if version >= Microversion::NETWORK_DATA {
            format!("{FIELDS},network_data")
        } else {
            FIELDS.to_owned()
        })
    }
}

/// An operation that sets what `path` names.
pub(super) fn set(path: &str, value: Value) -> Value {
    json!({"op": "add", "path": path, "value": value})
}

/// An operation that removes what `path` names.
pub(super) fn remove(path: &str) -> Value {
    json!({"op": "remove", "path": path})
}
