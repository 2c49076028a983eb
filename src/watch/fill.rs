//! Fills: reading snapshots into spools, few at once.
//!
//! Ten thousand watchers may ask for one tree at the same moment. Those that wait for their turn
//! share one fill; nobody joins a fill that has begun, because its read may be older than what
//! the watcher's caller has just created or stopped.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;

use super::error::WatchError;
use super::scope::Scope;
use super::source::{Source, joined};
use super::spool::{Quota, Spool, SpoolWriter};
use crate::domain::{TaskFilter, TaskId};
use crate::store::Clock;

/// Snapshots read at once: each keeps one of the store's reading connections busy.
const FILLS_AT_ONCE: usize = 4;

/// A snapshot in its spool.
#[derive(Clone)]
pub(super) struct Snapshot {
    /// Where the journal stood when it was read.
    pub(super) clock: Clock,
    /// The tasks, parents first.
    pub(super) spool: Arc<Spool>,
}

/// None: no such task.
type Filled = Result<Option<Snapshot>, WatchError>;

/// Reads snapshots.
pub(super) struct Fills {
    source: Arc<dyn Source>,
    quota: Quota,
    directory: PathBuf,
    turns: Semaphore,
    /// Fills that have not begun.
    waiting: Mutex<HashMap<Key, Shared<BoxFuture<'static, Filled>>>>,
    max_waiting: usize,
}

/// Scopes with equal keys have equal snapshots.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Tree(TaskId, Option<u32>),
    Filter(Arc<TaskFilter>),
}

impl Fills {
    /// `max_waiting` bounds the scopes that wait for their turn, also those that nobody waits for
    /// any more.
    pub(super) fn new(
        source: Arc<dyn Source>,
        spool_bytes: u64,
        directory: PathBuf,
        max_waiting: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            source,
            quota: Quota::new(spool_bytes),
            directory,
            turns: Semaphore::new(FILLS_AT_ONCE),
            waiting: Mutex::default(),
            max_waiting,
        })
    }

    /// The scope's snapshot, read after this was called. Dropping it stops nothing.
    pub(super) async fn read(self: &Arc<Self>, scope: &Scope) -> Filled {
        self.join(scope)?.await
    }

    fn join(
        self: &Arc<Self>,
        scope: &Scope,
    ) -> Result<Shared<BoxFuture<'static, Filled>>, WatchError> {
        let key = match scope {
            Scope::Task { task_id, max_depth } => Key::Tree(*task_id, *max_depth),
            Scope::Fleet(filter) => Key::Filter(Arc::clone(filter)),
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fill) = waiting.get(&key) {
            return Ok(fill.clone());
        }
        if waiting.len() >= self.max_waiting {
            return Err(WatchError::Quota);
        }
        // The task cannot take its turn, and so look for its key, before the key is there: it
        // needs the lock for that.
        let task = tokio::spawn(Arc::clone(self).fill(key.clone(), scope.clone()));
        let fill = joined(task).boxed().shared();
        waiting.insert(key, fill.clone());
        Ok(fill)
    }

    async fn fill(self: Arc<Self>, key: Key, scope: Scope) -> Filled {
        let _turn = self.turns.acquire().await;
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);

        let mut spool = SpoolWriter::new(&self.quota, &self.directory);
        let read = self
            .source
            .snapshot(scope.snapshot(), &mut |task| spool.push(&task))
            .await;
        if let Some(failure) = spool.take_failure() {
            return Err(failure);
        }
        let Some(clock) = read? else { return Ok(None) };
        Ok(Some(Snapshot {
            clock,
            spool: Arc::new(spool.finish()?),
        }))
    }
}
