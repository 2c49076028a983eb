//! What the database holds, and how a task is read from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::read::{Clock, View};
use super::super::write::{NodeLock, RequestKey};
use crate::clock;
use crate::domain::task::{LIST_LIMIT, MESSAGE_LIST_LIMIT};
use crate::domain::{
    BuildData, Commit, Detail, InstanceId, Message, ResultStatus, Task, TaskId, Timestamp,
};

/// The tables.
pub(super) struct Tables {
    /// Every task, without detail and without what it has from its root.
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) roots: BTreeMap<TaskId, Root>,
    /// The children of a task by ordinal.
    pub(super) children: BTreeMap<TaskId, BTreeMap<u32, TaskId>>,
    /// By sequence, with the task that each is about.
    pub(super) messages: BTreeMap<i64, (TaskId, Message)>,
    /// By the sequence of its event.
    pub(super) build_data: BTreeMap<i64, BuildData>,
    /// By last sequence.
    pub(super) journal: BTreeMap<i64, Arc<Commit>>,
    pub(super) clock: Clock,
    pub(super) instances: BTreeMap<InstanceId, Lease>,
    pub(super) locks: BTreeMap<NodeLock, TaskId>,
    pub(super) waiters: BTreeSet<(NodeLock, TaskId)>,
    pub(super) designs: BTreeMap<Arc<str>, Arc<[u8]>>,
    pub(super) tombstones: BTreeSet<TaskId>,
}

/// What is stored of a root beside its task.
pub(super) struct Root {
    pub(super) epoch: i64,
    pub(super) owner: Option<InstanceId>,
    pub(super) released: bool,
    pub(super) request: Option<RequestKey>,
    /// What was asked.
    pub(super) asked: Detail,
    pub(super) site: Option<Arc<str>>,
    pub(super) target_nodes: Option<Arc<[Arc<str>]>>,
}

/// An instance's lease.
#[derive(Clone, Copy)]
pub(super) struct Lease {
    pub(super) renewed: Timestamp,
    pub(super) expires: Timestamp,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            tasks: BTreeMap::new(),
            roots: BTreeMap::new(),
            children: BTreeMap::new(),
            messages: BTreeMap::new(),
            build_data: BTreeMap::new(),
            journal: BTreeMap::new(),
            clock: Clock {
                last: 0,
                floor: 0,
                epoch: 1,
                ts: clock::now(),
            },
            instances: BTreeMap::new(),
            locks: BTreeMap::new(),
            waiters: BTreeSet::new(),
            designs: BTreeMap::new(),
            tombstones: BTreeSet::new(),
        }
    }
}

impl Tables {
    /// A task as it is read; none: no such task.
    pub(super) fn task(&self, id: TaskId, view: View) -> Option<Task> {
        let mut task = self.tasks.get(&id)?.clone();
        let root = self.roots.get(&task.root_task_id)?;
        let top = self.tasks.get(&task.root_task_id)?;
        task.design_ref = Arc::clone(&top.design_ref);
        task.labels = Arc::clone(&top.labels);
        task.design_digest = top.design_digest.clone();
        if task.is_root() && !task.status.is_terminal() && !root.released {
            let lease = root.owner.and_then(|owner| self.instances.get(&owner));
            task.heartbeat = lease.map(|lease| lease.renewed);
        }
        if view == View::Full {
            task.detail = Some(Box::new(self.detail(&task, root)));
        }
        Some(task)
    }

    /// The ids of a task's children, as they were created.
    pub(super) fn below(&self, id: TaskId) -> impl Iterator<Item = TaskId> {
        self.children
            .get(&id)
            .into_iter()
            .flat_map(|children| children.values().copied())
    }

    /// A task, its children and theirs, parents first.
    pub(super) fn tree(&self, top: TaskId, max_depth: Option<u32>) -> Vec<TaskId> {
        let mut tree = vec![top];
        let mut level = vec![top];
        for _ in 0..max_depth.unwrap_or(u32::MAX).min(2) {
            level = level.iter().flat_map(|id| self.below(*id)).collect();
            // As the databases order a level: by place, whoever the parent is.
            level.sort_by_key(|id| (self.tasks.get(id).map(|task| task.ordinal), *id));
            tree.extend(&level);
        }
        tree
    }

    /// How many rows a table has.
    pub(super) fn count(&self, table: &str) -> usize {
        match table {
            "tasks" => self.tasks.len(),
            "build_data" => self.build_data.len(),
            "designs" => self.designs.len(),
            "node_locks" => self.locks.len(),
            "node_lock_waiters" => self.waiters.len(),
            "task_events" => self.journal.len(),
            other => panic!("{other} is no table that is counted"),
        }
    }

    fn detail(&self, task: &Task, root: &Root) -> Detail {
        let mut detail = Detail::default();
        if task.is_root() {
            detail.subtask_ids = self.below(task.task_id).take(LIST_LIMIT).collect();
        } else {
            // They are created one after the other, and counted by their owner.
            let count = task.subtask_count.min(LIST_LIMIT as u32);
            detail.subtask_ids = (0..count).map(|place| task.task_id.child(place)).collect();
        }
        let said = self
            .messages
            .values()
            .filter(|(about, _)| *about == task.task_id);
        detail.messages = said.map(|(_, message)| message.clone()).collect();
        let surplus = detail.messages.len().saturating_sub(MESSAGE_LIST_LIMIT);
        detail.messages.drain(..surplus);
        if task.is_root() {
            detail.node_filter = root.asked.node_filter.clone();
            let targets = root.target_nodes.iter().flat_map(|targets| targets.iter());
            detail.target_nodes = targets.take(LIST_LIMIT).cloned().collect();
            detail.successes = self.ended(task.task_id, ResultStatus::Success);
            detail.failures = self.ended(task.task_id, ResultStatus::Failure);
        } else if let Some(node) = &task.node_name {
            detail.target_nodes = vec![Arc::clone(node)];
            match task.result.status {
                ResultStatus::Success => detail.successes = vec![Arc::clone(node)],
                ResultStatus::Failure => detail.failures = vec![Arc::clone(node)],
                ResultStatus::Incomplete | ResultStatus::PartialSuccess => {}
            }
        }
        detail
    }

    /// The nodes below a root that ended so, sorted.
    fn ended(&self, root: TaskId, result: ResultStatus) -> Vec<Arc<str>> {
        let children = self.below(root).filter_map(|id| self.tasks.get(&id));
        let ended = children.filter(|child| child.result.status == result);
        let mut names: Vec<Arc<str>> = ended.filter_map(|child| child.node_name.clone()).collect();
        names.sort_unstable();
        names.truncate(LIST_LIMIT);
        names
    }
}
