//! A fresh database for each test, of both kinds.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;

use super::postgres;

/// Declares each test twice, for SQLite and for PostgreSQL. A test is an `async fn(Database)`.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::support::database::Database::sqlite()).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::support::database::Database::postgres().await).await;
                }
            )+
        }
    };
}

/// An empty database and a directory beside it, which both go with this value.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) kind: Kind,
    url: String,
    directory: TempDir,
}

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl Database {
    /// A SQLite file that does not exist yet.
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self {
            kind: Kind::Sqlite,
            url: format!("sqlite:{}", directory.path().join("drydock.db").display()),
            directory,
        }
    }

    /// A new database in the cluster of this test binary.
    pub(crate) async fn postgres() -> Self {
        // The first one starts the cluster, which takes a second of blocking.
        let cluster = tokio::task::block_in_place(postgres::cluster);
        Self::at(cluster.database().await)
    }

    /// A database in a cluster of the test's own.
    pub(crate) fn at(postgres_url: String) -> Self {
        Self {
            kind: Kind::Postgres,
            url: postgres_url,
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    /// As `--database-url` takes it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement beside the service.
    pub(crate) async fn execute(&self, sql: &str) {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let executed = match self.kind {
            Kind::Sqlite => statement
                .execute(&mut self.open_file().await)
                .await
                .map(drop),
            Kind::Postgres => {
                let mut connection = postgres::connect(&self.url).await;
                statement.execute(&mut connection).await.map(drop)
            }
        };
        executed.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// What a query answers, which asks for one text a row.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        let texts = match self.kind {
            Kind::Sqlite => query.fetch_all(&mut self.open_file().await).await,
            Kind::Postgres => {
                let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
                query
                    .fetch_all(&mut postgres::connect(&self.url).await)
                    .await
            }
        };
        texts.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The names of its tables, sorted.
    pub(crate) async fn tables(&self) -> Vec<String> {
        let select = match self.kind {
            Kind::Sqlite => {
                "SELECT name FROM sqlite_master WHERE type = 'table' \
                    AND name NOT LIKE 'sqlite%' ORDER BY name"
            }
            Kind::Postgres => {
                "SELECT CAST(tablename AS text) FROM pg_tables \
                    WHERE schemaname = 'public' ORDER BY tablename"
            }
        };
        self.texts(select).await
    }

    async fn open_file(&self) -> SqliteConnection {
        let connection = SqliteConnection::connect(&self.url).await;
        connection.expect("the file opens")
    }

    /// Where a server on this database keeps its other files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The ledger of the simulated machines, which several servers may share.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.directory.path().join("ledger.jsonl")
    }
}
