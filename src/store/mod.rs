//! The store: tasks and their journal in SQLite or PostgreSQL. The only layer that knows either.
//!
//! A write is durable when its call returns, and its events are committed with it, in an order
//! that is the order of their sequences. Read in this order: [`write`] and [`read`] are what
//! callers see; `batch` commits groups of writes, which `apply` turns into rows and events and
//! `journal` numbers; `lease` says which replica owns which tree.
#![expect(clippy::disallowed_types, reason = "this layer owns the database")]

pub mod error;
pub mod read;
pub mod write;

mod batch;

mod apply;
mod audit;
mod create_batch;
mod earlier;
mod lock;
mod parts;
mod purge;
mod record;
mod scrub;
mod start;
mod terminate;

mod journal;

mod claim;
mod lease;

mod detail;
mod gather;
mod query;
mod snapshot;

pub mod admin;

mod answer;
mod connect;
mod doorbell;

#[cfg(test)]
pub(crate) mod model;

pub(crate) mod codec;
mod row;
mod sql;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use error::{Error, OpenError, WriteError};
pub use purge::{PurgePart, PurgePreview, PurgeQuery, PurgedPart};
pub use read::{
    Clock, JournalPage, JournalScope, ListPage, ListPosition, MessageQuery, Order, SnapshotScope,
    Tree, View,
};
pub use snapshot::Sink;
pub use write::{
    AuditRecord, Change, ChangeKind, Claimed, Created, Ending, FrozenDesign, NewMessage, NewRoot,
    NodeLock, OpenTree, PreviousOwner, RequestKey, RootChange, Start, Terminated, Termination,
    TreeWrite, Written,
};

use crate::background::Background;
use crate::domain::{
    Commit, InstanceId, Message, ResultStatus, Task, TaskFilter, TaskId, TaskStatus, Timestamp,
};
use crate::seeded::{Bug, seeded};
use claim::Wanted;
use connect::Connections;
use create_batch::Prepared;
use gather::{Found, Gatherer};
use journal::Publisher;
use sql::Dialect;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file, created if missing; one process at a time.
    Sqlite(PathBuf),
    /// A server, any number of replicas. The URL may hold a password.
    Postgres(String),
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://..."),
        }
    }
}

/// How to open the store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The database.
    pub url: DatabaseUrl,
    /// Apply pending migrations, or refuse to open when there are any.
    pub migrate: bool,
    /// How long an instance lives without a renewal.
    pub lease: Duration,
}

/// What came of renewing an instance's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Good for another lease, counted from before the call.
    Renewed,
    /// It had run out: the instance is dead for good. Take a new id, drop its trees.
    Lost,
}

/// Where writes wait for the batch that commits them.
#[derive(Clone)]
struct Queues {
    creates: mpsc::Sender<create_batch::Request>,
    trees: mpsc::Sender<batch::Request>,
}

/// The store. Cheap to clone; every clone is the same store.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    background: Background,
}

/// What is behind a store.
#[derive(Clone)]
enum Backend {
    /// SQLite or PostgreSQL.
    Database(Arc<Inner>),
    /// The memory that the replicas of a simulation share.
    #[cfg(test)]
    Model(model::Replica),
}

/// The database behind a store. Where a simulation has put its model there, that answers the call.
macro_rules! database {
    ($store:ident, $($call:tt)*) => {{
        match &$store.backend {
            Backend::Database(inner) => inner,
            #[cfg(test)]
            Backend::Model(model) => return model.$($call)*,
        }
    }};
}

struct Inner {
    connections: Connections,
    lease: Duration,
    publisher: Publisher,
    doorbell: watch::Sender<u64>,
    /// None once the store closes.
    queues: Mutex<Option<Queues>>,
    batches: Mutex<Vec<JoinHandle<()>>>,
    /// None once the store closes.
    gatherer: Mutex<Option<Gatherer>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    /// The doorbell's two halves, which run for ever.
    bells: Vec<JoinHandle<()>>,
}

