//! Connections: what each database needs to be durable, and who may use which connection.
//!
//! SQLite has one writer connection and several readers, and one process per file. PostgreSQL has
//! pools for reads and writes, and connections of their own for leases, so that a busy pool never costs a lease.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction,
    DbErr, IsolationLevel, QueryResult, RuntimeErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection};
use tracing::warn;

use super::answer::{Answers, CALL_BOUND, LEASE_BOUND};
use super::error::{Error, OpenError};
use super::sql::{Dialect, get};
use super::{DatabaseUrl, StoreOptions};

/// Readers of a SQLite file: enough that a long snapshot does not keep others waiting.
const SQLITE_READERS: u32 = 6;

/// PostgreSQL connections for reads: snapshots and replays are fewer at once than these.
const POSTGRES_READERS: u32 = 14;

/// PostgreSQL connections for writes: batches use three, terminations and claims the others. Apart
/// from the reads, so that no herd of readers keeps a write waiting.
const POSTGRES_WRITERS: u32 = 6;

/// What the planner is told. It keeps a plan that was made while a table was small, when reading all
/// of it was cheapest, until the table is analyzed: a minute in which a new store may have come to a
/// million tasks. Every statement has an index, so it is to take it from the beginning.
const PLANS: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// PostgreSQL connections for leases: one, and one for while the other does not answer.
const POSTGRES_LEASES: u32 = 2;

/// How long a caller waits for a connection before the database counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// How often opening is tried, and how long it waits in between: a database that starts together
/// with the service is there within seconds; one that is not there is soon said to be missing.
const OPEN_ATTEMPTS: u32 = 6;
const OPEN_PAUSE: Duration = Duration::from_millis(500);

/// The database's connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) dialect: Dialect,
    /// Short reads.
    pub(super) read: DatabaseConnection,
    write: DatabaseConnection,
    /// Leases only.
    pub(super) lease: DatabaseConnection,
    /// What waits for the answers of reads and writes.
    pub(super) calls: Answers,
    /// What waits for the answers about leases.
    pub(super) leases: Answers,
    /// Keeps the SQLite file ours for as long as a connection may be open.
    _lock: Option<Arc<File>>,
}

impl Connections {
    /// Connects, with bounded retries, and checks what durability rests on.
    pub(super) async fn open(options: &StoreOptions) -> Result<Self, OpenError> {
        match &options.url {
            DatabaseUrl::Sqlite(path) => open_sqlite(path).await,
            DatabaseUrl::Postgres(url) => {
                let mut pause = OPEN_PAUSE;
                for attempt in 1.. {
                    match open_postgres(url).await {
                        Err(OpenError::Connect(error)) if attempt < OPEN_ATTEMPTS => {
                            warn!(attempt, %error, "database not reachable, trying again");
                            tokio::time::sleep(pause).await;
                            pause *= 2;
                        }
                        result => return result,
                    }
                }
                unreachable!("the last attempt returns")
            }
        }
    }

    /// Begins a transaction that writes. Never drop it in flight: it runs in a task of its own
    /// that ends it, because a dropped one may go back to the pool still open.
    pub(super) async fn begin_write(&self) -> Result<DatabaseTransaction, Error> {
        let options = match self.dialect {
            Dialect::Sqlite => TransactionOptions {
                // A read that is upgraded to a write fails at once when another wrote between.
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            Dialect::Postgres => TransactionOptions::default(),
        };
        Ok(self.write.begin_with_options(options).await?)
    }

    /// A connection for a statement that writes and is a transaction of its own; PostgreSQL only.
    pub(super) async fn writer(&self) -> Result<Writer, Error> {
        let pool = self.write.get_postgres_connection_pool();
        Ok(Writer(pool.acquire().await?))
    }

    /// Runs one statement that writes, as a transaction of its own. Never drop it in flight.
    pub(super) async fn write_at_once(
        &self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, Error> {
        Ok(self.write.query_all_raw(statement).await?)
    }

    /// Begins a transaction in which every read sees the same moment.
    pub(super) async fn begin_read(&self) -> Result<DatabaseTransaction, Error> {
        Ok(match self.dialect {
            Dialect::Sqlite => self.read.begin().await?,
            Dialect::Postgres => {
                self.read
                    .begin_with_config(
                        Some(IsolationLevel::RepeatableRead),
                        Some(AccessMode::ReadOnly),
                    )
                    .await?
            }
        })
    }

    /// The connection for schema changes.
    pub(super) fn admin(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Closes every connection.
    pub(super) async fn close(&self) {
        for connection in [&self.read, &self.lease, &self.write] {
            let close = async { Ok::<_, Error>(connection.close_by_ref().await?) };
            if let Err(error) = self.calls.of(close).await {
                warn!(%error, "closing a database connection");
            }
        }
    }
}

/// A connection that is had before its statement is sent.
pub(super) struct Writer(PoolConnection<Postgres>);

impl Writer {
    /// Runs a statement on rows and the bytes that they refer to. Never drop it in flight.
    pub(super) async fn write(
        &mut self,
        sql: &str,
        rows: String,
        bytes: Vec<u8>,
    ) -> Result<Vec<QueryResult>, Error> {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(rows).bind(bytes);
        let rows = query.fetch_all(&mut *self.0).await?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }
}

async fn open_sqlite(path: &Path) -> Result<Connections, OpenError> {
    let lock = lock_file(path)?;
    let url = format!("sqlite://{}", path.display());
    let file = path.to_owned();
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A file does not go away: asking it first would cost as much as a statement.
        .test_before_acquire(false)
        // A connection that is open costs nothing; reopening one throws away its statements.
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>);
    let configure = move |options: sqlx::sqlite::SqliteConnectOptions, writer: bool| {
        let options = options
            .filename(&file)
            .create_if_missing(writer)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .statement_cache_capacity(256)
            // 64 MiB of page cache for the writer: indexes of large trees stay in memory.
            .pragma("cache_size", if writer { "-65536" } else { "-8192" })
            .pragma("temp_store", "memory");
        if writer {
            options
        } else {
            options.pragma("query_only", "true")
        }
    };
    let mut writer = options.clone();
    let configure_writer = configure.clone();
    writer
        .max_connections(1)
        .min_connections(1)
        .map_sqlx_sqlite_opts(move |options| configure_writer(options, true));
    let write = Database::connect(writer)
        .await
        .map_err(OpenError::Connect)?;
    let mut readers = options;
    readers
        .max_connections(SQLITE_READERS)
        .min_connections(1)
        .map_sqlx_sqlite_opts(move |options| configure(options, false));
    let read = Database::connect(readers)
        .await
        .map_err(OpenError::Connect)?;
    Ok(Connections {
        dialect: Dialect::Sqlite,
        read,
        lease: write.clone(),
        write,
        calls: Answers::unbounded(),
        leases: Answers::unbounded(),
        _lock: Some(Arc::new(lock)),
    })
}

/// Takes the file beside the database that says which process has it. The operating system
/// gives it back when the process ends, however it ends.
fn lock_file(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        std::fs::create_dir_all(parent).map_err(|source| OpenError::File {
            path: parent.to_owned(),
            source,
        })?;
    }
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(|source| OpenError::File {
            path: name.clone(),
            source,
        })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::File { path: name, source }),
    }
}

