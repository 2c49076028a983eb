//! The store's contract as a plain model in memory.
//!
//! It knows no batches, statements or clocks: it is what the documentation of `drydock::store`
//! says, written a second time. `history` holds the store to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use drydock::domain::ending::{Ending, Tally, conclude};
use drydock::domain::state::{Level, may_move};
use drydock::domain::{Action, Cause, InstanceId, Reason, ResultStatus, Task, TaskId, TaskStatus};
use drydock::store::{Change, ChangeKind, NodeLock, PreviousOwner, RootChange, TreeWrite};

/// What every root of a history is for.
pub(crate) const ACTION: Action = Action::DestroyNode;

/// Why the model refuses a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    Fenced,
    Conflict(TaskStatus),
    Busy(TaskId),
    Illegal,
}

/// A root with who owns it.
#[derive(Clone)]
pub(crate) struct Root {
    pub(crate) task: Task,
    pub(crate) epoch: i64,
    pub(crate) owner: Option<InstanceId>,
    pub(crate) released: bool,
}

/// An instance and what became of it.
#[derive(Clone, Copy)]
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) registered: bool,
    pub(crate) alive: bool,
}

/// Everything that a store knows.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) roots: BTreeMap<TaskId, Root>,
    /// In the order of creation.
    pub(crate) order: Vec<TaskId>,
    pub(crate) subtasks: BTreeMap<TaskId, Task>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) keys: HashMap<u8, (TaskId, u8)>,
    pub(crate) locks: BTreeMap<NodeLock, TaskId>,
    pub(crate) waiters: BTreeMap<NodeLock, BTreeSet<TaskId>>,
}

impl Model {
    pub(crate) fn claim(
        &mut self,
        instance: usize,
        limit: u32,
        dead: fn(InstanceId) -> PreviousOwner,
    ) -> Vec<(TaskId, i64, PreviousOwner)> {
        if !self.instances[instance].alive {
            return Vec::new();
        }
        let alive: BTreeSet<InstanceId> = self
            .instances
            .iter()
            .filter(|instance| instance.alive)
            .map(|instance| instance.id)
            .collect();
        let mut claimable: Vec<&mut Root> = self
            .roots
            .values_mut()
            .filter(|root| !root.task.status.is_terminal())
            .filter(|root| root.released || root.owner.is_none_or(|owner| !alive.contains(&owner)))
            .collect();
        claimable.sort_by_key(|root| (root.task.created, root.task.task_id));
        let id = self.instances[instance].id;
        claimable
            .into_iter()
            .take(limit as usize)
            .map(|root| {
                let previous = match root.owner {
                    None => PreviousOwner::None,
                    Some(_) if root.released => PreviousOwner::Released,
                    Some(owner) => dead(owner),
                };
                root.epoch += 1;
                root.owner = Some(id);
                root.released = false;
                (root.task.task_id, root.epoch, previous)
            })
            .collect()
    }

    pub(crate) fn release(&mut self, instance: usize) {
        let released = &mut self.instances[instance];
        released.alive = false;
        released.registered = false;
        let id = released.id;
        for root in self.roots.values_mut() {
            if root.owner == Some(id) && !root.task.status.is_terminal() {
                root.released = true;
            }
        }
    }

    /// The status after a termination; none: it is refused.
    pub(crate) fn terminate(&mut self, id: TaskId) -> Option<TaskStatus> {
        let task = &mut self.roots.get_mut(&id)?.task;
        match task.status {
            TaskStatus::Complete => return None,
            TaskStatus::Terminating | TaskStatus::Terminated => {}
            TaskStatus::Running => {
                task.status = TaskStatus::Terminating;
                task.terminated = Some(drydock::clock::now());
                task.revision += 1;
            }
            TaskStatus::Requested | TaskStatus::Queued => {
                task.status = TaskStatus::Terminated;
                task.revision += 1;
                task.result.reason = Reason::Terminated;
                self.forget(id);
            }
        }
        Some(self.roots[&id].task.status)
    }

