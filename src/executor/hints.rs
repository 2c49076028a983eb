//! From commits to those who wait for them. A hint carries no data: whoever is woken looks for
//! itself, and polls behind the hints find what a lost one would have told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use crate::domain::{Action, Commit, EventKind, TaskId, TaskStatus};

/// Names of freed nodes kept for one runner. With more, it looks at all that it waits for.
const MAX_FREED: usize = 1024;

/// What wakes the runner of one root.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Cancelled when the root is seen terminating or over.
    pub(super) stop: CancellationToken,
    /// Notified when a lock that it may wait for was given back.
    pub(super) wake: Notify,
    /// Whether it waits for locks at all.
    pub(super) waits: AtomicBool,
    freed: Mutex<Freed>,
}

/// Nodes whose locks were given back.
#[derive(Debug, Default)]
pub(super) struct Freed {
    pub(super) names: Vec<Arc<str>>,
    /// There were too many to name, or some were missed.
    pub(super) all: bool,
}

impl Signals {
    /// What was given back since the last call.
    pub(super) fn take_freed(&self) -> Freed {
        std::mem::take(&mut *self.lock())
    }

    fn free(&self, name: Option<&Arc<str>>) {
        if !self.waits.load(Ordering::Acquire) {
            return;
        }
        let mut freed = self.lock();
        match name {
            Some(name) if freed.names.len() < MAX_FREED => freed.names.push(Arc::clone(name)),
            Some(_) | None => {
                freed.names.clear();
                freed.all = true;
            }
        }
        drop(freed);
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Freed> {
        // A list of names has no half-done state that a panic could leave.
        self.freed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The signals of every root that this replica runs.
#[derive(Debug, Default)]
pub(super) struct Trees {
    signals: Mutex<BTreeMap<TaskId, Arc<Signals>>>,
}

impl Trees {
    pub(super) fn add(&self, root: TaskId) -> Arc<Signals> {
        let signals = Arc::new(Signals::default());
        self.lock().insert(root, Arc::clone(&signals));
        signals
    }

    pub(super) fn remove(&self, root: TaskId) {
        self.lock().remove(&root);
    }

    pub(super) fn get(&self, root: TaskId) -> Option<Arc<Signals>> {
        self.lock().get(&root).cloned()
    }

    pub(super) fn contains(&self, root: TaskId) -> bool {
        self.lock().contains_key(&root)
    }

    fn free(&self, name: Option<&Arc<str>>) {
        for signals in self.lock().values() {
            signals.free(name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Arc<Signals>>> {
        // Every change of the map is one insert or remove.
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads commits and wakes those they concern, until `stop` is cancelled or there are no more.
pub(super) struct Dispatcher {
    pub(super) commits: broadcast::Receiver<Arc<Commit>>,
    pub(super) trees: Arc<Trees>,
    /// There may be a root to claim.
    pub(super) claim: Arc<Notify>,
    /// Commits were missed: look at every root.
    pub(super) look: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

impl Dispatcher {
    pub(super) async fn run(mut self) {
        loop {
            let received = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                received = self.commits.recv() => received,
            };
            match received {
                Ok(commit) => self.dispatch(&commit),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "commits missed");
                    self.claim.notify_one();
                    self.look.notify_one();
                    self.trees.free(None);
                }
                Err(broadcast::error::RecvError::Closed) => {
                    // The polls go on; whoever closed the source ends the process if it must.
                    tracing::warn!("no more commits to watch, polling alone");
                    return;
                }
            }
        }
    }

    fn dispatch(&self, commit: &Commit) {
        let action = commit.facts.action;
        for event in &commit.events {
            match (&event.kind, event.depth) {
                (EventKind::TaskCreated(_), 0) => self.claim.notify_one(),
                (EventKind::StatusChanged { task, .. }, 0)
                    if task.status >= TaskStatus::Terminating =>
                {
                    if let Some(signals) = self.trees.get(commit.root_task_id) {
                        signals.stop.cancel();
                    }
                    // Whoever waits for its site may be claimed.
                    if action == Action::PrepareSite && task.status.is_terminal() {
                        self.claim.notify_one();
                    }
                }
                (EventKind::StatusChanged { task, .. }, 1)
                    if action.is_mutating() && task.status.is_terminal() =>
                {
                    if let Some(node) = &task.node_name {
                        self.trees.free(Some(node));
                    }
                }
                (
                    EventKind::TaskCreated(_)
                    | EventKind::StatusChanged { .. }
                    | EventKind::SubtaskAdded(_)
                    | EventKind::ResultChanged { .. }
                    | EventKind::MessageAdded(_)
                    | EventKind::BuildDataAdded(_)
                    | EventKind::TaskFinished(_)
                    | EventKind::TaskPurged(_),
                    _,
                ) => {}
            }
        }
    }
}
