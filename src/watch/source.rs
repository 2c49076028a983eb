//! What watching reads: the store, or in tests a model of its journal.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinError;

use crate::domain::{Commit, Task, TaskId};
use crate::store::{Clock, Error, JournalPage, JournalScope, SnapshotScope, Store, View};

/// The reads behind every watch, each with the promises of the [`Store`] method of its name.
#[async_trait]
pub(super) trait Source: Send + Sync + 'static {
    fn commits(&self) -> broadcast::Receiver<Arc<Commit>>;
    fn doorbell(&self) -> watch::Receiver<u64>;
    fn is_shared(&self) -> bool;
    async fn clock(&self) -> Result<Clock, Error>;
    async fn journal(
        &self,
        scope: JournalScope,
        after: i64,
        limit: usize,
    ) -> Result<JournalPage, Error>;
    /// The task without lists.
    async fn task(&self, task_id: TaskId) -> Result<Option<Task>, Error>;
    async fn finishing_commit(&self, task: &Task) -> Result<Option<Arc<Commit>>, Error>;
    async fn snapshot(
        &self,
        scope: SnapshotScope,
        sink: &mut (dyn FnMut(Task) -> io::Result<()> + Send),
    ) -> Result<Option<Clock>, Error>;
}

#[async_trait]
impl Source for Store {
    fn commits(&self) -> broadcast::Receiver<Arc<Commit>> {
        self.commits()
    }

    fn doorbell(&self) -> watch::Receiver<u64> {
        self.doorbell()
    }

    fn is_shared(&self) -> bool {
        self.is_shared()
    }

    async fn clock(&self) -> Result<Clock, Error> {
        self.clock().await
    }

    async fn journal(
        &self,
        scope: JournalScope,
        after: i64,
        limit: usize,
    ) -> Result<JournalPage, Error> {
        self.journal(scope, after, limit).await
    }

    async fn task(&self, task_id: TaskId) -> Result<Option<Task>, Error> {
        self.task(task_id, View::Basic).await
    }

    async fn finishing_commit(&self, task: &Task) -> Result<Option<Arc<Commit>>, Error> {
        self.finishing_commit(task).await
    }

    async fn snapshot(
        &self,
        scope: SnapshotScope,
        sink: &mut (dyn FnMut(Task) -> io::Result<()> + Send),
    ) -> Result<Option<Clock>, Error> {
        self.snapshot(scope, sink).await
    }
}

/// The outcome of a task that nobody aborts; its panic goes on in the caller.
///
/// Reads run in tasks of their own because a transaction must not be dropped half way, and a
/// stream is dropped whenever its client leaves.
pub(super) async fn joined<T>(task: impl Future<Output = Result<T, JoinError>>) -> T {
    match task.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels it; this task is next.
            Err(_) => std::future::pending().await,
        },
    }
}
