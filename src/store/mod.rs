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
mod batch_parts;

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

mod build_data;
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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use error::{Error, OpenError, WriteError};
pub use purge::{PurgePart, PurgePreview, PurgeQuery, PurgedPart};
pub use read::{
    BuildDataPage, BuildDataQuery, Clock, InTree, JournalPage, JournalScope, ListPage,
    ListPosition, MessageQuery, Order, SnapshotScope, Tree, View,
};
pub use snapshot::Sink;
pub use write::{
    AuditRecord, Change, ChangeKind, Claimed, Created, Ending, FrozenDesign, NewMessage, NewRoot,
    NodeLock, OpenTree, PreviousOwner, RequestKey, RootChange, Start, Terminated, Termination,
    TreeWrite, Written,
};

use crate::background::Background;
use crate::domain::{Commit, TaskId};
use crate::seeded::{Bug, seeded};
use connect::Connections;
use create_batch::Prepared;
use gather::Gatherer;
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

// Below the macro, which they use.
mod owning;
mod reading;

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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is inside is a handle or none: no panic leaves it half made.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod plan_tests;
