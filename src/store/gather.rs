//! Reads of single tasks, gathered: those that are asked for while a statement runs share the next.
//!
//! A statement costs many times what one of its rows does, and one that is read by many at once is
//! one row. There is no timer: a call that finds nobody reading is read at once, by itself. The
//! statement that answers a call begins after the call, so a caller sees what it has written; and
//! callers wait for an answer, never for a connection, so they may be dropped at any moment.
//!
//! A reader keeps its connection while there is work. The pool asks a connection whether it still
//! lives when it is taken, and again when it is given back, and waits for each answer: that is twice
//! what a read costs. Instead, a read on a kept connection that fails is made once more on one that
//! the pool has asked, so that a restart of the database is no more noticed than with the pool.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::QueryResult;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Postgres, Sqlite};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connect::Connections;
use super::detail::{self, Lists};
use super::error::Error;
use super::read::View;
use super::row::{SELECT_TASK, TASK_FROM, TASK_SELECT};
use super::sql::Dialect;
use crate::background::Background;
use crate::domain::{Task, TaskId};

/// Calls that share a statement at most. A task has lists of up to a megabyte, and all of them are
/// in memory at once.
const MAX_BATCH: usize = 32;

/// Calls that wait for a reader; more wait to be queued.
const MAX_QUEUED: usize = 4096;

/// Statements that run at once: a part of the connections for reads, as lists and snapshots need
/// some, too.
const READERS: usize = 3;

/// How long a statement keeps the next one waiting: longer than nearly every one takes, so that
/// calls find company, and too short to wait for one that reads long lists.
const TURN: Duration = Duration::from_millis(2);

/// How long a connection is kept without work, and how long in all: what the pool does for its
/// connections in time (asking them, replacing old ones) it does for these, too.
const KEPT_IDLE: Duration = Duration::from_secs(1);
const KEPT_AT_MOST: Duration = Duration::from_secs(60);

/// How long a statement may take: a little longer than the database's own limit for it, so that this
/// one is met only where the other end is silent.
const PATIENCE: Duration = Duration::from_secs(12);

/// What is known of a task.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// There is no such task.
    Nothing,
    /// The task, which others may have asked for, too.
    Task(Arc<Task>),
    /// There is one, but its lists take long to read: read it where nobody waits for it.
    Long,
}

struct Request {
    task_id: TaskId,
    view: View,
    reply: oneshot::Sender<Result<Found, Error>>,
}

/// The queue to the readers. They end when the last of its clones is gone.
#[derive(Clone)]
pub(super) struct Gatherer {
    requests: mpsc::Sender<Request>,
}

impl Gatherer {
    /// Starts the readers.
    pub(super) fn start(
        connections: &Connections,
        background: &Background,
    ) -> (Self, Vec<JoinHandle<()>>) {
        let (sender, receiver) = mpsc::channel(MAX_QUEUED);
        let requests = Arc::new(Mutex::new(receiver));
        let readers = (0..READERS).map(|_| {
            let reader = Reader::new(connections.clone());
            background.spawn("reader of tasks", reader.run(Arc::clone(&requests)))
        });
        (Self { requests: sender }, readers.collect())
    }

    /// Reads one task, as of a moment after this call.
    pub(super) async fn task(&self, task_id: TaskId, view: View) -> Result<Found, Error> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            task_id,
            view,
            reply,
        };
        let queued = self.requests.send(request).await;
        queued.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

type Requests = Arc<Mutex<mpsc::Receiver<Request>>>;

/// The statement that reads the tasks whose ids are in `$1`.
pub(super) fn statement(dialect: Dialect, view: View) -> Arc<str> {
    let among = dialect.among_ids("t.task_id", "$1");
    Arc::from(match view {
        View::Basic => format!("{SELECT_TASK} WHERE {among}"),
        View::Full => format!(
            "{TASK_SELECT}, {} {TASK_FROM} WHERE {among}",
            detail::columns(dialect, Lists::Short)
        ),
    })
}

struct Reader {
    connections: Connections,
    basic: Arc<str>,
    full: Arc<str>,
    kept: Option<Kept>,
}

impl Reader {
    fn new(connections: Connections) -> Self {
        Self {
            basic: statement(connections.dialect, View::Basic),
            full: statement(connections.dialect, View::Full),
            connections,
            kept: None,
        }
    }

    async fn run(mut self, requests: Requests) {
        let mut batch = Vec::new();
        loop {
            let take = async {
                let mut turn = requests.lock().await;
                let taken = turn.recv_many(&mut batch, MAX_BATCH).await;
                (taken, turn)
            };
            let taken = match self.kept.is_some() {
                true => timeout(KEPT_IDLE, take).await,
                false => Ok(take.await),
            };
            let Ok((taken, turn)) = taken else {
                self.kept = None;
                continue;
            };
            if taken == 0 {
                return;
            }
            let mut answering = pin!(self.answer(std::mem::take(&mut batch)));
            if timeout(TURN, &mut answering).await.is_err() {
                drop(turn);
                answering.await;
            }
        }
    }

