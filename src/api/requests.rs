//! What each request asks for, once its shape was found good.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::node_filter::NodeFilterSet;
use crate::domain::{TaskFilter, TaskId};
use crate::store::{Order, View};
use crate::tasks::read::MessagesOf;
use crate::tasks::{Submission, WatchStart};

/// What CreateTask is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Create {
    /// The task.
    pub(super) submission: Submission,
    /// Whether it is only rehearsed.
    pub(super) validate_only: bool,
}

/// What GetTaskTree is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GetTree {
    /// The task at the top.
    pub(super) task_id: TaskId,
    /// Levels below it; none: all.
    pub(super) max_depth: Option<u32>,
    /// How much of each.
    pub(super) view: View,
}

/// What ListTasks is to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    /// Which tasks.
    pub(super) filter: Arc<TaskFilter>,
    /// In what order.
    pub(super) order: Order,
    /// How many.
    pub(super) page_size: usize,
    /// How much of each.
    pub(super) view: View,
}

/// What ListTaskMessages is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListMessages {
    /// Which messages.
    pub(super) of: MessagesOf,
    /// How many.
    pub(super) page_size: usize,
}

/// What WatchTask is to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WatchOne {
    /// The task at the top.
    pub(super) task_id: TaskId,
    /// Levels below it; none: all.
    pub(super) max_depth: Option<u32>,
    /// Where to begin, and how to deliver.
    pub(super) delivery: Delivery,
}

/// What WatchTasks is to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WatchMany {
    /// Which tasks.
    pub(super) filter: Arc<TaskFilter>,
    /// Where to begin, and how to deliver.
    pub(super) delivery: Delivery,
}

/// Where a stream begins, and what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// Where to begin.
    pub(super) start: WatchStart,
    /// Whether messages are wanted.
    pub(super) include_messages: bool,
    /// How long it may be silent.
    pub(super) heartbeat_interval: Duration,
}

/// What TerminateTask is to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terminate {
    /// The root.
    pub(super) task_id: TaskId,
    /// Why.
    pub(super) reason: String,
    /// Only at this revision.
    pub(super) expected_revision: Option<i64>,
}

/// What ResolveNodeFilter is to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolve {
    /// The design.
    pub(super) design_ref: String,
    /// Which nodes; none: all.
    pub(super) node_filter: Option<NodeFilterSet>,
    /// How many at a time.
    pub(super) page_size: usize,
}
