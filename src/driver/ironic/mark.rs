//! Marks: what a guarded step leaves on its node before it asks Ironic to act.
//!
//! A mark holds what is about to be asked, and where the node was then: its provision state, when that
//! had last changed, and its instance. As long as state and moment are the same, nothing has come of
//! the request. Once they differ, what the node shows is held against where that verb leads from
//! there; Ironic also puts a node back where it was when it has no worker for it. What others may have
//! done as well is unknown, and neither taken for done nor for not done.
//!
//! The mark is in `extra`, which outlives deployments, so that what was begun is known even after others
//! have undone it. `instance_uuid` alone could not tell: it is set before a deployment begins, and it
//! is gone when somebody releases the node, which must not make a successor deploy it again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::super::{DriverError, ErrorKind, Mark as Found, StepCall};
use super::client::Session;
use super::error::ApiError;
use super::node::{Node, parse, remove, set};
use super::state::{State, Verb};
use crate::clock;
use crate::domain::StepKind;

/// The key in `extra`.
const KEY: &str = "drydock";

/// How long it takes until another moment is told from this one. MySQL keeps whole seconds, rounded.
const NEXT_SECOND: Duration = Duration::from_millis(1100);

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The step subtask that left it.
    pub(super) task: String,
    /// Its step.
    step: String,
    /// What is about to be asked.
    pub(super) verb: Verb,
    /// The provision state; none: left by a version that did not note it.
    #[serde(default)]
    state: Option<String>,
    /// When that had last changed; none: never.
    since: Option<String>,
    /// The node's instance.
    #[serde(default)]
    instance: Option<String>,
    /// When it was left, by our clock: to be read by people, and so that leaving it again changes the node.
    #[serde(default)]
    left: Option<String>,
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
    /// It has been done, or is being done.
    Some,
    /// It cannot be told any more: others have changed the node since.
    Unknown,
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
            state: Some(node.provision_state.token().to_owned()),
            since: node.provision_updated_at.clone(),
            instance: node.instance_uuid.clone(),
            left: Some(clock::now().to_rfc3339()),
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
        let same_state = self.state.as_deref() == Some(node.provision_state.token());
        let moved =
            self.since != node.provision_updated_at || (self.state.is_some() && !same_state);
        if !moved {
            return quiet(node);
        }
        match self.verb {
            Verb::Active => self.of_deployment(node),
            Verb::Deleted => self.of_release(node),
            // Each may be asked for again wherever Ironic lets it: the state alone counts.
            Verb::Manage | Verb::Inspect | Verb::Provide => {
                if same_state && node.lacked_a_worker() {
                    quiet(node)
                } else {
                    Effect::Some
                }
            }
        }
    }

    /// The node has moved since a deployment was to be asked for. Ironic takes the instance off with a
    /// release.
    fn of_deployment(&self, node: &Node) -> Effect {
        if node.instance_uuid.as_deref() != Some(&self.task) {
            return Effect::Unknown;
        }
        match &node.provision_state {
            // That Ironic puts it back from here for want of a worker is over before anybody looks.
            State::Deploying | State::DeployWait | State::DeployHold | State::Active => {
                Effect::Some
            }
            // Only a deployment leads here from where nothing was deployed. From where one had failed,
            // others may lead here, or it was put back.
            State::DeployFailed | State::Deleting | State::Error | State::Other(_) => {
                if self.was(&State::Available) {
                    Effect::Some
                } else {
                    Effect::Unknown
                }
            }
            // Where no deployment leads that was not released. It was put back, or others have moved it.
            State::Available
            | State::Enroll
            | State::Verifying
            | State::Manageable
            | State::Inspecting
            | State::InspectWait
            | State::InspectFailed
            | State::Cleaning
            | State::CleanWait
            | State::CleanHold
            | State::CleanFailed => quiet(node),
        }
    }

    /// The node has moved since a release was to be asked for.
    fn of_release(&self, node: &Node) -> Effect {
        let same_instance = self.instance.is_some() && self.instance == node.instance_uuid;
        match &node.provision_state {
            // Whoever asked for it.
            State::Deleting
            | State::Cleaning
            | State::CleanWait
            | State::CleanHold
            | State::CleanFailed
            | State::Available
            | State::Enroll
            | State::Verifying
            | State::Manageable
            | State::Inspecting
            | State::InspectWait
            | State::InspectFailed => Effect::Some,
            State::Error if same_instance && !self.was(&State::Error) => Effect::Some,
            // The deployment has gone on by itself, or the node was put back.
            State::Active
            | State::Deploying
            | State::DeployWait
            | State::DeployHold
            | State::DeployFailed
            | State::Other(_)
                if same_instance =>
            {
                quiet(node)
            }
            State::Error
            | State::Active
            | State::Deploying
            | State::DeployWait
            | State::DeployHold
            | State::DeployFailed
            | State::Other(_) => Effect::Unknown,
        }
    }

    fn was(&self, state: &State) -> bool {
        self.state.as_deref() == Some(state.token())
    }

    /// Whether a later moment of the node can be told from that before the request.
    fn has_a_moment_of_its_own(&self, left_on: &Node) -> bool {
        let (Some(since), Some(left)) = (&self.since, &left_on.updated_at) else {
            // Never moved: any moment is another.
            return self.since.is_none();
        };
        match (parse(since), parse(left)) {
            (Some(since), Some(left)) => since < left,
            _unreadable => false,
        }
    }

    /// The operation that leaves it.
    pub(super) fn operation(&self) -> Result<Value, DriverError> {
        let value = serde_json::to_value(self)
            .map_err(|error| DriverError::permanent(ErrorKind::Internal, error.to_string()))?;
        Ok(set(&format!("/extra/{KEY}"), value))
    }
}