    /// The root's status after a write, which happens whole or not at all.
    pub(crate) fn write(&mut self, write: &TreeWrite) -> Result<TaskStatus, Refusal> {
        let mut after = self.clone();
        let answer = after.apply(write);
        match answer {
            Ok(status) => {
                *self = after;
                Ok(status)
            }
            Err(Refusal::Illegal) if self.known(write) => {
                Ok(self.roots[&write.root_task_id].task.status)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Deletes a root's tree; false: it is not final.
    pub(crate) fn purge(&mut self, id: TaskId) -> bool {
        if !self.roots[&id].task.status.is_terminal() {
            return false;
        }
        self.forget(id);
        self.roots.remove(&id);
        self.order.retain(|root| *root != id);
        self.subtasks.retain(|_, task| task.root_task_id != id);
        self.keys.retain(|_, (root, _)| *root != id);
        true
    }

    /// Whether an earlier try of a write without a change of the root was committed.
    fn known(&self, write: &TreeWrite) -> bool {
        let root = &self.roots[&write.root_task_id];
        root.epoch == write.epoch
            && write.allowed.contains(&root.task.status)
            && legal(write, root.task.status)
            && matches!(write.root, RootChange::None)
            && self.is_as_left(write)
    }

    /// Whether the subtasks of a write are as it leaves them.
    fn is_as_left(&self, write: &TreeWrite) -> bool {
        !write.changes.is_empty()
            && write.changes.iter().all(|change| {
                self.subtasks.get(&change.task.task_id).is_some_and(|task| {
                    (task.status, task.revision) == (change.task.status, change.task.revision)
                })
            })
    }

    fn apply(&mut self, write: &TreeWrite) -> Result<TaskStatus, Refusal> {
        let id = write.root_task_id;
        // It was purged.
        let root = self.roots.get(&id).ok_or(Refusal::Fenced)?;
        let status = root.task.status;
        if root.epoch != write.epoch {
            return Err(Refusal::Fenced);
        }
        if !write.allowed.contains(&status) {
            let done = match &write.root {
                RootChange::Start(_) => {
                    matches!(status, TaskStatus::Running | TaskStatus::Terminating)
                }
                RootChange::Finish(_) => status.is_terminal(),
                RootChange::TimeOut => {
                    status == TaskStatus::Terminating && root.task.terminated.is_none()
                }
                // Committed before the termination came, and only the answer was lost.
                RootChange::None => self.is_as_left(write),
            };
            return if done {
                Ok(status)
            } else {
                Err(Refusal::Conflict(status))
            };
        }
        if !legal(write, status) {
            return Err(Refusal::Illegal);
        }
        if let Some(lock) = &write.lock {
            self.take(lock, id)?;
        }
        if let RootChange::Start(start) = &write.root {
            let task = self.moved(id, TaskStatus::Running);
            task.target_node_count = start.target_nodes.len() as u32;
            task.design_digest = Some("00d1".into());
        }
        for change in &write.changes {
            self.change(id, change)?;
        }
        self.roots.get_mut(&id).unwrap().task.result.message_count +=
            write.root_messages.len() as u32;
        for task in self.subtasks.values() {
            let parent = task.parent_task_id.unwrap();
            let parent = self.subtasks.get(&parent);
            if !task.status.is_terminal() && parent.is_some_and(|task| task.status.is_terminal()) {
                return Err(Refusal::Illegal);
            }
        }
        match &write.root {
            RootChange::None | RootChange::Start(_) => {}
            RootChange::TimeOut => {
                self.moved(id, TaskStatus::Terminating);
            }
            RootChange::Finish(ending) => self.finish(id, ending)?,
        }
        if let Some(lock) = write.wait_for.clone() {
            self.waiters.entry(lock).or_default().insert(id);
        }
        if let Some(lock) = &write.unlock {
            if self.locks.get(lock) == Some(&id) {
                self.locks.remove(lock);
            }
            if let Some(waiters) = self.waiters.get_mut(lock) {
                waiters.remove(&id);
            }
        }
        if matches!(write.root, RootChange::Finish(_)) {
            self.forget(id);
        }
        Ok(self.roots[&id].task.status)
    }

    fn take(&mut self, lock: &NodeLock, id: TaskId) -> Result<(), Refusal> {
        // The place in line of a root that is to stop counts no longer.
        let first = self.waiters.get(lock).and_then(|waiters| {
            let goes_on = |id: &&TaskId| self.roots[*id].task.status < TaskStatus::Terminating;
            waiters.iter().find(goes_on)
        });
        match (self.locks.get(lock), first) {
            (Some(holder), _) if *holder != id => Err(Refusal::Busy(*holder)),
            (None, Some(first)) if *first < id => Err(Refusal::Busy(*first)),
            _ => {
                self.locks.insert(lock.clone(), id);
                Ok(())
            }
        }
    }

    fn change(&mut self, root: TaskId, change: &Change) -> Result<(), Refusal> {
        let mut task = change.task.as_ref().clone();
        let parent = task.parent_task_id.unwrap();
        match &change.kind {
            ChangeKind::Add => {
                let orphan = parent != root && !self.subtasks.contains_key(&parent);
                if orphan || self.subtasks.contains_key(&task.task_id) {
                    return Err(Refusal::Illegal);
                }
                if parent == root {
                    self.roots.get_mut(&root).unwrap().task.subtask_count += 1;
                }
            }
            ChangeKind::Move { from, .. } => {
                let stored = self.subtasks.get(&task.task_id).ok_or(Refusal::Illegal)?;
                if stored.status != *from {
                    return Err(Refusal::Illegal);
                }
                if task.status.is_terminal() && parent == root {
                    self.count(root, task.result.status);
                }
            }
            ChangeKind::Update => unreachable!("no call of the history makes one"),
        }
        task.detail = None;
        self.subtasks.insert(task.task_id, task);
        Ok(())
    }

    fn count(&mut self, root: TaskId, outcome: ResultStatus) {
        let task = &mut self.roots.get_mut(&root).unwrap().task;
        let result = &mut task.result;
        match outcome {
            ResultStatus::Success => result.succeeded += 1,
            ResultStatus::Failure => result.failed += 1,
            ResultStatus::Incomplete | ResultStatus::PartialSuccess => return,
        }
        let before = (result.status, result.reason);
        result.status = before.0.fold(outcome);
        if result.failed > 0 {
            result.reason = Reason::NodeFailures;
        }
        if before != (result.status, result.reason) {
            task.revision += 1;
        }
    }

    fn finish(&mut self, id: TaskId, ending: &Ending) -> Result<(), Refusal> {
        let mut children = self
            .subtasks
            .values()
            .filter(|task| task.root_task_id == id);
        if children.any(|task| !task.status.is_terminal()) {
            return Err(Refusal::Illegal);
        }
        let status = match ending {
            Ending::Stopped => TaskStatus::Terminated,
            _ => TaskStatus::Complete,
        };
        let task = self.moved(id, status);
        let end = conclude(
            ACTION,
            ending,
            Tally {
                succeeded: task.result.succeeded,
                failed: task.result.failed,
                targets: task.target_node_count,
            },
        );
        task.result.status = end.status;
        task.result.reason = end.reason;
        task.result.message_count += 1;
        Ok(())
    }

    fn moved(&mut self, id: TaskId, status: TaskStatus) -> &mut Task {
        let task = &mut self.roots.get_mut(&id).unwrap().task;
        task.status = status;
        task.revision += 1;
        task
    }

    fn forget(&mut self, id: TaskId) {
        self.locks.retain(|_, holder| *holder != id);
        for waiters in self.waiters.values_mut() {
            waiters.remove(&id);
        }
    }
}

fn legal(write: &TreeWrite, root: TaskStatus) -> bool {
    let moves = |to, cause| may_move(Level::Root, root, to, cause);
    let root_moves = match &write.root {
        RootChange::None => true,
        RootChange::Start(_) => moves(TaskStatus::Running, Cause::Scheduler),
        RootChange::TimeOut => moves(TaskStatus::Terminating, Cause::Timeout),
        RootChange::Finish(Ending::QueueTimeout) => moves(TaskStatus::Complete, Cause::Timeout),
        RootChange::Finish(Ending::Stopped) => moves(TaskStatus::Terminated, Cause::Executor),
        RootChange::Finish(_) => moves(TaskStatus::Complete, Cause::Executor),
    };
    root_moves
        && write.changes.iter().all(|change| match &change.kind {
            ChangeKind::Add => root == TaskStatus::Running,
            ChangeKind::Move { from, cause, .. } => {
                may_move(Level::Subtask, *from, change.task.status, *cause)
            }
            ChangeKind::Update => !change.task.status.is_terminal(),
        })
}