impl Store {
    /// Opens the store: connects (bounded retries), checks what durability needs, migrates.
    pub async fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let connections = Connections::open(&options).await?;
        admin::prepare(&connections, &options).await?;
        let background = Background::default();
        let publisher = Publisher::new();
        let doorbell = watch::Sender::new(0);
        let mut bells = Vec::new();
        match &options.url {
            // The file's lock proves that no instance of another process lives.
            DatabaseUrl::Sqlite(_) => lease::forget_instances(&connections).await?,
            DatabaseUrl::Postgres(url) => {
                let ringer = uuid::Uuid::new_v4();
                let ring = doorbell::ring(connections.clone(), publisher.clone(), ringer);
                bells.push(background.spawn("ringer of the doorbell", ring));
                let listen = doorbell::listen(url.clone(), doorbell.clone(), ringer);
                bells.push(background.spawn("listener at the doorbell", listen));
            }
        }
        let (creates, create_batches) = create_batch::start(&connections, &publisher, &background);
        let (trees, tree_batches) = batch::start(&connections, &publisher, &background);
        let (gatherer, readers) = Gatherer::start(&connections, &background);
        Ok(Self {
            background,
            backend: Backend::Database(Arc::new(Inner {
                connections,
                lease: options.lease,
                publisher,
                doorbell,
                queues: Mutex::new(Some(Queues { creates, trees })),
                batches: Mutex::new(vec![create_batches, tree_batches]),
                gatherer: Mutex::new(Some(gatherer)),
                readers: Mutex::new(readers),
                bells,
            })),
        })
    }

    /// Commits what is queued, refuses what comes later, and closes every connection.
    pub async fn close(&self) {
        let inner = database!(self, close().await);
        drop(lock(&inner.queues).take());
        let batches = std::mem::take(&mut *lock(&inner.batches));
        for batches in batches {
            if let Err(error) = batches.await {
                tracing::error!(%error, "the store's batches ended badly");
            }
        }
        drop(lock(&inner.gatherer).take());
        let readers = std::mem::take(&mut *lock(&inner.readers));
        for reader in readers {
            if let Err(error) = reader.await {
                tracing::error!(%error, "a reader of the store ended badly");
            }
        }
        for bell in &inner.bells {
            bell.abort();
        }
        inner.connections.close().await;
    }

    /// What runs in the background of this process: the store's own parts, and those of whatever is
    /// built on it. After a panic there nothing of it may be relied upon.
    pub fn background(&self) -> &Background {
        &self.background
    }

    /// Commits made through this store, in commit order, each sent after its commit. A fast path
    /// and never the truth: a receiver that lags, or sees a hole in the sequences, reads the
    /// journal.
    pub fn commits(&self) -> broadcast::Receiver<Arc<Commit>> {
        let inner = database!(self, commits());
        inner.publisher.subscribe()
    }

    /// Changes whenever another replica may have committed something: a hint that may be late or
    /// lost, so poll behind it. Never changes on SQLite.
    pub fn doorbell(&self) -> watch::Receiver<u64> {
        let inner = database!(self, doorbell());
        inner.doorbell.subscribe()
    }

    /// Whether other processes may write to the same database.
    pub fn is_shared(&self) -> bool {
        match &self.backend {
            Backend::Database(inner) => inner.connections.dialect == Dialect::Postgres,
            #[cfg(test)]
            Backend::Model(_) => true,
        }
    }

    /// Creates a root, requested and then queued. Durable when it returns.
    pub async fn create(&self, root: NewRoot) -> Result<Created, Error> {
        let inner = database!(self, create(root).await);
        let create = Box::new(Prepared::new(root)?);
        let (reply, answer) = oneshot::channel();
        let request = create_batch::Request { create, reply };
        let sent = inner.queues()?.creates.send(request).await;
        sent.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// What an earlier create with this key came to; none: there was no such create.
    pub async fn find_created(
        &self,
        created_by: &str,
        key: &RequestKey,
    ) -> Result<Option<Created>, Error> {
        let inner = database!(self, find_created(created_by, key).await);
        let connections = &inner.connections;
        let find = earlier::find(connections.dialect, &connections.read, created_by, key);
        connections.calls.of(find).await
    }

    /// Records a request to stop a root, under the root's lock. Durable when it returns.
    pub async fn terminate(&self, request: Termination) -> Result<Terminated, Error> {
        let inner = database!(self, terminate(request).await);
        let task_id = request.task_id;
        let (connections, publisher) = (inner.connections.clone(), inner.publisher.clone());
        let answer = detached(async move {
            let terminate = terminate::terminate(&connections, &publisher, &request);
            connections.calls.of(terminate).await
        })
        .await?;
        let task = match answer {
            Some(Terminated::Unchanged(_)) | None => self.task(task_id, View::Full).await?,
            Some(answer) => return Ok(answer),
        };
        Ok(match (task, answer.is_none()) {
            (None, _) => Terminated::NotFound,
            (Some(task), true) => Terminated::Accepted(task),
            (Some(task), false) => Terminated::Unchanged(task),
        })
    }

    /// Commits an owner's write to its tree, together with others' in one transaction. Durable
    /// when it returns.
    pub async fn write(&self, mut write: TreeWrite) -> Result<Written, WriteError> {
        scrub::scrub(&mut write);
        let inner = database!(self, write(write).await);
        let (reply, answer) = oneshot::channel();
        let write = Box::new(write);
        let request = batch::Request { write, reply };
        let sent = inner.queues()?.trees.send(request).await;
        sent.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Registers this process as an instance with a full lease.
    pub async fn register(&self, instance: InstanceId) -> Result<(), Error> {
        let inner = database!(self, register(instance).await);
        let inner = Arc::clone(inner);
        detached(async move {
            let register = lease::register(&inner.connections, inner.lease, instance);
            inner.connections.leases.of(register).await
        })
        .await
    }

    /// Renews the lease, on a connection of its own.
    pub async fn renew(&self, instance: InstanceId) -> Result<Renewal, Error> {
        let inner = database!(self, renew(instance).await);
        let inner = Arc::clone(inner);
        detached(async move {
            let renew = lease::renew(&inner.connections, inner.lease, instance);
            inner.connections.leases.of(renew).await
        })
        .await
    }

    /// Takes up to `limit` claimable roots, oldest first, raising their epochs. None when the
    /// instance's own lease has run out.
    pub async fn claim(&self, instance: InstanceId, limit: u32) -> Result<Vec<Claimed>, Error> {
        let inner = database!(self, claim(instance, Wanted::All, limit).await);
        let connections = inner.connections.clone();
        detached(async move { claim(&connections, instance, Wanted::All, limit).await }).await
    }

    /// As [`Self::claim`], but only roots that nobody owns: new ones, and those that were given
    /// back. Cheaper, and what a hint is about.
    pub async fn claim_free(
        &self,
        instance: InstanceId,
        limit: u32,
    ) -> Result<Vec<Claimed>, Error> {
        let inner = database!(self, claim_free(instance, limit).await);
        let connections = inner.connections.clone();
        detached(async move {
            let claim = claim::claim_free(&connections, instance, limit);
            connections.calls.of(claim).await
        })
        .await
    }

    /// As [`Self::claim`], but only roots whose owner is gone or gave them back: what others may
    /// wait for, so that a replica takes them even when it is full.
    pub async fn claim_abandoned(
        &self,
        instance: InstanceId,
        limit: u32,
    ) -> Result<Vec<Claimed>, Error> {
        let inner = database!(self, claim(instance, Wanted::Abandoned, limit).await);
        let connections = inner.connections.clone();
        detached(async move { claim(&connections, instance, Wanted::Abandoned, limit).await }).await
    }

    /// As [`Self::claim`], but only roots that are queued and were created before a moment: they
    /// wait too long and have to end.
    pub async fn claim_overdue(
        &self,
        instance: InstanceId,
        created_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed>, Error> {
        let wanted = Wanted::QueuedBefore(created_before);
        let inner = database!(self, claim(instance, wanted, limit).await);
        let connections = inner.connections.clone();
        detached(async move { claim(&connections, instance, wanted, limit).await }).await
    }

    /// Gives back every root of the instance, and the instance itself: others continue at once.
    pub async fn release(&self, instance: InstanceId) -> Result<(), Error> {
        let inner = database!(self, release(instance).await);
        let connections = inner.connections.clone();
        detached(async move {
            connections
                .calls
                .of(lease::release(&connections, instance))
                .await
        })
        .await
    }

    /// Gives back one root that has not begun, because it waits for a lock: it is claimed again when it can
    /// have it. One that is no longer queued, or another's, is left alone.
    pub async fn give_back(&self, instance: InstanceId, root: TaskId) -> Result<(), Error> {
        let inner = database!(self, give_back(instance, root).await);
        let connections = inner.connections.clone();
        detached(async move {
            let give_back = lease::give_back(&connections, instance, root);
            connections.calls.of(give_back).await
        })
        .await
    }

    /// The epoch and status of each root that the instance owns and that is not terminal: what a
    /// lost hint would have told.
    pub async fn owned(
        &self,
        instance: InstanceId,
    ) -> Result<Vec<(TaskId, i64, TaskStatus)>, Error> {
        let inner = database!(self, owned(instance).await);
        let connections = &inner.connections;
        connections
            .calls
            .of(lease::owned(connections, instance))
            .await
    }

    /// What of a tree is not through.
    pub async fn open_tree(&self, root: TaskId) -> Result<OpenTree, Error> {
        let inner = database!(self, open_tree(root).await);
        let connections = inner.connections.clone();
        detached(async move {
            connections
                .calls
                .of(lease::open_tree(&connections, root))
                .await
        })
        .await
    }

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

    /// Counts the trees that a purge would delete now.
    pub async fn preview_purge(&self, query: PurgeQuery) -> Result<PurgePreview, Error> {
        let inner = database!(self, preview_purge(query).await);
        let connections = inner.connections.clone();
        detached(async move {
            let preview = purge::preview(&connections, &query);
            connections.calls.of(preview).await
        })
        .await
    }

    /// Deletes the next trees, a bounded number, each whole. Durable when it returns; rows that
    /// nobody sees any more are left for [`Self::sweep`].
    pub async fn purge(&self, part: PurgePart) -> Result<PurgedPart, Error> {
        let inner = database!(self, purge(part).await);
        let (connections, publisher) = (inner.connections.clone(), inner.publisher.clone());
        detached(async move {
            let purge = purge::purge(&connections, &publisher, &part);
            connections.calls.of(purge).await
        })
        .await
    }

    /// Removes some of the rows that purged trees left behind. False: there were none.
    pub async fn sweep(&self) -> Result<bool, Error> {
        let inner = database!(self, sweep().await);
        let connections = inner.connections.clone();
        detached(async move { connections.calls.of(purge::sweep(&connections)).await }).await
    }

    /// Whether a task that was not found was in a tree that was purged.
    pub async fn is_purged(&self, task_id: TaskId) -> Result<bool, Error> {
        let inner = database!(self, is_purged(task_id).await);
        let connections = &inner.connections;
        let is_purged = purge::is_purged(connections, task_id);
        connections.calls.of(is_purged).await
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

impl Inner {
    fn queues(&self) -> Result<Queues, Error> {
        lock(&self.queues).clone().ok_or(Error::Closed)
    }
}

/// Runs a transaction in a task of its own: a caller that goes away, as gRPC handlers do when
/// their client disconnects, must not drop a transaction in flight.
async fn detached<T, F>(work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    if seeded(Bug::CancelledBegin) {
        return work.await;
    }
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Closed),
    }
}

/// Claims within the bound of a call.
async fn claim(
    connections: &Connections,
    instance: InstanceId,
    wanted: Wanted,
    limit: u32,
) -> Result<Vec<Claimed>, Error> {
    let claim = claim::claim(connections, instance, wanted, limit);
    connections.calls.of(claim).await
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is inside is a handle or none: no panic leaves it half made.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod plan_tests;
