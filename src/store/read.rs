//! What callers ask the store to read, and what they get.

use std::sync::Arc;

use crate::domain::{BuildData, Commit, Task, TaskFilter, TaskId, Timestamp};

/// How much of a task to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Without lists: [`Task::detail`] is none.
    Basic,
    /// With every list, each cut at its limit.
    Full,
}

/// Where the journal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The last committed sequence; 0 in an empty store.
    pub last: i64,
    /// The highest sequence ever purged: a position below it cannot be resumed.
    pub floor: i64,
    /// Which life of the store this is; changes when it is restored from a backup.
    pub epoch: i64,
    /// When the last commit was made; never falls.
    pub ts: Timestamp,
}

/// A tree, parents first, as of one sequence.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The tasks, the named one first.
    pub tasks: Vec<Task>,
    /// Whether there are more than the limit.
    pub truncated: bool,
    /// Where the journal stood.
    pub clock: Clock,
}

/// The orders of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Newest first.
    CreatedDescending,
    /// Oldest first.
    CreatedAscending,
    /// Last changed first; roots only.
    UpdatedDescending,
}

/// The place of a task in a list: the next page begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPosition {
    /// Its time in the list's order.
    pub time: Timestamp,
    /// Its id.
    pub task_id: TaskId,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// The tasks.
    pub tasks: Vec<Task>,
    /// Whether there are more.
    pub more: bool,
    /// Where the journal stood before the page was read.
    pub clock: Clock,
}

/// Which messages to list.
#[derive(Clone, Debug)]
pub struct MessageQuery {
    /// The task.
    pub task_id: TaskId,
    /// Its root.
    pub root_task_id: TaskId,
    /// Also of the tasks below it.
    pub include_subtasks: bool,
    /// Only those that tell of an error.
    pub errors_only: bool,
    /// Only those after this sequence.
    pub after: i64,
    /// At most so many.
    pub limit: u64,
}

/// A task, and the root of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InTree {
    /// The task.
    pub task_id: TaskId,
    /// Its root; its own id on a root.
    pub root_task_id: TaskId,
}

/// Which build data to list. It must name a task or a node: nothing is found by less.
#[derive(Clone, Debug)]
pub struct BuildDataQuery {
    /// Only of this task and those below it.
    pub task: Option<InTree>,
    /// Only of this node.
    pub node_name: Option<String>,
    /// Only of this generator.
    pub generator: Option<String>,
    /// Only the latest of each generator and node: among those of the task, where one is named,
    /// otherwise of each site.
    pub latest: bool,
    /// How many bytes of elements to read at the most, but at least one element; none: without them.
    pub element_bytes: Option<usize>,
    /// Only what comes after this sequence.
    pub after: i64,
    /// At most so many.
    pub limit: u64,
}

/// One page of build data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildDataPage {
    /// The entries with their sequences, oldest first.
    pub entries: Vec<(i64, BuildData)>,
    /// Whether there are more.
    pub more: bool,
}

/// What a snapshot is of.
#[derive(Clone, Debug)]
pub enum SnapshotScope {
    /// A task and what is below it, to a number of levels (none: all).
    Tree {
        /// The task.
        task_id: TaskId,
        /// Levels below it; 0: the task alone.
        max_depth: Option<u32>,
    },
    /// Every task that matches.
    Filter(Arc<TaskFilter>),
}

/// Which part of the journal to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalScope {
    /// Every tree.
    All,
    /// One tree.
    Tree(TaskId),
}

/// A piece of the journal, read in one transaction.
#[derive(Clone, Debug)]
pub struct JournalPage {
    /// Commits in order. The first may begin at or before the position asked for.
    pub commits: Vec<Arc<Commit>>,
    /// Every event of the scope up to this sequence is in this page or an earlier one.
    pub scanned: i64,
    /// Where the journal stood.
    pub clock: Clock,
}

impl JournalPage {
    /// The first position from `after` on that nothing in a page of every tree is missing after;
    /// `after` itself where nothing was purged. Sequences of all trees together have no holes.
    pub fn whole_after(&self, after: i64) -> i64 {
        let (mut whole, mut next) = (after, after + 1);
        for commit in &self.commits {
            if commit.first_sequence > next {
                whole = commit.first_sequence - 1;
            }
            next = next.max(commit.last_sequence() + 1);
        }
        if next <= self.scanned {
            whole = self.scanned;
        }
        whole
    }
}
