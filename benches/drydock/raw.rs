//! The bound of durable writes: one row, inserted and committed by itself, straight through sqlx.
//!
//! The settings are the service's: SQLite with a write-ahead log and `synchronous=FULL`, one writer that
//! everybody waits for; PostgreSQL with fsync, a session for each caller.

use std::str::FromStr as _;
use std::sync::Arc;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use crate::Result;
use crate::load::Client;
use crate::server::{Home, Kind};

/// About what the row of a new task holds beside its id, bytes.
const ROW_BYTES: usize = 300;

/// Somebody who inserts one row after the other.
pub(crate) struct Inserter {
    database: Database,
    row: Arc<str>,
}

enum Database {
    Sqlite(SqlitePool),
    Postgres(Box<PgConnection>),
}

impl Inserter {
    /// `count` of them, on the database server or file system of `home`.
    pub(crate) async fn connect(home: &Home, count: usize) -> Result<Vec<Self>> {
        let row: Arc<str> = "x".repeat(ROW_BYTES).into();
        let mut inserters = Vec::with_capacity(count);
        match home.kind {
            Kind::Sqlite => {
                let file = home.sqlite_file().with_file_name("raw.db");
                let options = SqliteConnectOptions::from_str("sqlite:")?
                    .filename(file)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .pragma("cache_size", "-65536")
                    .pragma("temp_store", "memory");
                let pool = SqlitePoolOptions::new()
                    .max_connections(1)
                    .connect_with(options)
                    .await?;
                pool.execute(
                    "CREATE TABLE IF NOT EXISTS raw (id blob PRIMARY KEY, row text NOT NULL)",
                )
                .await?;
                inserters.resize_with(count, || Self {
                    database: Database::Sqlite(pool.clone()),
                    row: Arc::clone(&row),
                });
            }
            Kind::Postgres => {
                for number in 0..count {
                    let mut session = PgConnection::connect(&home.url()).await?;
                    if number == 0 {
                        session
                            .execute("CREATE TABLE IF NOT EXISTS raw (id uuid PRIMARY KEY, row text NOT NULL)")
                            .await?;
                    }
                    inserters.push(Self {
                        database: Database::Postgres(Box::new(session)),
                        row: Arc::clone(&row),
                    });
                }
            }
        }
        Ok(inserters)
    }
}

impl Client for Inserter {
    async fn operate(&mut self) -> Result<()> {
        const INSERT: &str = "INSERT INTO raw (id, row) VALUES ($1, $2)";
        let id = Uuid::now_v7();
        match &mut self.database {
            Database::Sqlite(pool) => {
                sqlx::query(INSERT)
                    .bind(id)
                    .bind(&*self.row)
                    .execute(&*pool)
                    .await?;
            }
            Database::Postgres(session) => {
                sqlx::query(INSERT)
                    .bind(id)
                    .bind(&*self.row)
                    .execute(&mut **session)
                    .await?;
            }
        }
        Ok(())
    }
}
