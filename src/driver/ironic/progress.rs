//! What is told of a node that Ironic works on, and why it failed.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::device_error::device_text;
use super::super::{DriverError, ErrorKind, Progress, StepReport};
use super::client::Session;
use super::mark::Mark;
use super::microversion::Microversion;
use super::node::Node;
use super::state::Verb;
use crate::domain::Collected;

/// When work that has begun is first asked after.
const FIRST_POLL: Duration = Duration::from_millis(400);

/// Entries of a node's history that are looked through for its last error: a deployment leaves a few.
const HISTORY_ENTRIES: &str = "50";

/// Work that goes on.
pub(super) fn running(node: &Node) -> Progress {
    running_with(node, describe(node))
}

/// Work that goes on, told in other words.
pub(super) fn running_with(node: &Node, message: String) -> Progress {
    Progress::Running {
        poll_after: node.pace(),
        message: Some(message),
    }
}

/// Work that Ironic has accepted a moment ago. It is told without looking: the first state may be over
/// before anybody could.
pub(super) fn begun(verb: Verb) -> Progress {
    Progress::Running {
        poll_after: FIRST_POLL,
        message: Some(verb.begins().to_owned()),
    }
}

/// Work that is done.
pub(super) fn done(node: &Node, message: impl Into<String>) -> Progress {
    Progress::Done(StepReport {
        message: Some(message.into()),
        extra: facts(node),
        ..StepReport::default()
    })
}

/// Work that is done, and found something out.
pub(super) fn collected(
    node: &Node,
    message: impl Into<String>,
    build_data: Vec<Collected>,
) -> Progress {
    Progress::Done(StepReport {
        message: Some(message.into()),
        extra: facts(node),
        build_data,
        ..StepReport::default()
    })
}

/// What a program may want to know of a node.
pub(super) fn facts(node: &Node) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut say = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            facts.insert(key.to_owned(), Value::from(value));
        }
    };
    say("ironic_node", Some(&node.uuid));
    say("ironic_driver", node.driver.as_deref());
    say("provision_state", Some(node.provision_state.token()));
    say("power_state", node.power_state.as_deref());
    say("instance_uuid", node.instance_uuid.as_deref());
    facts
}

/// Where a node is, as in `deploying (deploy.write_image), then active`.
fn describe(node: &Node) -> String {
    let mut text = node.provision_state.to_string();
    for step in [&node.deploy_step, &node.clean_step] {
        let part = |key: &str| step.get(key).and_then(Value::as_str);
        if let (Some(interface), Some(step)) = (part("interface"), part("step")) {
            text.push_str(&format!(" ({interface}.{step})"));
        }
    }
    match node.target_provision_state.as_deref() {
        Some(target) if target != node.provision_state.token() => {
            text.push_str(", then ");
            text.push_str(target);
        }
        Some(_) | None => {}
    }
    if let Some(error) = &node.last_error {
        text.push_str(": ");
        text.push_str(&device_text(error, &[]));
    }
    text
}

#[derive(Deserialize)]
struct History {
    history: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    created_at: String,
    severity: String,
    event: String,
}

impl Session<'_> {
    /// The error of work that has failed, with the reason that Ironic gives. It forgets `last_error`
    /// within seconds of some failures, so the node's history is read where it says nothing.
    pub(super) async fn failure(&self, node: &Node, mark: Option<&Mark>) -> DriverError {
        let reason = match &node.last_error {
            Some(reason) => Some(reason.clone()),
            None => self.last_in_history(node, mark).await,
        };
        let reason = reason.map_or_else(
            || "Ironic gives no reason".to_owned(),
            |reason| device_text(&reason, &[]),
        );
        DriverError::permanent(
            ErrorKind::Failed,
            format!("{}: {reason}", node.provision_state),
        )
    }

    async fn last_in_history(&self, node: &Node, mark: Option<&Mark>) -> Option<String> {
        // The failure is told in any case; what cannot be read of it is only missing from the words.
        let version = self.version().await.ok()?;
        if version < Microversion::HISTORY {
            return None;
        }
        let query = [("detail", "true"), ("limit", HISTORY_ENTRIES)];
        let path = ["nodes", node.uuid.as_str(), "history"];
        let read: Result<History, _> = self.get(&path, &query).await;
        let history = read
            .inspect_err(|error| {
                tracing::warn!(node = %node.uuid, error = %error.meaning, "history of a node not read");
            })
            .ok()?;
        let begun = mark.and_then(Mark::since);
        let errors = history.history.into_iter().filter(|entry| {
            entry.severity == "ERROR"
                && begun.is_none_or(|begun| entry.created_at.as_str() >= begun)
        });
        let last = errors.max_by(|one, other| one.created_at.cmp(&other.created_at));
        last.map(|entry| entry.event)
    }
}