/// Nothing has come of the request, unless a conductor is about to.
fn quiet(node: &Node) -> Effect {
    if node.reservation.is_some() {
        Effect::Undecided
    } else {
        Effect::None
    }
}

/// Whether the request of a step must be followed, or may be sent; neither where that is not certain.
///
/// # Errors
///
/// A conductor has the node, which passes; or others have changed it since.
pub(super) fn found(call: &StepCall, node: &Node) -> Result<Found, DriverError> {
    let task = call.task_id.to_string();
    let Some(mark) = node.mark()?.filter(|mark| mark.is_of(call)) else {
        if call.step == StepKind::DeployNode && node.instance_uuid.as_deref() == Some(&task) {
            // It came with a mark, in one act.
            return Err(unknown(node));
        }
        return Ok(Found::Absent);
    };
    if call.step == StepKind::ConfigureHardware {
        // Its polls ask for what was not asked for yet.
        return Ok(Found::Present);
    }
    match mark.effect(node) {
        Effect::None => Ok(Found::Absent),
        Effect::Some => Ok(Found::Present),
        Effect::Unknown => Err(unknown(node)),
        Effect::Undecided => Err(DriverError::passing(
            ErrorKind::Busy,
            format!(
                "{} is locked, and what was begun on it cannot be told before it is let go",
                node.label()
            ),
        )),
    }
}

/// Says that nobody can tell what became of a request.
pub(super) fn unknown(node: &Node) -> DriverError {
    let whose = match &node.instance_uuid {
        Some(instance) => format!("held by instance {instance}"),
        None => "held by no instance".to_owned(),
    };
    DriverError::permanent(
        ErrorKind::Failed,
        format!(
            "{} is {} and {whose}: somebody else has changed it meanwhile, and what came of this step cannot be told",
            node.label(),
            node.provision_state
        ),
    )
}

impl Session<'_> {
    /// Leaves a mark, in one act with `others`. Once it is there, whatever Ironic does to the node shows.
    pub(super) async fn leave(
        &self,
        node: &Node,
        mut mark: Mark,
        others: Vec<Value>,
    ) -> Result<(), ApiError> {
        let mut operations = others;
        loop {
            operations.push(mark.operation()?);
            let marked = self.patch_node(node, operations).await?;
            if mark.has_a_moment_of_its_own(&marked) {
                return Ok(());
            }
            if !self.has_time_for(NEXT_SECOND) {
                let text = format!("{} has changed within this second", node.label());
                return Err(DriverError::passing(ErrorKind::Busy, text).into());
            }
            sleep(NEXT_SECOND).await;
            mark.left = Some(clock::now().to_rfc3339());
            operations = Vec::new();
        }
    }
}

impl Session<'_> {
    /// Takes back what [`Session::leave`] left, and the claim that came with it, after an answer that
    /// says that nothing was begun. If that fails, the mark tells as much by itself in most cases.
    pub(super) async fn withdraw(&self, before: &Node, claimed: bool) {
        let path = format!("/extra/{KEY}");
        let mut operations = vec![match before.extra.get(KEY) {
            Some(earlier) => set(&path, earlier.clone()),
            None => remove(&path),
        }];
        if claimed {
            operations.push(remove("/instance_uuid"));
        }
        if let Err(kept) = self.patch_node(before, operations).await {
            tracing::warn!(node = %before.uuid, error = %kept.meaning, "mark of a node not taken back");
        }
    }
}

#[cfg(test)]
#[path = "mark_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "mark_histories_tests.rs"]
mod histories;
