//! What the messages of a stream say about one task so far.

use std::collections::HashSet;

use drydock::domain::{ResultStatus, TaskStatus};
use drydock::proto::v1::Task;

use super::message::{result, status};

/// A task, as far as it was told.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) status: TaskStatus,
    pub(super) result: ResultStatus,
    pub(super) reason: String,
    pub(super) revision: i64,
    pub(super) root: String,
    pub(super) parent: Option<String>,
    pub(super) ordinal: i32,
    pub(super) is_node: bool,
    pub(super) messages: i32,
    pub(super) errors: i32,
    /// The sequence of its end; 0: it was over before the stream began.
    pub(super) finished: Option<i64>,
    pub(super) below: Below,
}

/// The tasks directly below one.
#[derive(Clone, Debug, Default)]
pub(super) struct Below {
    pub(super) ordinals: HashSet<i32>,
    /// How many are not over.
    pub(super) open: usize,
    /// How many are nodes' subtasks, and how those ended.
    pub(super) nodes: usize,
    pub(super) succeeded: usize,
    pub(super) failed: usize,
}

impl Known {
    /// What a task says of itself.
    pub(super) fn of(task: &Task) -> Result<Self, String> {
        let outcome = task.result.as_ref().ok_or("the task has no result")?;
        let details = outcome.details.as_ref();
        let details = details.ok_or("the result has no details")?;
        let status = status(task.status)?;
        if task.revision <= 0 {
            return Err("the revision is not greater than 0".to_owned());
        }
        if outcome.metadata.is_none() {
            return Err("the result has no metadata".to_owned());
        }
        Ok(Self {
            status,
            result: result(outcome.status)?,
            reason: outcome.reason.clone(),
            revision: task.revision,
            root: task.root_task_id.clone(),
            parent: task.parent_task_id.clone(),
            ordinal: task.ordinal.unwrap_or_default(),
            is_node: !task.node_name.is_empty() && task.step.is_empty(),
            messages: details.message_count.ok_or("message_count is not set")?,
            errors: details.error_count.ok_or("error_count is not set")?,
            finished: status.is_terminal().then_some(0),
            below: Below::default(),
        })
    }
}

impl Below {
    /// A task was added; false: there is one in its place.
    pub(super) fn add(&mut self, child: &Known) -> bool {
        self.nodes += usize::from(child.is_node);
        match child.finished {
            None => self.open += 1,
            Some(_) => self.count(child.is_node, child.result),
        }
        self.ordinals.insert(child.ordinal)
    }

    /// A task that was open is over.
    pub(super) fn end(&mut self, is_node: bool, result: ResultStatus) {
        self.open -= 1;
        self.count(is_node, result);
    }

    fn count(&mut self, is_node: bool, result: ResultStatus) {
        if is_node {
            self.succeeded += usize::from(result == ResultStatus::Success);
            self.failed += usize::from(result == ResultStatus::Failure);
        }
    }
}
