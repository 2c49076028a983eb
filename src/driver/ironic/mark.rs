//! Marks: what a guarded step leaves on its node before it asks Ironic to act.
//!
//! A mark holds what is about to be asked and when the node's provision state had last changed. As
//! long as that moment is the same, nothing has come of the request; once it differs, something has.
//! The two cannot be confused: Ironic sets the moment in the transaction that leaves the state. The
//! mark is in `extra`, which outlives deployments, so that what was begun is known even after others
//! have undone it. `instance_uuid` alone could not tell: it is set before a deployment begins, and it
//! is gone when somebody releases the node, which must not make a successor deploy it again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::{DriverError, ErrorKind, Mark as Found, StepCall};
use super::node::{Node, set};
use super::state::Verb;
use crate::domain::StepKind;

/// The key in `extra`.
const KEY: &str = "drydock";

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The step subtask that left it.
    pub(super) task: String,
    /// Its step.
    step: String,
    /// What is about to be asked.
    pub(super) verb: Verb,
    /// When the provision state had last changed; none: never.
    since: Option<String>,
    /// The deployment that the node holds by a task of ours; kept until another begins.
    #[serde(default)]
    deployment: Option<String>,
}

/// What came of the request that a mark announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing, and nothing is being done: it may be sent.
    None,
    /// It cannot be told yet: a conductor has the node.
    Undecided,
    /// The node has left the state it was in.
    Some,
}

impl Mark {
    /// The mark to leave before asking for `verb`.
    pub(super) fn before(call: &StepCall, node: &Node, verb: Verb) -> Result<Self, DriverError> {
        let task = call.task_id.to_string();
        let deployment = if call.step == StepKind::DeployNode {
            Some(task.clone())
        } else {
            node.mark()?.and_then(|mark| mark.deployment)
        };
        Ok(Self {
            task,
            step: call.step.token().to_owned(),
            verb,
            since: node.provision_updated_at.clone(),
            deployment,
        })
    }

    /// The mark in a node's `extra`.
    pub(super) fn read(extra: &Map<String, Value>) -> Result<Option<Self>, DriverError> {
        let Some(value) = extra.get(KEY) else {
            return Ok(None);
        };
        let mark = Self::deserialize(value).map_err(|error| {
            DriverError::permanent(
                ErrorKind::Protocol,
                format!("extra.{KEY} of the node is no mark of ours, so what was begun is unknown: {error}"),
            )
        })?;
        Ok(Some(mark))
    }

    /// Whether this step subtask left it.
    pub(super) fn is_of(&self, call: &StepCall) -> bool {
        self.task == call.task_id.to_string()
    }

    /// The deployment that the node holds by a task of ours.
    pub(super) fn deployment(&self) -> Option<&str> {
        self.deployment.as_deref()
    }

    /// When the provision state had last changed before the request.
    pub(super) fn since(&self) -> Option<&str> {
        self.since.as_deref()
    }

    /// What came of what it announced, judging by the node as it is now.
    pub(super) fn effect(&self, node: &Node) -> Effect {
        if self.since != node.provision_updated_at {
            Effect::Some
        } else if node.reservation.is_some() {
            Effect::Undecided
        } else {
            Effect::None
        }
    }

    /// Whether the request that it announced must be followed, or may be sent.
    pub(super) fn found(&self, node: &Node) -> Found {
        match self.effect(node) {
            Effect::None => Found::Absent,
            Effect::Undecided | Effect::Some => Found::Present,
        }
    }

    /// The operation that leaves it.
    pub(super) fn operation(&self) -> Result<Value, DriverError> {
        let value = serde_json::to_value(self)
            .map_err(|error| DriverError::permanent(ErrorKind::Internal, error.to_string()))?;
        Ok(set(&format!("/extra/{KEY}"), value))
    }
}

#[cfg(test)]
#[path = "mark_tests.rs"]
mod tests;
