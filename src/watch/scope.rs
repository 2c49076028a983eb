//! What a watch is about, and which events belong to it.

use std::sync::Arc;

use super::error::WatchError;
use crate::domain::{Commit, Event, EventKind, TaskFilter, TaskId};
use crate::store::{JournalScope, SnapshotScope};

/// What a watch is about.
#[derive(Clone, Debug)]
pub enum Scope {
    /// A task and what is below it.
    Task {
        /// The task, of any level.
        task_id: TaskId,
        /// Levels below it; 0: the task alone; none: all.
        max_depth: Option<u32>,
    },
    /// Every task that matches.
    Fleet(Arc<TaskFilter>),
}

impl Scope {
    pub(super) fn snapshot(&self) -> SnapshotScope {
        match self {
            Self::Task { task_id, max_depth } => SnapshotScope::Tree {
                task_id: *task_id,
                max_depth: *max_depth,
            },
            Self::Fleet(filter) => SnapshotScope::Filter(Arc::clone(filter)),
        }
    }
}

/// A scope whose place in the journal is known.
pub(super) struct Subject {
    kind: Kind,
    include_messages: bool,
}

enum Kind {
    Task {
        task_id: TaskId,
        root_task_id: TaskId,
        max_depth: u32,
    },
    Fleet(Arc<TaskFilter>),
}

impl Subject {
    /// A task of the tree `root_task_id`.
    pub(super) fn task(
        task_id: TaskId,
        root_task_id: TaskId,
        max_depth: Option<u32>,
        include_messages: bool,
    ) -> Self {
        Self {
            kind: Kind::Task {
                task_id,
                root_task_id,
                max_depth: max_depth.unwrap_or(u32::MAX),
            },
            include_messages,
        }
    }

    /// Every task that matches.
    pub(super) fn fleet(filter: Arc<TaskFilter>, include_messages: bool) -> Self {
        Self {
            kind: Kind::Fleet(filter),
            include_messages,
        }
    }

    /// The tree that holds everything asked for, if there is one.
    pub(super) fn root(&self) -> Option<TaskId> {
        match &self.kind {
            Kind::Task { root_task_id, .. } => Some(*root_task_id),
            Kind::Fleet(filter) => filter.root_task_id,
        }
    }

    /// The part of the journal to read.
    pub(super) fn journal(&self) -> JournalScope {
        self.root().map_or(JournalScope::All, JournalScope::Tree)
    }

    /// The watched task where it is a root: the one whose progress is told.
    pub(super) fn watched_root(&self) -> Option<TaskId> {
        match &self.kind {
            Kind::Task {
                task_id,
                root_task_id,
                ..
            } => (task_id == root_task_id).then_some(*task_id),
            Kind::Fleet(_) => None,
        }
    }

    /// What it means that the journal lost something after a position. A tree is purged whole, so
    /// that of a watched task is gone.
    pub(super) fn lost(&self, error: WatchError) -> WatchError {
        match (&self.kind, error) {
            (Kind::Task { task_id, .. }, WatchError::Expired { .. }) => {
                WatchError::Purged(*task_id)
            }
            (Kind::Task { .. } | Kind::Fleet(_), error) => error,
        }
    }

    /// Whether the event is to be delivered.
    pub(super) fn wants(&self, commit: &Commit, event: &Event) -> bool {
        if !self.include_messages && matches!(event.kind, EventKind::MessageAdded(_)) {
            return false;
        }
        match &self.kind {
            Kind::Task {
                task_id,
                root_task_id,
                max_depth,
            } => {
                if commit.root_task_id != *root_task_id {
                    false
                } else if task_id == root_task_id {
                    u32::from(event.depth) <= *max_depth
                } else {
                    // A tree is root, node, step: below a subtask are its own children or nothing.
                    event.task_id == *task_id
                        || (*max_depth > 0 && event.parent_task_id == Some(*task_id))
                }
            }
            Kind::Fleet(filter) => filter.matches_event(commit.root_task_id, &commit.facts, event),
        }
    }

    /// Whether the event ends the watch: the watched task's own `task_finished`.
    pub(super) fn is_end(&self, event: &Event) -> bool {
        match &self.kind {
            Kind::Task { task_id, .. } => {
                event.task_id == *task_id && matches!(event.kind, EventKind::TaskFinished(_))
            }
            Kind::Fleet(_) => false,
        }
    }
}
