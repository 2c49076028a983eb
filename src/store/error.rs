//! What can go wrong in the store, classified once.

use std::path::PathBuf;

use sea_orm::{DbErr, RuntimeErr};

use crate::domain::{TaskId, TaskStatus};

/// Why a read or a write did not happen, or may not have.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, or is too busy, for now. After a write this also means
    /// that its outcome is unknown: every write may be sent again.
    #[error("reach the database")]
    Unavailable(#[source] DbErr),
    /// The database refused or answered what it never should: a defect, or a damaged database.
    #[error("use the database")]
    Internal(#[source] DbErr),
    /// A stored value has no meaning to this version.
    #[error("read stored {what}: {problem}")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// What was read could not be handed on: the reader's trouble, not the database's.
    #[error("hand on what was read: {problem}")]
    Sink {
        /// What the reader says.
        problem: String,
    },
    /// The store is closing; nothing was written.
    #[error("write: the store is closed")]
    Closed,
}

/// Why an owner's write to its tree was refused. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another replica owns the tree now. Stop, and write nothing more to it.
    #[error("write: another replica owns the tree")]
    Fenced,
    /// The root is in another status than the write is for: reload and decide again.
    #[error("write: the root is {status}")]
    Conflict {
        /// The root's status.
        status: TaskStatus,
    },
    /// The node (or site) is locked by another root.
    #[error("lock the node: task {holder} holds it")]
    NodeBusy {
        /// The root that holds it.
        holder: TaskId,
    },
    /// The write contradicts the state table or the stored tree: a defect of the caller.
    #[error("write: {0}")]
    Illegal(String),
    /// The database failed; the outcome is unknown when it was unavailable.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if is_transient(&error) {
            Self::Unavailable(error)
        } else {
            Self::Internal(error)
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::from(DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}

/// Whether trying again later may help: connections, locks, resources, shutdowns.
fn is_transient(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) => true,
        DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error) => match error {
            RuntimeErr::SqlxError(error) => is_transient_sqlx(error),
            RuntimeErr::Internal(_) => false,
        },
        _ => false,
    }
}

fn is_transient_sqlx(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // SQLite, also in their extended forms: 5 busy, 6 locked, 7 no memory, 8 read-only,
            // 10 I/O, 13 full, 14 cannot open.
            let sqlite = code.parse::<i64>().is_ok_and(|number| {
                code.len() < 5 && matches!(number & 0xff, 5 | 6 | 7 | 8 | 10 | 13 | 14)
            });
            // PostgreSQL classes: 08 connection, 28 a password that is being changed, 40 rollback
            // (deadlock), 53 resources, 57 operator intervention (shutdown, statement timeout),
            // 58 system error. And what a failover or an upgrade beside us shows for a while:
            // 25006 read-only, 25P03 idle in transaction, 0A000 and 26000 a cached statement
            // that no longer fits, 3D000 no such database, 55P03 lock_timeout.
            sqlite
                || ["08", "28", "40", "53", "57", "58"]
                    .iter()
                    .any(|class| code.len() == 5 && code.starts_with(class))
                || ["25006", "25P03", "0A000", "26000", "3D000", "55P03"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database cannot be reached, or refuses us.
    #[error("connect to the database")]
    Connect(#[source] DbErr),
    /// Another process has the SQLite file.
    #[error("open {}: another process uses this database (one process per SQLite file)", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// A file beside the database cannot be used.
    #[error("open {}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The server would acknowledge commits that a power cut takes back.
    #[error("use this PostgreSQL server: {setting} is {value}, so commits would not be durable")]
    NotDurable {
        /// The server's setting.
        setting: &'static str,
        /// Its value.
        value: String,
    },
    /// The schema is older than this version needs and may not be changed now.
    #[error("use this database: pending migrations: {pending} (run `drydock migrate up`)")]
    MigrationsPending {
        /// How many.
        pending: usize,
    },
    /// The schema is that of a later version, and lacks what this one needs.
    #[error(
        "use this database: migration {migration} is of a later version, beside which this one cannot work"
    )]
    SchemaAhead {
        /// The migration.
        migration: String,
    },
    /// A migration failed.
    #[error("migrate the database")]
    Migrate(#[source] DbErr),
    /// Reading what every store has failed.
    #[error(transparent)]
    Store(#[from] Error),
}