async fn open_postgres(url: &str) -> Result<Connections, OpenError> {
    let (calls, leases) = (Answers::within(CALL_BOUND), Answers::within(LEASE_BOUND));
    let pool = |connections: u32, name: &'static str, answers: &Answers| {
        let answers = answers.clone();
        let mut options = ConnectOptions::new(url);
        options
            .sqlx_logging(false)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A round trip each, but after a restart of the server no call meets a dead one.
            .map_sqlx_postgres_pool_opts(move |pool| answers.guard(pool))
            .max_connections(connections)
            .min_connections(1)
            .map_sqlx_postgres_opts(move |options| {
                options
                    .application_name(name)
                    .options(PLANS.iter().copied())
                    .options([
                        ("lock_timeout", "2s"),
                        ("statement_timeout", "10s"),
                        // What a replica that fell silent has locked stays locked for so long. None
                        // of ours waits for anything but the database within a transaction.
                        ("idle_in_transaction_session_timeout", "5s"),
                        // Each is a custom plan that costs more than it saves at these sizes.
                        ("jit", "off"),
                    ])
            });
        options
    };
    knock(url).await?;
    let connect = async |options| Database::connect(options).await.map_err(OpenError::Connect);
    let connections = Connections {
        dialect: Dialect::Postgres,
        read: connect(pool(POSTGRES_READERS, "drydock-read", &calls)).await?,
        write: connect(pool(POSTGRES_WRITERS, "drydock-write", &calls)).await?,
        lease: connect(pool(POSTGRES_LEASES, "drydock-lease", &leases)).await?,
        calls,
        leases,
        _lock: None,
    };
    for (setting, unsafe_value) in [("fsync", "off"), ("synchronous_commit", "off")] {
        let show = Dialect::Postgres.statement(&format!("SHOW {setting}"), []);
        let show = async { Ok::<_, Error>(connections.read.query_one_raw(show).await?) };
        let row = connections.calls.of(show).await?;
        let row =
            row.ok_or_else(|| OpenError::Connect(DbErr::Custom(format!("no setting {setting}"))))?;
        let value: String = get(&row, setting)?;
        if value == unsafe_value {
            return Err(OpenError::NotDurable { setting, value });
        }
    }
    Ok(connections)
}

/// A connection for changes of the schema. They take as long as they take: an index of a large table is
/// longer in the making than any statement of the service may run. For a lock they wait as briefly as
/// others, because whoever comes after them waits for it as well.
pub(super) async fn open_for_changes(url: &str) -> Result<DatabaseConnection, OpenError> {
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_connections(1)
        .map_sqlx_postgres_opts(|options| {
            options.application_name("drydock-migrate").options([
                ("lock_timeout", "2s"),
                ("statement_timeout", "0"),
                ("idle_in_transaction_session_timeout", "30s"),
            ])
        });
    Database::connect(options).await.map_err(OpenError::Connect)
}

/// Opens and closes one connection. A pool that cannot connect tries until its time is up and then
/// says no more than that; one connection by itself says why.
async fn knock(url: &str) -> Result<(), OpenError> {
    let refused = |error: sqlx::Error| {
        OpenError::Connect(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))
    };
    let connection = tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect(url)).await;
    let connection = connection.map_err(|_| {
        let seconds = ACQUIRE_TIMEOUT.as_secs();
        OpenError::Connect(DbErr::Custom(format!("no answer within {seconds} s")))
    })?;
    connection.map_err(refused)?.close().await.map_err(refused)
}
