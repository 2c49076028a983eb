//! A model of the journal in memory, for tests: it commits what it is told, tells of it or not,
//! and fails when it is told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use tokio::sync::{Semaphore, broadcast, watch};

use super::hub::{Hub, HubHandle, HubOptions};
use super::source::Source;
use crate::background::Background;
use crate::domain::{
    Action, Cause, Commit, Event, EventKind, Message, Outcome, Progress, ResultStatus, RootFacts,
    Subject, Task, TaskId, TaskStatus,
};
use crate::store::{Clock, Error, JournalPage, JournalScope, SnapshotScope};

/// Small, so that the tail lags often.
const BROADCAST: usize = 4;

pub(super) struct Model {
    inner: Mutex<Inner>,
    commits: broadcast::Sender<Arc<Commit>>,
    doorbell: watch::Sender<u64>,
    /// Snapshots take a permit each; without one they wait.
    pub(super) snapshot_gate: Semaphore,
}

#[derive(Default)]
struct Inner {
    commits: Vec<Arc<Commit>>,
    tasks: Vec<Task>,
    floor: i64,
    failing: bool,
    epoch: i64,
    snapshots_asked: usize,
    snapshots: usize,
    journal_reads: usize,
}

/// How the replica under test learns of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// It is its own: broadcast.
    Us,
    /// Another replica's; nothing tells of it but the journal.
    Them,
}

/// What happens to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    Created,
    Moved(TaskStatus),
    Said,
    Result(ResultStatus),
    Finished,
}

impl Model {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            commits: broadcast::Sender::new(BROADCAST),
            doorbell: watch::Sender::new(0),
            snapshot_gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    pub(super) async fn hub(self: &Arc<Self>, options: HubOptions) -> (Hub, HubHandle) {
        Hub::start_on(
            Arc::clone(self) as Arc<dyn Source>,
            options,
            &Background::default(),
        )
        .await
        .unwrap()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(super) fn last(&self) -> i64 {
        self.lock().last()
    }

    pub(super) fn fail(&self, failing: bool) {
        self.lock().failing = failing;
    }

    /// As if another database were behind the same address.
    pub(super) fn replace(&self) {
        self.lock().epoch += 1;
    }

    pub(super) fn snapshots(&self) -> usize {
        self.lock().snapshots
    }

    /// How many snapshots were begun, those held at the gate included.
    pub(super) fn snapshot_asked(&self) -> usize {
        self.lock().snapshots_asked
    }

    pub(super) fn journal_reads(&self) -> usize {
        self.lock().journal_reads
    }

    pub(super) fn ring_doorbell(&self) {
        self.doorbell.send_modify(|rings| *rings += 1);
    }

    /// Every event with its commit, in order.
    pub(super) fn history(&self) -> Vec<(i64, Arc<Commit>, Event)> {
        let inner = self.lock();
        let events = inner.commits.iter().flat_map(|commit| {
            let numbered = (commit.first_sequence..).zip(&commit.events);
            numbered.map(|(sequence, event)| (sequence, Arc::clone(commit), event.clone()))
        });
        events.collect()
    }

    pub(super) fn task(&self, task_id: TaskId) -> Option<Task> {
        self.lock().task(task_id).cloned()
    }

    pub(super) fn tasks(&self) -> Vec<Task> {
        self.lock().tasks.clone()
    }

    /// A new root with the ids of `nodes` nodes of two steps each, all created in one commit.
    pub(super) fn create_tree(&self, nodes: u32, by: By) -> TaskId {
        let root = TaskId::new_root();
        let mut created = vec![(root, None, 0, 0)];
        for ordinal in 0..nodes {
            let node = root.child(ordinal);
            created.push((node, Some(root), 1, ordinal));
            for step in 0..2 {
                created.push((node.child(step), Some(node), 2, step));
            }
        }
        let ids = created.iter().map(|entry| entry.0).collect::<Vec<_>>();
        for (task_id, parent, depth, ordinal) in created {
            let task = new_task(task_id, root, parent, depth, ordinal);
            self.lock().tasks.push(task);
        }
        let happenings: Vec<_> = ids.iter().map(|id| (*id, Happening::Created)).collect();
        self.commit(root, &happenings, by);
        root
    }

    /// Commits what happened in one tree.
    pub(super) fn commit(&self, root: TaskId, happenings: &[(TaskId, Happening)], by: By) -> i64 {
        let commit = {
            let mut inner = self.lock();
            let first_sequence = inner.last() + 1;
            let events = happenings
                .iter()
                .enumerate()
                .map(|(index, (task_id, happening))| {
                    inner.apply(*task_id, *happening, first_sequence + index as i64)
                })
                .collect();
            let commit = Arc::new(Commit {
                root_task_id: root,
                first_sequence,
                ts: DateTime::UNIX_EPOCH,
                facts: facts(),
                progress: Progress {
                    succeeded: first_sequence as u32,
                    ..Progress::default()
                },
                events,
            });
            inner.commits.push(Arc::clone(&commit));
            commit
        };
        let last = commit.last_sequence();
        if by == By::Us {
            self.commits.send(commit).ok();
        }
        last
    }

    /// One message about the root, to have something happen.
    pub(super) fn say(&self, root: TaskId, by: By) -> i64 {
        self.commit(root, &[(root, Happening::Said)], by)
    }

    /// Everything at once: every task of the tree finishes, the root last.
    pub(super) fn finish_tree(&self, root: TaskId, by: By) {
        let mut tasks: Vec<_> = self
            .tasks()
            .into_iter()
            .filter(|task| task.root_task_id == root && !task.status.is_terminal())
            .map(|task| (task.task_id, Happening::Finished))
            .collect();
        tasks.reverse();
        if !tasks.is_empty() {
            self.commit(root, &tasks, by);
        }
    }

    /// Removes a tree and its history.
    pub(super) fn purge(&self, root: TaskId) {
        let mut inner = self.lock();
        let highest = inner
            .commits
            .iter()
            .filter(|commit| commit.root_task_id == root)
            .map(|commit| commit.last_sequence())
            .max();
        inner.floor = inner.floor.max(highest.unwrap_or(0));
        // The clock does not fall when the newest commit is purged.
        assert!(
            inner.floor < inner.last(),
            "commit something after it first"
        );
        inner.commits.retain(|commit| commit.root_task_id != root);
        inner.tasks.retain(|task| task.root_task_id != root);
    }
}

impl Inner {
    fn last(&self) -> i64 {
        self.commits
            .last()
            .map_or(0, |commit| commit.last_sequence())
    }

