//! The calls that read: tasks, what was said and found out, and the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::gather::Found;
use super::read::{
    BuildDataPage, BuildDataQuery, Clock, JournalPage, JournalScope, ListPage, ListPosition,
    MessageQuery, Order, SnapshotScope, Tree, View,
};
use super::snapshot::{self, Sink};
use super::{Backend, Error, Store, build_data, detached, journal, lease, lock, query};
use crate::domain::{Commit, Message, ResultStatus, Task, TaskFilter, TaskId};

impl Store {
    /// Every target node of a root, sorted; none before it started.
    pub async fn target_nodes(&self, root: TaskId) -> Result<Vec<Arc<str>>, Error> {
        let inner = database!(self, target_nodes(root).await);
        let connections = &inner.connections;
        connections
            .calls
            .of(lease::target_nodes(connections, root))
            .await
    }

    /// A design's stored, compressed bytes.
    pub async fn design(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let inner = database!(self, design(digest).await);
        let connections = &inner.connections;
        connections
            .calls
            .of(query::design(connections, digest))
            .await
    }

    /// Roots that wait in the queue.
    pub async fn queued_roots(&self) -> Result<u64, Error> {
        let inner = database!(self, queued_roots().await);
        let connections = &inner.connections;
        connections.calls.of(query::queued_roots(connections)).await
    }

    /// The name and outcome of each node subtask of a root, sorted by name. Target nodes without
    /// a subtask are not among them.
    pub async fn node_outcomes(
        &self,
        root: TaskId,
    ) -> Result<Vec<(Arc<str>, ResultStatus)>, Error> {
        let inner = database!(self, node_outcomes(root).await);
        let connections = &inner.connections;
        connections
            .calls
            .of(query::node_outcomes(connections, root))
            .await
    }

    /// One task; none: no such task.
    pub async fn task(&self, task_id: TaskId, view: View) -> Result<Option<Task>, Error> {
        let inner = database!(self, task(task_id, view).await);
        let gatherer = lock(&inner.gatherer).clone().ok_or(Error::Closed)?;
        match gatherer.task(task_id, view).await? {
            Found::Nothing => Ok(None),
            Found::Task(task) => Ok(Some(Arc::unwrap_or_clone(task))),
            Found::Long => {
                let connections = inner.connections.clone();
                detached(async move { query::task(&connections, task_id).await }).await
            }
        }
    }

    /// A task and what is below it, parents first, at most `limit` tasks; none: no such task.
    pub async fn tree(
        &self,
        task_id: TaskId,
        max_depth: Option<u32>,
        view: View,
        limit: usize,
    ) -> Result<Option<Tree>, Error> {
        let inner = database!(self, tree(task_id, max_depth, view, limit).await);
        let connections = inner.connections.clone();
        detached(async move {
            connections
                .calls
                .of(query::tree(&connections, task_id, max_depth, view, limit))
                .await
        })
        .await
    }

    /// A page of the tasks that match.
    pub async fn list(
        &self,
        filter: &TaskFilter,
        order: Order,
        after: Option<ListPosition>,
        limit: u64,
        view: View,
    ) -> Result<ListPage, Error> {
        let inner = database!(self, list(filter, order, after, limit, view).await);
        let connections = inner.connections.clone();
        let filter = filter.clone();
        detached(async move {
            connections
                .calls
                .of(query::list(
                    &connections,
                    &filter,
                    order,
                    after,
                    limit,
                    view,
                ))
                .await
        })
        .await
    }

    /// Messages in the order of the journal, with the task each is about.
    pub async fn messages(&self, query: MessageQuery) -> Result<Vec<(TaskId, Message)>, Error> {
        let inner = database!(self, messages(query).await);
        let connections = &inner.connections;
        connections
            .calls
            .of(query::messages(connections, &query))
            .await
    }

    /// A page of build data, oldest first.
    pub async fn build_data(&self, query: BuildDataQuery) -> Result<BuildDataPage, Error> {
        let inner = database!(self, build_data(query).await);
        let connections = inner.connections.clone();
        detached(async move {
            let list = build_data::list(&connections, &query);
            connections.calls.of(list).await
        })
        .await
    }

    /// Where the journal stands.
    pub async fn clock(&self) -> Result<Clock, Error> {
        let inner = database!(self, clock().await);
        let connections = &inner.connections;
        let clock = journal::clock(connections.dialect, &connections.read);
        connections.calls.of(clock).await
    }

    /// The journal after `after`: about `limit` events, one commit at least.
    pub async fn journal(
        &self,
        scope: JournalScope,
        after: i64,
        limit: usize,
    ) -> Result<JournalPage, Error> {
        let inner = database!(self, journal(scope, after, limit).await);
        let connections = &inner.connections;
        let read = journal::read(connections.dialect, &connections.read, scope, after, limit);
        connections.calls.of(read).await
    }

    /// The commit with the `task_finished` event of a terminal task.
    pub async fn finishing_commit(&self, task: &Task) -> Result<Option<Arc<Commit>>, Error> {
        let inner = database!(self, finishing_commit(task).await);
        let connections = &inner.connections;
        let commit = journal::finishing_commit(connections.dialect, &connections.read, task);
        connections.calls.of(commit).await
    }

    /// Reads every task of the scope, parents first, with lists, as of one sequence, handing each
    /// to `sink` as it is read. The read transaction has ended when this returns. None: no such
    /// task. Must not be dropped in flight: call it from a task of its own.
    pub async fn snapshot(
        &self,
        scope: SnapshotScope,
        sink: Sink<'_>,
    ) -> Result<Option<Clock>, Error> {
        let inner = database!(self, snapshot(scope, sink).await);
        let connections = &inner.connections;
        let came = AtomicBool::new(false);
        let mut sink = |task| {
            came.store(true, Ordering::Release);
            sink(task)
        };
        let read = snapshot::read(connections, &scope, &mut sink);
        connections.calls.of_parts(&came, read).await
    }
}
