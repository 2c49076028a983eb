//! The databases that the suite runs on, with a side entrance for what the store does not offer.

use std::path::PathBuf;
use std::time::Duration;

use drydock::domain::InstanceId;
use drydock::store::{DatabaseUrl, Store, StoreOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::postgres;

/// Longer than any test: no lease runs out by itself.
pub(crate) const LEASE: Duration = Duration::from_secs(600);

/// Declares each test twice, in a module for each database.
macro_rules! on_each_database {
    ($($(#[doc = $doc:literal])* async fn $name:ident($database:ident) $body:block)*) => {
        $($(#[doc = $doc])* async fn $name($database: crate::database::Database) $body)*

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::database::Database::sqlite()).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::database::Database::postgres().await).await;
            })*
        }
    };
}

/// An empty database of a test's own.
pub(crate) enum Database {
    /// A file in a directory that goes with the test.
    Sqlite(TempDir),
    /// A database in the shared cluster.
    Postgres(String),
}

impl Database {
    /// An empty SQLite file.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a directory for the database"))
    }

    /// An empty PostgreSQL database.
    pub(crate) async fn postgres() -> Self {
        Self::Postgres(postgres::cluster().database().await)
    }

    /// Where it is, for the store.
    pub(crate) fn url(&self) -> DatabaseUrl {
        match self {
            Self::Sqlite(directory) => DatabaseUrl::Sqlite(file(directory)),
            Self::Postgres(url) => DatabaseUrl::Postgres(url.clone()),
        }
    }

    /// The options to open it with.
    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions {
            url: self.url(),
            migrate: true,
            lease: LEASE,
        }
    }

    /// A store on it.
    pub(crate) async fn open(&self) -> Store {
        Store::open(self.options()).await.expect("the store opens")
    }

    /// A store as another replica would have it; on SQLite, which has one process, the same one.
    pub(crate) async fn replica(&self, store: &Store) -> Store {
        match self {
            Self::Sqlite(_) => store.clone(),
            Self::Postgres(_) => self.open().await,
        }
    }

    /// Whether it is PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(_) => self.sqlite_session().await.execute(sql).await.map(|_| ()),
            Self::Postgres(url) => postgres::connect(url).await.execute(sql).await.map(|_| ()),
        }
        .expect("the statement runs");
    }

    /// The number that a query answers.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(_) => self
                .sqlite_session()
                .await
                .fetch_one(sql)
                .await
                .map(|row| row.get(0)),
            Self::Postgres(url) => postgres::connect(url)
                .await
                .fetch_one(sql)
                .await
                .map(|row| row.get(0)),
        }
        .expect("the query answers")
    }

    /// A UUID as this database's SQL spells it.
    pub(crate) fn id(&self, id: Uuid) -> String {
        match self {
            Self::Sqlite(_) => format!("x'{}'", id.simple()),
            Self::Postgres(_) => format!("'{id}'::uuid"),
        }
    }

    /// Lets an instance's lease run out.
    pub(crate) async fn expire(&self, instance: InstanceId) {
        let past = match self {
            Self::Sqlite(_) => "0",
            Self::Postgres(_) => "clock_timestamp() - interval '1 second'",
        };
        let id = self.id(instance.0);
        self.execute(&format!(
            "UPDATE active_instances SET expires = {past} WHERE instance_id = {id}"
        ))
        .await;
    }

    /// A PostgreSQL session of the test's own.
    pub(crate) async fn session(&self) -> PgConnection {
        match self {
            Self::Sqlite(_) => panic!("only PostgreSQL has sessions"),
            Self::Postgres(url) => postgres::connect(url).await,
        }
    }

    /// A SQLite connection of the test's own.
    pub(crate) async fn sqlite_session(&self) -> SqliteConnection {
        match self {
            Self::Sqlite(directory) => {
                SqliteConnection::connect(&format!("sqlite://{}", file(directory).display()))
                    .await
                    .expect("the file opens")
            }
            Self::Postgres(_) => panic!("only SQLite has a file"),
        }
    }
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("drydock.db")
}
