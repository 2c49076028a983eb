//! A task: what is known of it at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::action::Action;
use super::id::TaskId;
use super::node_filter::NodeFilterSet;
use super::result::{Reason, ResultStatus};
use super::state::TaskStatus;
use super::step::StepKind;

/// A moment, UTC, in whole microseconds: what every store and the wire can hold.
pub type Timestamp = DateTime<Utc>;

/// The most entries a list inside a task carries beside its count (api contract, "Sizes").
pub const LIST_LIMIT: usize = 1000;

/// The newest messages that a task carries (api contract, `StatusDetails`).
pub const MESSAGE_LIST_LIMIT: usize = 100;

/// The most messages a task records; the last says that there were more.
pub const MESSAGE_LIMIT: u64 = 10_000;

/// One task of any level.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its id.
    pub task_id: TaskId,
    /// The root of its tree; its own id on a root.
    pub root_task_id: TaskId,
    /// The task above; none on a root.
    pub parent_task_id: Option<TaskId>,
    /// Levels below the root: 0 on the root itself.
    pub depth: u8,
    /// Position under the parent, from 0; 0 on a root.
    pub ordinal: u32,
    /// What is asked for; the root's on every subtask.
    pub action: Action,
    /// Where it stands in its life.
    pub status: TaskStatus,
    /// The node it is about, on subtasks of a node.
    pub node_name: Option<Arc<str>>,
    /// The step it is, on step subtasks.
    pub step: Option<StepKind>,
    /// When it was created.
    pub created: Timestamp,
    /// Who created it: the caller, or the service for subtasks.
    pub created_by: Arc<str>,
    /// When its own state last changed.
    pub updated: Timestamp,
    /// When it began to run.
    pub started: Option<Timestamp>,
    /// When it reached its final status.
    pub completed: Option<Timestamp>,
    /// The owner's last lease renewal, while one owns the tree.
    pub heartbeat: Option<Timestamp>,
    /// When termination was requested. Set once.
    pub terminated: Option<Timestamp>,
    /// Who requested termination.
    pub terminated_by: Option<Arc<str>>,
    /// The reason given with that request.
    pub termination_reason: Option<Arc<str>>,
    /// How long it may run, counted from `started`.
    pub timeout: Duration,
    /// Counts changes of status, termination request, target nodes and result status.
    pub revision: i64,
    /// Attempts after the first; on a root, the tasks before it in its retry chain.
    pub retry: u32,
    /// The root that this one retries.
    pub retry_of_task_id: Option<TaskId>,
    /// The caller's mark for following a request across systems.
    pub correlation_id: Option<Arc<str>>,
    /// The design it works on: the root's on every subtask.
    pub design_ref: Arc<str>,
    /// The caller's labels: the root's on every subtask.
    pub labels: Arc<BTreeMap<String, String>>,
    /// SHA-256 (hex) of the design's stored bytes, once frozen.
    pub design_digest: Option<Arc<str>>,
    /// What came of it.
    pub result: Outcome,
    /// Direct children.
    pub subtask_count: u32,
    /// Nodes frozen as its targets.
    pub target_node_count: u32,
    /// The step begun last, on a root that is not yet terminal.
    pub current_step: Option<StepKind>,
    /// The lists that only the FULL view has.
    pub detail: Option<Box<Detail>>,
}

/// The outcome of a task so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The fold of what is known.
    pub status: ResultStatus,
    /// Why.
    pub reason: Reason,
    /// One sentence with counts.
    pub message: Arc<str>,
    /// Children that succeeded: nodes of a per-node root, steps of a site action's.
    pub succeeded: u32,
    /// Children that failed.
    pub failed: u32,
    /// Its own messages that tell of an error.
    pub error_count: u32,
    /// All of its own messages.
    pub message_count: u32,
    /// Children that are being worked on: nodes of a per-node root.
    pub running: u32,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            status: ResultStatus::Incomplete,
            reason: Reason::None,
            message: Arc::from(""),
            succeeded: 0,
            failed: 0,
            error_count: 0,
            message_count: 0,
            running: 0,
        }
    }
}

/// What only the FULL view of a task carries. Every list holds at most [`LIST_LIMIT`] entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// The caller's filter; none: all nodes. Roots only.
    pub node_filter: Option<NodeFilterSet>,
    /// Children in creation order.
    pub subtask_ids: Vec<TaskId>,
    /// Names of the nodes it acts on, sorted; a subtask's is its node.
    pub target_nodes: Vec<Arc<str>>,
    /// Names of nodes that succeeded, sorted.
    pub successes: Vec<Arc<str>>,
    /// Names of nodes that failed, sorted.
    pub failures: Vec<Arc<str>>,
    /// The newest messages, oldest first, at most [`MESSAGE_LIST_LIMIT`].
    pub messages: Vec<Message>,
}

/// Something said about a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The journal's sequence of its `message_added` event.
    pub sequence: i64,
    /// When it was said.
    pub ts: Timestamp,
    /// What was said.
    pub message: String,
    /// Whether it tells of an error.
    pub error: bool,
    /// What kind of thing it is about: `site`, `network`, `node`, `task`, `document`, or another.
    pub context_type: String,
    /// The name of that thing.
    pub context: String,
    /// Whatever else a program may want to read.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Counts of a root's nodes while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Target nodes.
    pub node_count: u32,
    /// Nodes that succeeded.
    pub succeeded: u32,
    /// Nodes that failed.
    pub failed: u32,
    /// Nodes begun and not ended.
    pub running: u32,
    /// Nodes not begun.
    pub pending: u32,
    /// The step begun last.
    pub current_step: Option<StepKind>,
}

impl Task {
    /// Whether this is the root of its tree.
    pub const fn is_root(&self) -> bool {
        self.parent_task_id.is_none()
    }

    /// How many of its nodes succeeded. A site action has steps, not nodes.
    pub fn success_count(&self) -> u32 {
        if self.counts_nodes() {
            self.result.succeeded
        } else {
            0
        }
    }

    /// How many of its nodes failed. A site action has steps, not nodes.
    pub fn failure_count(&self) -> u32 {
        if self.counts_nodes() {
            self.result.failed
        } else {
            0
        }
    }

    fn counts_nodes(&self) -> bool {
        self.node_name.is_some() || self.action.is_per_node()
    }

    /// The counts of its nodes, for a progress display.
    pub fn progress(&self) -> Progress {
        let node_count = self.target_node_count;
        let succeeded = self.success_count();
        let failed = self.failure_count();
        let ended = succeeded.saturating_add(failed);
        let running = if self.status.is_terminal() {
            0
        } else if self.is_root() && self.action.is_per_node() {
            self.result.running
        } else if self.node_name.is_some() && self.status > TaskStatus::Queued {
            node_count.saturating_sub(ended)
        } else {
            0
        };
        Progress {
            node_count,
            succeeded,
            failed,
            running,
            pending: node_count.saturating_sub(ended).saturating_sub(running),
            current_step: self.current_step,
        }
    }
}
