//! Random histories: every answer of the store is foretold by the model, and so is what is left
//! at the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use drydock::domain::ending::Ending;
use drydock::domain::{
    Cause, Reason, RequestId, ResultStatus, StepKind, Task, TaskFilter, TaskId, TaskStatus,
};
use drydock::store::{
    Created, PreviousOwner, Renewal, RootChange, Store, Terminated, TreeWrite, View, WriteError,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::database::Database;
use super::fold::{assert_tells_the_state, still};
use super::model::{ACTION, Instance, Model, Refusal, Root};
use super::scale::scaled;
use super::tree::{self, Owner};

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
    Purge(usize),
    Sweep,
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
        2 => (0usize..8).prop_map(Call::Purge),
        1 => Just(Call::Sweep),
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
        4 => node.clone().prop_map(Act::Wait),
        2 => node.prop_map(Act::Unlock),
        1 => Just(Act::Say),
    ]
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
            Call::Purge(number) => self.purge(*number).await,
            Call::Sweep => drop(self.store.sweep().await.unwrap()),
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

    async fn purge(&mut self, number: usize) {
        let Some(id) = self.root(number) else { return };
        let expected: Vec<TaskId> = self.model.purge(id).then_some(id).into_iter().collect();
        let filter = TaskFilter {
            root_task_id: Some(id),
            ..TaskFilter::default()
        };
        let part = tree::purge_part(filter);
        let preview = self.store.preview_purge(part.query.clone()).await.unwrap();
        assert_eq!(preview.sample, expected);
        let purged = self.store.purge(part).await.unwrap();
        assert_eq!((purged.roots, purged.next), (expected.clone(), None));
        for id in expected {
            assert!(self.store.is_purged(id).await.unwrap());
            assert_eq!(self.store.task(id, View::Full).await.unwrap(), None);
        }
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
            Act::EndStep(place, result) => {
                let ending = tree::end(&step(*place), *result);
                owner.changes([match result {
                    ResultStatus::Success => tree::collecting(ending, "redfish", "{}"),
                    _ => ending,
                }])
            }
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
        while self.store.sweep().await.unwrap() {}
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

/// Runs random histories, each on a database of its own.
pub(crate) fn histories(database: impl AsyncFn() -> Database) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases: scaled(5),
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    });
    let totals = std::cell::Cell::new((0, 0));
    let calls = prop::collection::vec(call(), 40..100);
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
    assert!(written > 20 && refused > 20, "histories that try nothing");
}
