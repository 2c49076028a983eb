//! Why a use case was refused, or failed.

use std::sync::Arc;

use super::designs::DesignError;
use super::retry::RetryScope;
use crate::domain::{Action, RequestId, Role, TaskId, TaskStatus};
use crate::store;
use crate::watch::{TokenError, WatchError};

/// Why a use case did not happen, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such task.
    #[error("find task {0}")]
    NotFound(TaskId),
    /// There was such a task; its tree was purged.
    #[error("find task {0}: it was purged")]
    Purged(TaskId),
    /// The caller may not have this done.
    #[error("do what takes the role {needed}")]
    Denied {
        /// Who.
        actor: Arc<str>,
        /// How much they may do.
        role: Role,
        /// What it takes.
        needed: Role,
    },
    /// The task's state or kind does not allow it.
    #[error("change task {task_id}: {refusal}")]
    Refused {
        /// The task.
        task_id: TaskId,
        /// What does not hold.
        refusal: Refusal,
    },
    /// The task changed since the caller read it.
    #[error("change task {task_id}: it is at revision {actual}, not {expected}")]
    RevisionConflict {
        /// The task.
        task_id: TaskId,
        /// The revision that the caller knows.
        expected: i64,
        /// The revision it is at.
        actual: i64,
    },
    /// The key was used before with another request.
    #[error("create a task: request {request_id} created task {task_id} with other arguments")]
    RequestIdReused {
        /// The key.
        request_id: RequestId,
        /// The task it created.
        task_id: TaskId,
    },
    /// As many tasks wait as may.
    #[error("queue another task: {limit} are queued")]
    QueueFull {
        /// How many may wait.
        limit: u64,
    },
    /// The design does not load.
    #[error("use the design")]
    Design(#[source] DesignError),
    /// The design has no such node.
    #[error("find node {name}")]
    NodeNotFound {
        /// Its name.
        name: String,
    },
    /// The resume token is of no use here.
    #[error("resume the watch")]
    ResumeToken(#[source] TokenError),
    /// The watch did not begin.
    #[error("watch")]
    Watch(#[source] WatchError),
    /// The service is shutting down.
    #[error("serve while shutting down")]
    Draining,
    /// The store failed; a change may have been made all the same.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The work was interrupted by a defect.
    #[error("finish the work")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// What about a task does not allow what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Only roots are terminated and retried.
    #[error("it is a subtask; name its root")]
    NotARoot,
    /// What is complete cannot be terminated.
    #[error("it is complete")]
    Complete,
    /// Only what is final is retried.
    #[error("it is {status}; only a complete or terminated task is retried")]
    NotFinal {
        /// Its status.
        status: TaskStatus,
    },
    /// The action has no nodes to choose from.
    #[error("{action} is for the whole site and is only retried with scope all_nodes")]
    SiteAction {
        /// Its action.
        action: Action,
    },
    /// Nothing would be left to do.
    #[error("the scope {scope} has no nodes")]
    EmptyScope {
        /// The scope asked for.
        scope: RetryScope,
    },
}
