//! The store's contract as a plain model in memory, and random histories that hold the store to
//! it: every answer is foretold, and so is what is left at the end.
//!
//! The model knows no batches, statements or clocks. It is what the documentation of
//! `drydock::store` says, written a second time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use drydock::domain::ending::{Ending, Tally, conclude};
use drydock::domain::state::{Level, may_move};
use drydock::domain::{
    Action, Cause, InstanceId, Reason, RequestId, ResultStatus, StepKind, Task, TaskId, TaskStatus,
};
use drydock::store::{
    Change, ChangeKind, Created, NodeLock, PreviousOwner, Renewal, RootChange, Store, Terminated,
    TreeWrite, WriteError,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::database::{Database, size};
use crate::fold::{assert_tells_the_state, still};
use crate::tree::{self, Owner};

const ACTION: Action = Action::DestroyNode;
const NODES: u32 = 3;

/// One call of a history. Roots and instances are named by number, modulo how many there are.
#[derive(Clone, Debug)]
enum Call {
    Create {
        key: Option<u8>,
        body: u8,
    },
    Register,
    Expire(usize),
    Renew(usize),
    Release(usize),
    Claim(usize, u32),
    Terminate(usize),
    Write {
        root: usize,
        stale: bool,
        act: Act,
    },
    /// The last write of all, once more.
    Resend,
}

/// What a write is about; nodes by ordinal.
#[derive(Clone, Debug)]
enum Act {
    Start(u32),
    TimeOut,
    Finish(Ending),
    AddNode { node: u32, queued: bool, lock: bool },
    RunNode { node: u32, lock: bool },
    EndNode(u32, ResultStatus),
    StopNode(u32),
    NodeStopped(u32),
    AddStep(u32),
    EndStep(u32, ResultStatus),
    Wait(u32),
    Unlock(u32),
    Say,
}

fn call() -> impl Strategy<Value = Call> {
    let number = 0usize..8;
    // Most writes are to the first roots, or none would get anywhere.
    let root = prop_oneof![4 => 0usize..2, 1 => 0usize..8];
    prop_oneof![
        2 => (prop::option::of(0u8..3), 0u8..2).prop_map(|(key, body)| Call::Create { key, body }),
        1 => Just(Call::Register),
        1 => number.clone().prop_map(Call::Expire),
        1 => number.clone().prop_map(Call::Renew),
        1 => number.clone().prop_map(Call::Release),
        4 => (number.clone(), 1u32..4).prop_map(|(number, limit)| Call::Claim(number, limit)),
        1 => number.prop_map(Call::Terminate),
        40 => (root, prop::bool::weighted(0.03), act())
            .prop_map(|(root, stale, act)| Call::Write { root, stale, act }),
        3 => Just(Call::Resend),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let node = 0..NODES;
    let result = prop_oneof![
        Just(ResultStatus::Success),
        Just(ResultStatus::Failure),
        Just(ResultStatus::Incomplete)
    ];
    let ending = prop_oneof![
        Just(Ending::Done),
        Just(Ending::Stopped),
        Just(Ending::TimedOut),
        Just(Ending::QueueTimeout),
        Just(Ending::Failed(
            Reason::DesignInvalid,
            "it does not load".to_owned()
        )),
    ];
    prop_oneof![
        4 => (0..=NODES).prop_map(Act::Start),
        1 => Just(Act::TimeOut),
        3 => ending.prop_map(Act::Finish),
        8 => (node.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(node, queued, lock)| Act::AddNode { node, queued, lock }),
        3 => (node.clone(), any::<bool>()).prop_map(|(node, lock)| Act::RunNode { node, lock }),
        5 => (node.clone(), result.clone()).prop_map(|(node, result)| Act::EndNode(node, result)),
        2 => node.clone().prop_map(Act::StopNode),
        2 => node.clone().prop_map(Act::NodeStopped),
        3 => node.clone().prop_map(Act::AddStep),
        4 => (node.clone(), result).prop_map(|(node, result)| Act::EndStep(node, result)),
        2 => node.clone().prop_map(Act::Wait),
        2 => node.prop_map(Act::Unlock),
        1 => Just(Act::Say),
    ]
}

/// Why the model refuses a write.
#[derive(Clone, Debug, PartialEq)]
enum Refusal {
    Fenced,
    Conflict(TaskStatus),
    Busy(TaskId),
    Illegal,
}

#[derive(Clone)]
struct Root {
    task: Task,
    epoch: i64,
    owner: Option<InstanceId>,
    released: bool,
}

#[derive(Clone, Copy)]
struct Instance {
    id: InstanceId,
    registered: bool,
    alive: bool,
}

#[derive(Clone, Default)]
struct Model {
    roots: BTreeMap<TaskId, Root>,
    /// In the order of creation.
    order: Vec<TaskId>,
    subtasks: BTreeMap<TaskId, Task>,
    instances: Vec<Instance>,
    keys: HashMap<u8, (TaskId, u8)>,
    locks: BTreeMap<NodeLock, TaskId>,
    waiters: BTreeMap<NodeLock, BTreeSet<TaskId>>,
}

impl Model {
    fn claim(
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

    fn release(&mut self, instance: usize) {
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
    fn terminate(&mut self, id: TaskId) -> Option<TaskStatus> {
        let task = &mut self.roots.get_mut(&id)?.task;
        match task.status {
            TaskStatus::Complete => return None,
            TaskStatus::Terminating | TaskStatus::Terminated => {}
            TaskStatus::Running => {
                task.status = TaskStatus::Terminating;
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
    fn write(&mut self, write: &TreeWrite) -> Result<TaskStatus, Refusal> {
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

    /// Whether an earlier try of a write without a change of the root was committed.
    fn known(&self, write: &TreeWrite) -> bool {
        let root = &self.roots[&write.root_task_id];
        root.epoch == write.epoch
            && write.allowed.contains(&root.task.status)
            && legal(write, root.task.status)
            && matches!(write.root, RootChange::None)
            && !write.changes.is_empty()
            && write.changes.iter().all(|change| {
                self.subtasks.get(&change.task.task_id).is_some_and(|task| {
                    (task.status, task.revision) == (change.task.status, change.task.revision)
                })
            })
    }

    fn apply(&mut self, write: &TreeWrite) -> Result<TaskStatus, Refusal> {
        let id = write.root_task_id;
        let root = &self.roots[&id];
        let status = root.task.status;
        if root.epoch != write.epoch {
            return Err(Refusal::Fenced);
        }
        if !write.allowed.contains(&status) {
            let done = match &write.root {
                RootChange::Start(_) => status == TaskStatus::Running,
                RootChange::Finish(_) => status.is_terminal(),
                RootChange::TimeOut | RootChange::None => false,
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
        let first = self.waiters.get(lock).and_then(|waiters| waiters.first());
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

/// A history in progress: the model and the store side by side.
struct History<'a> {
    database: &'a Database,
    store: Store,
    model: Model,
    keys: [RequestId; 3],
    last: Option<TreeWrite>,
    refused: usize,
    written: usize,
}

impl History<'_> {
    async fn call(&mut self, call: &Call) {
        match call {
            Call::Create { key, body } => self.create(*key, *body).await,
            Call::Register => {
                let id = tree::instance(&self.store).await;
                self.model.instances.push(Instance {
                    id,
                    registered: true,
                    alive: true,
                });
            }
            Call::Expire(number) => {
                let Some(number) = self.instance(*number) else {
                    return;
                };
                self.database.expire(self.model.instances[number].id).await;
                self.model.instances[number].alive = false;
            }
            Call::Renew(number) => {
                let Some(number) = self.instance(*number) else {
                    return;
                };
                let renewed = {
                    let instance = &mut self.model.instances[number];
                    // Nobody else can have a SQLite file, so a late renewal is a renewal.
                    instance.alive |= instance.registered && !self.database.is_postgres();
                    *instance
                };
                let expected = if renewed.alive {
                    Renewal::Renewed
                } else {
                    Renewal::Lost
                };
                assert_eq!(self.store.renew(renewed.id).await.unwrap(), expected);
            }
            Call::Release(number) => {
                let Some(number) = self.instance(*number) else {
                    return;
                };
                self.store
                    .release(self.model.instances[number].id)
                    .await
                    .unwrap();
                self.model.release(number);
            }
            Call::Claim(number, limit) => {
                let Some(number) = self.instance(*number) else {
                    return;
                };
                let dead = match self.database.is_postgres() {
                    true => PreviousOwner::Expired,
                    false => PreviousOwner::Dead,
                };
                let expected = self.model.claim(number, *limit, dead);
                let id = self.model.instances[number].id;
                let claimed = self.store.claim(id, *limit).await.unwrap();
                let claimed: Vec<_> = claimed
                    .into_iter()
                    .map(|claimed| (claimed.task.task_id, claimed.epoch, claimed.previous))
                    .collect();
                assert_eq!(claimed, expected);
            }
            Call::Terminate(number) => self.terminate(*number).await,
            Call::Write { root, stale, act } => {
                let Some(id) = self.root(*root) else { return };
                let mut write = self.compose(id, act);
                write.epoch -= i64::from(*stale);
                self.write(write).await;
            }
            Call::Resend => {
                let Some(write) = self.last.clone() else {
                    return;
                };
                // What only says or locks something cannot be recognised.
                if !write.changes.is_empty() || !matches!(write.root, RootChange::None) {
                    self.write(write).await;
                }
            }
        }
    }

    fn instance(&self, number: usize) -> Option<usize> {
        number.checked_rem(self.model.instances.len())
    }

    fn root(&self, number: usize) -> Option<TaskId> {
        let place = number.checked_rem(self.model.order.len())?;
        Some(self.model.order[place])
    }

    async fn create(&mut self, key: Option<u8>, body: u8) {
        let new = match key {
            Some(key) => tree::keyed(self.keys[usize::from(key)], body),
            None => tree::root(ACTION),
        };
        let id = new.task.task_id;
        let created = self.store.create(new).await.unwrap();
        match (created, key.and_then(|key| self.model.keys.get(&key))) {
            (Created::New(task), None) => {
                assert_eq!(task.task_id, id);
                self.model.order.push(id);
                if let Some(key) = key {
                    self.model.keys.insert(key, (id, body));
                }
                let root = Root {
                    task,
                    epoch: 0,
                    owner: None,
                    released: false,
                };
                self.model.roots.insert(id, root);
            }
            (Created::Replayed(task), Some((id, used))) => {
                assert_eq!((task.task_id, body), (*id, *used));
                assert_eq!(task.status, self.model.roots[id].task.status);
            }
            (Created::Reused(task), Some((id, used))) => {
                assert_eq!(task, *id);
                assert_ne!(body, *used);
            }
            (created, key) => panic!("{created:?} for {key:?}"),
        }
    }

    async fn terminate(&mut self, number: usize) {
        let Some(id) = self.root(number) else { return };
        let before = self.model.roots[&id].task.status;
        let expected = self.model.terminate(id);
        match (tree::terminate(&self.store, id).await, expected) {
            (Terminated::Accepted(task), Some(status)) => {
                assert_ne!(before, status);
                assert_eq!(task.status, status);
                if status == TaskStatus::Terminated {
                    let said = &mut self.model.roots.get_mut(&id).unwrap().task.result;
                    said.message_count += 1;
                }
            }
            (Terminated::Unchanged(task), Some(status)) => {
                assert_eq!((before, task.status), (status, status));
            }
            (Terminated::Refused(task), None) => assert_eq!(task.status, before),
            (answer, expected) => panic!("{answer:?}, not {expected:?}"),
        }
    }

    async fn write(&mut self, write: TreeWrite) {
        let expected = self.model.write(&write);
        let answer = match self.store.write(write.clone()).await {
            Ok(written) => Ok(written.root_status),
            Err(WriteError::Fenced) => Err(Refusal::Fenced),
            Err(WriteError::Conflict { status }) => Err(Refusal::Conflict(status)),
            Err(WriteError::NodeBusy { holder }) => Err(Refusal::Busy(holder)),
            Err(WriteError::Illegal(_)) => Err(Refusal::Illegal),
            Err(WriteError::Store(error)) => panic!("{error}"),
        };
        assert_eq!(answer, expected, "{write:#?}");
        match answer {
            Ok(_) => self.written += 1,
            Err(_) => self.refused += 1,
        }
        self.last = Some(write);
    }

    /// The write of an owner that believes what the model knows.
    fn compose(&self, id: TaskId, act: &Act) -> TreeWrite {
        let root = &self.model.roots[&id];
        let owner = Owner {
            store: self.store.clone(),
            instance: root.owner.unwrap_or_default(),
            task: root.task.clone(),
            epoch: root.epoch,
        };
        let stored = |id: TaskId| self.model.subtasks.get(&id).cloned();
        let name = |node: u32| format!("n{node}");
        let node = |node: u32| {
            stored(id.child(node)).unwrap_or_else(|| tree::node(&root.task, node, &name(node)))
        };
        let step = |place: u32| {
            let parent = node(place);
            let fresh = || tree::step(&parent, 0, StepKind::DestroyNode);
            stored(parent.task_id.child(0)).unwrap_or_else(fresh)
        };
        let lock = |place: u32, wanted: bool| wanted.then(|| tree::lock(&name(place)));
        let cause = Cause::Executor;
        match act {
            Act::Start(nodes) => {
                let names: Vec<String> = (0..*nodes).map(name).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                owner.start(&names)
            }
            Act::TimeOut => TreeWrite {
                root: RootChange::TimeOut,
                ..owner.write()
            },
            Act::Finish(ending) => {
                let mut write = owner.finish(ending.clone());
                if *ending == Ending::QueueTimeout {
                    write.allowed = &[TaskStatus::Queued];
                }
                write
            }
            Act::AddNode {
                node: place,
                queued,
                lock: wanted,
            } => {
                let mut task = tree::node(&root.task, *place, &name(*place));
                if *queued {
                    task = tree::queued(&task);
                }
                TreeWrite {
                    lock: lock(*place, *wanted),
                    ..owner.changes([tree::add(&task)])
                }
            }
            Act::RunNode {
                node: place,
                lock: wanted,
            } => {
                let before = node(*place);
                let task = tree::in_status(&before, TaskStatus::Running);
                let change = tree::moved(&task, before.status, cause);
                TreeWrite {
                    lock: lock(*place, *wanted),
                    ..owner.changes([change])
                }
            }
            Act::EndNode(place, result) => TreeWrite {
                unlock: lock(*place, true),
                ..owner.changes([tree::end(&node(*place), *result)])
            },
            Act::StopNode(place) => {
                let before = node(*place);
                let task = tree::in_status(&before, TaskStatus::Terminating);
                owner.changes([tree::moved(&task, before.status, Cause::Parent)])
            }
            Act::NodeStopped(place) => {
                let before = node(*place);
                let mut task = tree::ended(&before, ResultStatus::Incomplete);
                task.status = TaskStatus::Terminated;
                let cause = match before.status {
                    TaskStatus::Queued => Cause::Parent,
                    _ => cause,
                };
                owner.changes([tree::moved(&task, before.status, cause)])
            }
            Act::AddStep(place) => {
                let fresh = tree::step(&node(*place), 0, StepKind::DestroyNode);
                owner.changes([tree::add(&fresh)])
            }
            Act::EndStep(place, result) => owner.changes([tree::end(&step(*place), *result)]),
            Act::Wait(place) => TreeWrite {
                wait_for: lock(*place, true),
                ..owner.changes([])
            },
            Act::Unlock(place) => TreeWrite {
                unlock: lock(*place, true),
                ..owner.changes([])
            },
            Act::Say => TreeWrite {
                root_messages: vec![tree::message("said")],
                ..owner.changes([])
            },
        }
    }

    /// Holds what is stored against what the model expects.
    async fn conclude(self) {
        assert_tells_the_state(&self.store).await;
        for (id, root) in &self.model.roots {
            let stored = tree::full(&self.store, *id).await;
            let facts = |task: &Task| {
                let result = &task.result;
                (
                    (
                        task.status,
                        task.revision,
                        task.subtask_count,
                        task.target_node_count,
                    ),
                    (
                        result.status,
                        result.reason,
                        result.succeeded,
                        result.failed,
                    ),
                    (result.message_count, task.design_digest.clone()),
                )
            };
            assert_eq!(facts(&stored), facts(&root.task), "{id}");
        }
        for (id, expected) in &self.model.subtasks {
            let mut stored = tree::full(&self.store, *id).await;
            stored.detail = None;
            assert_eq!(still(&stored), still(expected));
        }
        let count = |sql: &'static str| self.database.number(sql);
        assert_eq!(
            count("SELECT count(*) FROM node_locks").await,
            self.model.locks.len() as i64
        );
        let waiting: usize = self.model.waiters.values().map(BTreeSet::len).sum();
        assert_eq!(
            count("SELECT count(*) FROM node_lock_waiters").await,
            waiting as i64
        );
        let tasks = self.model.roots.len() + self.model.subtasks.len();
        assert_eq!(count("SELECT count(*) FROM tasks").await, tasks as i64);
        self.store.close().await;
    }
}

/// Runs one history on an empty database; how many writes were kept, and refused.
async fn run(database: &Database, calls: &[Call]) -> (usize, usize) {
    let mut history = History {
        database,
        store: database.open().await,
        model: Model::default(),
        keys: std::array::from_fn(|_| tree::request_id()),
        last: None,
        refused: 0,
        written: 0,
    };
    // Most of a history needs roots that run.
    let create = || Call::Create { key: None, body: 0 };
    let start = |root| Call::Write {
        root,
        stale: false,
        act: Act::Start(NODES),
    };
    for call in [
        Call::Register,
        create(),
        create(),
        Call::Claim(0, 2),
        start(0),
        start(1),
    ] {
        history.call(&call).await;
    }
    for call in calls {
        history.call(call).await;
    }
    let counts = (history.written, history.refused);
    history.conclude().await;
    counts
}

fn histories(database: impl AsyncFn() -> Database) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 8 * size(),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    let totals = std::cell::Cell::new((0, 0));
    let calls = prop::collection::vec(call(), 40..120);
    let outcome = runner.run(&calls, |calls| {
        let outcome = runtime.block_on(async {
            let database = database().await;
            let calls = Arc::new(calls);
            // A task of its own makes a panic an error that can be shrunk.
            tokio::spawn(async move { run(&database, &calls).await }).await
        });
        match outcome {
            Ok((written, refused)) => {
                let (all_written, all_refused) = totals.get();
                totals.set((all_written + written, all_refused + refused));
                Ok(())
            }
            Err(panic) => Err(TestCaseError::fail(panic.to_string())),
        }
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let (written, refused) = totals.get();
    println!("{written} writes kept, {refused} refused");
    assert!(written > 50 && refused > 50, "histories that try nothing");
}

#[test]
fn sqlite_does_what_the_model_says() {
    histories(async || Database::sqlite());
}

#[test]
fn postgres_does_what_the_model_says() {
    histories(Database::postgres);
}
