//! Events: what a commit changed, in the order in which watchers see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::action::Action;
use super::build_data::BuildData;
use super::id::TaskId;
use super::result::{Reason, ResultStatus};
use super::state::{Cause, TaskStatus};
use super::task::{Message, Progress, Task, Timestamp};

/// Everything one transaction changed in one tree.
///
/// The journal keeps one row for each. The events' sequences follow each other without a hole:
/// the sequence of `events[i]` is `first_sequence + i`.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The tree.
    pub root_task_id: TaskId,
    /// The sequence of the first event.
    pub first_sequence: i64,
    /// When it was committed, on the database's clock; never falls from commit to commit.
    pub ts: Timestamp,
    /// What all tasks of the tree have in common.
    pub facts: Arc<RootFacts>,
    /// The root's counts after this commit.
    pub progress: Progress,
    /// What happened, in order; never empty.
    pub events: Vec<Event>,
}

impl Commit {
    /// The sequence of the last event.
    pub fn last_sequence(&self) -> i64 {
        self.first_sequence + self.events.len() as i64 - 1
    }
}

/// What a root fixes for its whole tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootFacts {
    /// The root's action.
    pub action: Action,
    /// The root's design.
    pub design_ref: Arc<str>,
    /// The root's labels.
    pub labels: Arc<BTreeMap<String, String>>,
}

/// One change of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The task it is about.
    pub task_id: TaskId,
    /// The task above that one.
    pub parent_task_id: Option<TaskId>,
    /// That task's levels below the root.
    pub depth: u8,
    /// That task's revision after the change.
    pub revision: i64,
    /// What a filter over all tasks looks at.
    pub subject: Subject,
    /// What changed.
    pub kind: EventKind,
}

/// The filterable properties of an event's task, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The node it is about.
    pub node_name: Option<Arc<str>>,
    /// When the task was created.
    pub created: Timestamp,
    /// Who created it.
    pub created_by: Arc<str>,
    /// Status and outcome before the change; none when the task did not exist.
    pub before: Option<(TaskStatus, ResultStatus)>,
    /// Status and outcome after it.
    pub after: (TaskStatus, ResultStatus),
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A root exists (status requested).
    TaskCreated(Box<Task>),
    /// A task moved.
    StatusChanged {
        /// The status left.
        previous: TaskStatus,
        /// What made it move.
        cause: Cause,
        /// Who.
        actor: Arc<str>,
        /// Why, in the actor's words; may be empty.
        reason: Arc<str>,
        /// The task after the move, without lists.
        task: Box<Task>,
    },
    /// A subtask exists (status requested), without lists.
    SubtaskAdded(Box<Task>),
    /// The outcome so far changed while the task runs.
    ResultChanged {
        /// The new outcome.
        status: ResultStatus,
        /// Why.
        reason: Reason,
        /// One sentence.
        message: Arc<str>,
        /// Nodes that succeeded so far.
        success_count: u32,
        /// Nodes that failed so far.
        failure_count: u32,
    },
    /// Something was said.
    MessageAdded(Box<Message>),
    /// Something was collected about a node, told without its element.
    BuildDataAdded(Box<BuildData>),
    /// The task reached its final status; with every list.
    TaskFinished(Box<Task>),
    /// The tree was deleted at this moment; told of its root, for all of it.
    TaskPurged(Timestamp),
}

impl EventKind {
    /// A word for logs and tests, for example `status_changed`: the name of the arm on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TaskCreated(_) => "task_created",
            Self::StatusChanged { .. } => "status_changed",
            Self::SubtaskAdded(_) => "subtask_added",
            Self::ResultChanged { .. } => "result_changed",
            Self::MessageAdded(_) => "message_added",
            Self::BuildDataAdded(_) => "build_data_added",
            Self::TaskFinished(_) => "task_finished",
            Self::TaskPurged(_) => "task_purged",
        }
    }
}