    async fn answer(&mut self, requests: Vec<Request>) {
        let (basic, full): (Vec<Request>, Vec<Request>) = requests
            .into_iter()
            // Whoever is gone need not be read for.
            .filter(|request| !request.reply.is_closed())
            .partition(|request| request.view == View::Basic);
        self.answer_in(View::Basic, basic).await;
        self.answer_in(View::Full, full).await;
    }

    async fn answer_in(&mut self, view: View, requests: Vec<Request>) {
        if requests.is_empty() {
            return;
        }
        let mut ids: Vec<TaskId> = requests.iter().map(|request| request.task_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = self.read(view, &ids).await;
        for request in requests {
            let answer = match &found {
                Ok(found) => found
                    .get(&request.task_id)
                    .cloned()
                    .unwrap_or(Ok(Found::Nothing)),
                Err(error) => Err(error.clone()),
            };
            // A caller that left meanwhile does not need it.
            request.reply.send(answer).ok();
        }
    }

    async fn read(
        &mut self,
        view: View,
        ids: &[TaskId],
    ) -> Result<HashMap<TaskId, Result<Found, Error>>, Error> {
        let dialect = self.connections.dialect;
        let sql = match view {
            View::Basic => Arc::clone(&self.basic),
            View::Full => Arc::clone(&self.full),
        };
        let rows = self.rows(sql, dialect.ids(ids.iter().copied())).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let task_id = super::sql::get_id(row, "task_id")?;
            // One task that cannot be read is no reason to refuse the others.
            let task = detail::task(dialect, row, view).map(|task| {
                if view == View::Full && detail::is_long(&task) {
                    Found::Long
                } else {
                    Found::Task(Arc::new(task))
                }
            });
            found.insert(task_id, task);
        }
        Ok(found)
    }

    async fn rows(&mut self, sql: Arc<str>, ids: String) -> Result<Vec<QueryResult>, Error> {
        let kept = self.kept.take();
        if let Some(mut kept) = kept.filter(|kept| kept.since.elapsed() < KEPT_AT_MOST) {
            match kept.fetch(Arc::clone(&sql), ids.clone()).await {
                Ok(rows) => {
                    self.kept = Some(kept);
                    return Ok(rows);
                }
                Err(Error::Unavailable(error)) => {
                    tracing::debug!(%error, "read again on another connection");
                }
                Err(error) => return Err(error),
            }
        }
        let mut fresh = Kept::acquire(&self.connections).await?;
        let rows = fresh.fetch(sql, ids).await?;
        self.kept = Some(fresh);
        Ok(rows)
    }
}

/// A connection that is kept from one statement to the next.
struct Kept {
    connection: Connection,
    since: Instant,
}

enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Kept {
    async fn acquire(connections: &Connections) -> Result<Self, Error> {
        let pool = &connections.read;
        let connection = match connections.dialect {
            Dialect::Sqlite => {
                Connection::Sqlite(pool.get_sqlite_connection_pool().acquire().await?)
            }
            Dialect::Postgres => {
                Connection::Postgres(pool.get_postgres_connection_pool().acquire().await?)
            }
        };
        Ok(Self {
            connection,
            since: Instant::now(),
        })
    }

    async fn fetch(&mut self, sql: Arc<str>, ids: String) -> Result<Vec<QueryResult>, Error> {
        let sql = AssertSqlSafe(sql);
        let connection = &mut self.connection;
        let fetched = timeout(PATIENCE, async {
            Ok(match connection {
                Connection::Sqlite(connection) => {
                    let rows = sqlx::query(sql).bind(ids).fetch_all(&mut **connection);
                    rows.await?.into_iter().map(QueryResult::from).collect()
                }
                Connection::Postgres(connection) => {
                    let rows = sqlx::query(sql).bind(ids).fetch_all(&mut **connection);
                    rows.await?.into_iter().map(QueryResult::from).collect()
                }
            })
        });
        match fetched.await {
            Ok(rows) => rows,
            Err(_elapsed) => {
                // A connection of sqlx outlives a query that is dropped: PostgreSQL's reads the rest of
                // the answer before the next use, SQLite's thread finds nobody to send to and resets
                // the statement. But here no answer comes, and whoever had the connection next would
                // wait for it first: the pool must not get it back.
                match connection {
                    Connection::Sqlite(connection) => connection.close_on_drop(),
                    Connection::Postgres(connection) => connection.close_on_drop(),
                }
                Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into())
            }
        }
    }
}