    fn clock(&self) -> Clock {
        Clock {
            ts: chrono::DateTime::UNIX_EPOCH,
            last: self.last(),
            floor: self.floor,
            epoch: self.epoch,
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.failing {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    fn task(&self, task_id: TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.task_id == task_id)
    }

    fn apply(&mut self, task_id: TaskId, happening: Happening, sequence: i64) -> Event {
        let task = self
            .tasks
            .iter_mut()
            .find(|task| task.task_id == task_id)
            .unwrap();
        let before = (task.status, task.result.status);
        match happening {
            Happening::Moved(status) => task.status = status,
            Happening::Result(status) => task.result.status = status,
            Happening::Finished => task.status = TaskStatus::Complete,
            Happening::Created | Happening::Said => {}
        }
        let boxed = Box::new(task.clone());
        let kind = match happening {
            Happening::Created if task.is_root() => EventKind::TaskCreated(boxed),
            Happening::Created => EventKind::SubtaskAdded(boxed),
            Happening::Moved(_) => EventKind::StatusChanged {
                previous: before.0,
                cause: Cause::Executor,
                actor: "drydock".into(),
                reason: "".into(),
                task: boxed,
            },
            Happening::Said => EventKind::MessageAdded(Box::new(Message {
                sequence,
                ts: DateTime::UNIX_EPOCH,
                message: "said".to_owned(),
                error: false,
                context_type: "task".to_owned(),
                context: String::new(),
                extra: serde_json::Map::new(),
            })),
            Happening::Result(status) => EventKind::ResultChanged {
                status,
                reason: crate::domain::Reason::None,
                message: "".into(),
                success_count: 0,
                failure_count: 0,
            },
            Happening::Finished => EventKind::TaskFinished(boxed),
        };
        Event {
            task_id,
            parent_task_id: task.parent_task_id,
            depth: task.depth,
            revision: 0,
            subject: Subject {
                node_name: None,
                created: task.created,
                created_by: Arc::clone(&task.created_by),
                before: (happening != Happening::Created).then_some(before),
                after: (task.status, task.result.status),
            },
            kind,
        }
    }
}

fn facts() -> Arc<RootFacts> {
    Arc::new(RootFacts {
        action: Action::VerifyNode,
        design_ref: "file:///site".into(),
        labels: Arc::default(),
    })
}

fn new_task(
    task_id: TaskId,
    root_task_id: TaskId,
    parent_task_id: Option<TaskId>,
    depth: u8,
    ordinal: u32,
) -> Task {
    Task {
        task_id,
        root_task_id,
        parent_task_id,
        depth,
        ordinal,
        action: Action::VerifyNode,
        status: TaskStatus::Requested,
        node_name: None,
        step: None,
        created: DateTime::UNIX_EPOCH,
        created_by: "anonymous".into(),
        updated: DateTime::UNIX_EPOCH,
        started: None,
        completed: None,
        heartbeat: None,
        terminated: None,
        terminated_by: None,
        termination_reason: None,
        timeout: Duration::from_secs(60),
        revision: 1,
        retry: 0,
        retry_of_task_id: None,
        correlation_id: None,
        design_ref: "file:///site".into(),
        labels: Arc::new(BTreeMap::new()),
        design_digest: None,
        result: Outcome::default(),
        subtask_count: 0,
        target_node_count: 0,
        current_step: None,
        detail: None,
    }
}

#[async_trait]
impl Source for Model {
    fn commits(&self) -> broadcast::Receiver<Arc<Commit>> {
        self.commits.subscribe()
    }

    fn doorbell(&self) -> watch::Receiver<u64> {
        self.doorbell.subscribe()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn clock(&self) -> Result<Clock, Error> {
        tokio::task::yield_now().await;
        let inner = self.lock();
        inner.check()?;
        Ok(inner.clock())
    }

    async fn journal(
        &self,
        scope: JournalScope,
        after: i64,
        limit: usize,
    ) -> Result<JournalPage, Error> {
        tokio::task::yield_now().await;
        let page = {
            let mut inner = self.lock();
            inner.journal_reads += 1;
            inner.check()?;
            let mut page = JournalPage {
                commits: Vec::new(),
                scanned: inner.last(),
                clock: inner.clock(),
            };
            let mut events = 0;
            for commit in &inner.commits {
                let in_scope = match scope {
                    JournalScope::All => true,
                    JournalScope::Tree(root) => commit.root_task_id == root,
                };
                if !in_scope || commit.last_sequence() <= after {
                    continue;
                }
                if events > 0 && events + commit.events.len() > limit {
                    page.scanned = page
                        .commits
                        .last()
                        .map_or(0, |last: &Arc<Commit>| last.last_sequence());
                    break;
                }
                events += commit.events.len();
                page.commits.push(Arc::clone(commit));
            }
            page
        };
        tokio::task::yield_now().await;
        Ok(page)
    }

    async fn task(&self, task_id: TaskId) -> Result<Option<Task>, Error> {
        tokio::task::yield_now().await;
        let inner = self.lock();
        inner.check()?;
        Ok(inner.task(task_id).cloned())
    }

    async fn finishing_commit(&self, task: &Task) -> Result<Option<Arc<Commit>>, Error> {
        tokio::task::yield_now().await;
        let inner = self.lock();
        inner.check()?;
        let finishes = |event: &Event| {
            event.task_id == task.task_id && matches!(event.kind, EventKind::TaskFinished(_))
        };
        let found = inner
            .commits
            .iter()
            .find(|commit| commit.events.iter().any(finishes));
        Ok(found.cloned())
    }

    async fn snapshot(
        &self,
        scope: SnapshotScope,
        sink: &mut (dyn FnMut(Task) -> io::Result<()> + Send),
    ) -> Result<Option<Clock>, Error> {
        self.lock().snapshots_asked += 1;
        let _permit = self.snapshot_gate.acquire().await.unwrap();
        let (clock, tasks) = {
            let mut inner = self.lock();
            inner.check()?;
            inner.snapshots += 1;
            let tasks: Vec<_> = match &scope {
                SnapshotScope::Tree { task_id, max_depth } => {
                    let Some(top) = inner.task(*task_id) else {
                        return Ok(None);
                    };
                    let levels = max_depth.unwrap_or(9);
                    let below = |task: &&Task| {
                        distance(&inner.tasks, task, top.task_id).is_some_and(|d| d <= levels)
                    };
                    inner.tasks.iter().filter(below).cloned().collect()
                }
                SnapshotScope::Filter(filter) => {
                    let matching = inner.tasks.iter().filter(|task| filter.matches(task));
                    matching.cloned().collect()
                }
            };
            (inner.clock(), tasks)
        };
        for task in tasks {
            tokio::task::yield_now().await;
            sink(task).map_err(|error| Error::Corrupt {
                what: "sink",
                problem: error.to_string(),
            })?;
        }
        Ok(Some(clock))
    }
}

/// Levels from `ancestor` down to `task`; none if it is not below it.
pub(super) fn distance(tasks: &[Task], task: &Task, ancestor: TaskId) -> Option<u32> {
    let mut current = task;
    for levels in 0.. {
        if current.task_id == ancestor {
            return Some(levels);
        }
        let parent = current.parent_task_id?;
        current = tasks.iter().find(|task| task.task_id == parent)?;
    }
    None
}
