//! The journal: committed events in the order of their commits.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseTransaction, QueryResult};
use serde::Serialize;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, broadcast};

use super::apply::MessageRow;
use super::codec::{absolute, decode_commit, encode_commit};
use super::error::Error;
use super::read::{Clock, JournalPage, JournalScope};
use super::row::micros;
use super::sql::{Column, Dialect, Kind, get, get_id, hex, json, names, uuid_hex};
use crate::domain::event::{Commit, Event, EventKind, RootFacts};
use crate::domain::{Progress, Task, TaskId};

/// How many commits a receiver of this replica's commits may lag before it has to read the
/// journal instead.
const PUBLISHED_COMMITS: usize = 1024;

/// The most rows of the journal read at once: a commit holds at least one event.
const MAX_PAGE_ROWS: usize = 512;

/// The events of one root in a transaction that is about to be numbered.
pub(super) struct RootEvents {
    pub(super) root_task_id: TaskId,
    pub(super) facts: Arc<RootFacts>,
    pub(super) progress: Progress,
    pub(super) events: Vec<Event>,
    pub(super) messages: Vec<MessageRow>,
}

const EVENT_COLUMNS: &[Column] = &[
    ("last_sequence", Kind::Number),
    ("first_sequence", Kind::Number),
    ("root_task_id", Kind::Uuid),
    ("payload", Kind::Bytes),
];

const MESSAGE_COLUMNS: &[Column] = &[
    ("sequence", Kind::Number),
    ("task_id", Kind::Uuid),
    ("root_task_id", Kind::Uuid),
    ("ts", Kind::Time),
    ("message", Kind::Text),
    ("error", Kind::Flag),
    ("context_type", Kind::Text),
    ("context", Kind::Text),
    ("extra", Kind::Json),
];

/// A journal row; its sequences are offsets from the clock.
#[derive(Serialize)]
struct EventRow {
    last_sequence: usize,
    first_sequence: usize,
    root_task_id: String,
    payload: String,
}

#[derive(Serialize)]
struct MessageInsert<'a> {
    sequence: usize,
    task_id: String,
    root_task_id: String,
    ts: i64,
    message: &'a str,
    error: bool,
    context_type: &'a str,
    context: &'a str,
    extra: &'a serde_json::Map<String, serde_json::Value>,
}

/// Numbers the events and writes them with their messages. The last statements of a transaction:
/// from here to the commit the clock's row is locked, so nothing else may be waited for.
pub(super) async fn append(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    roots: Vec<RootEvents>,
) -> Result<Vec<Arc<Commit>>, Error> {
    if roots.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = Vec::with_capacity(roots.len());
    let mut messages = Vec::new();
    let mut count = 0;
    for root in &roots {
        let payload = encode_commit(&root.facts, root.progress, &root.events)?;
        rows.push(EventRow {
            first_sequence: count + 1,
            last_sequence: count + root.events.len(),
            root_task_id: uuid_hex(root.root_task_id.0),
            payload: hex(&payload),
        });
        messages.extend(root.messages.iter().map(|row| MessageInsert {
            sequence: count + 1 + row.event,
            task_id: uuid_hex(row.task_id.0),
            root_task_id: uuid_hex(row.root_task_id.0),
            ts: micros(row.message.ts),
            message: &row.message.message,
            error: row.message.error,
            context_type: &row.message.context_type,
            context: &row.message.context,
            extra: &row.message.extra,
        }));
        count += root.events.len();
    }
    let (events, messages) = (json(&rows)?, json(&messages)?);
    let clock = match dialect {
        Dialect::Postgres => {
            let sql = append_postgres();
            transaction
                .query_one_raw(dialect.statement(&sql, [(count as i64).into(), events, messages]))
                .await?
        }
        Dialect::Sqlite => append_sqlite(transaction, count as i64, events, messages).await?,
    };
    let clock = clock.ok_or_else(|| super::sql::corrupt("event clock", "absence"))?;
    let base: i64 = get(&clock, "base")?;
    let ts = dialect.get_time(&clock, "ts")?;
    let mut next = base + 1;
    Ok(roots
        .into_iter()
        .map(|root| {
            let mut commit = Commit {
                root_task_id: root.root_task_id,
                first_sequence: next,
                ts,
                facts: root.facts,
                progress: root.progress,
                events: root.events,
            };
            next += commit.events.len() as i64;
            number(&mut commit);
            Arc::new(commit)
        })
        .collect())
}

/// One statement: the clock's row is locked for one round trip less each.
fn append_postgres() -> String {
    let dialect = Dialect::Postgres;
    let (events, messages) = (
        dialect.rows("$2", EVENT_COLUMNS),
        dialect.rows("$3", MESSAGE_COLUMNS),
    );
    let message_rest = names(&MESSAGE_COLUMNS[1..], "");
    let message_values = names(&MESSAGE_COLUMNS[1..], "m.");
    format!(
        "WITH c AS (UPDATE event_clock SET last = last + $1, ts = greatest(ts, clock_timestamp()) \
           WHERE id = 1 RETURNING last - $1 AS base, ts), \
         e AS (INSERT INTO task_events (last_sequence, first_sequence, root_task_id, ts, payload) \
           SELECT c.base + r.last_sequence, c.base + r.first_sequence, r.root_task_id, c.ts, \
             r.payload FROM c, {events} AS r), \
         s AS (INSERT INTO result_messages (sequence, {message_rest}) \
           SELECT c.base + m.sequence, {message_values} FROM c, {messages} AS m) \
         SELECT base, ts FROM c"
    )
}

async fn append_sqlite(
    transaction: &DatabaseTransaction,
    count: i64,
    events: sea_orm::Value,
    messages: sea_orm::Value,
) -> Result<Option<QueryResult>, Error> {
    let dialect = Dialect::Sqlite;
    let now = dialect.time(crate::clock::now());
    let clock = transaction
        .query_one_raw(dialect.statement(
            "UPDATE event_clock SET last = last + $1, ts = max(ts, $2) WHERE id = 1 \
             RETURNING last - $1 AS base, ts",
            [count.into(), now],
        ))
        .await?;
    let Some(clock) = clock else {
        return Ok(None);
    };
    let base: i64 = get(&clock, "base")?;
    let ts = dialect.time(dialect.get_time(&clock, "ts")?);
    let sql = format!(
        "INSERT INTO task_events (last_sequence, first_sequence, root_task_id, ts, payload) \
         SELECT $2 + last_sequence, $2 + first_sequence, root_task_id, $3, payload FROM {} AS r",
        dialect.rows("$1", EVENT_COLUMNS)
    );
    transaction
        .execute_raw(dialect.statement(&sql, [events, base.into(), ts]))
        .await?;
    if !matches!(&messages, sea_orm::Value::String(Some(text)) if text.as_str() == "[]") {
        let rest = names(&MESSAGE_COLUMNS[1..], "");
        let sql = format!(
            "INSERT INTO result_messages (sequence, {rest}) \
             SELECT $2 + sequence, {rest} FROM {} AS m",
            dialect.rows("$1", MESSAGE_COLUMNS)
        );
        transaction
            .execute_raw(dialect.statement(&sql, [messages, base.into()]))
            .await?;
    }
    Ok(Some(clock))
}

/// Gives the messages inside a commit their sequences, now that it has one.
fn number(commit: &mut Commit) {
    let first = commit.first_sequence;
    for event in &mut commit.events {
        match &mut event.kind {
            EventKind::MessageAdded(message) => {
                message.sequence = absolute(first, message.sequence);
            }
            EventKind::TaskFinished(task) | EventKind::TaskCreated(task) => {
                let detail = task.detail.iter_mut();
                for message in detail.flat_map(|detail| &mut detail.messages) {
                    message.sequence = absolute(first, message.sequence);
                }
            }
            EventKind::StatusChanged { .. }
            | EventKind::SubtaskAdded(_)
            | EventKind::ResultChanged { .. }
            | EventKind::TaskPurged(_) => {}
        }
    }
}

/// Where the journal stands.
pub(super) async fn clock<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
) -> Result<Clock, Error> {
    let row = connection
        .query_one_raw(dialect.statement(
            "SELECT last, floor, epoch, ts FROM event_clock WHERE id = 1",
            [],
        ))
        .await?
        .ok_or_else(|| super::sql::corrupt("event clock", "absence"))?;
    Ok(Clock {
        last: get(&row, "last")?,
        floor: get(&row, "floor")?,
        epoch: get(&row, "epoch")?,
        ts: dialect.get_time(&row, "ts")?,
    })
}

/// Reads commits after `after`, about `limit` events of them.
pub(super) async fn read<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    scope: JournalScope,
    after: i64,
    limit: usize,
) -> Result<JournalPage, Error> {
    // The clock first: whatever is committed later has a higher sequence.
    let clock = clock(dialect, connection).await?;
    let limit = limit.max(1);
    let rows = limit.min(MAX_PAGE_ROWS);
    let select = "SELECT last_sequence, first_sequence, root_task_id, ts, payload FROM task_events";
    let statement = match scope {
        JournalScope::All => dialect.statement(
            &format!("{select} WHERE last_sequence > $1 ORDER BY last_sequence LIMIT $2"),
            [after.into(), (rows as i64).into()],
        ),
        JournalScope::Tree(root) => dialect.statement(
            &format!(
                "{select} WHERE root_task_id = $3 AND last_sequence > $1 \
                 ORDER BY last_sequence LIMIT $2"
            ),
            [after.into(), (rows as i64).into(), root.0.into()],
        ),
    };
    let found = connection.query_all_raw(statement).await?;
    // And its floor last: what was purged before the rows were read is below it.
    let floor = self::clock(dialect, connection).await?.floor;
    let clock = Clock { floor, ..clock };
    let exhausted = found.len() < rows;
    let total = found.len();
    let mut commits = Vec::with_capacity(total);
    let mut events = 0;
    for row in &found {
        if events >= limit {
            break;
        }
        let commit = commit(dialect, row)?;
        events += commit.events.len();
        commits.push(Arc::new(commit));
    }
    let last = commits
        .last()
        .map_or(after, |commit| commit.last_sequence());
    let scanned = if exhausted && commits.len() == total {
        last.max(clock.last)
    } else {
        last
    };
    Ok(JournalPage {
        commits,
        scanned,
        clock,
    })
}

/// The commit with the `task_finished` event of a terminal task, searched from the end.
pub(super) async fn finishing_commit<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    task: &Task,
) -> Result<Option<Arc<Commit>>, Error> {
    let mut before = i64::MAX;
    loop {
        let rows = connection
            .query_all_raw(dialect.statement(
                "SELECT last_sequence, first_sequence, root_task_id, ts, payload \
                 FROM task_events WHERE root_task_id = $1 AND last_sequence < $2 \
                 ORDER BY last_sequence DESC LIMIT 16",
                [task.root_task_id.0.into(), before.into()],
            ))
            .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        for row in &rows {
            let commit = commit(dialect, row)?;
            before = commit.last_sequence();
            let finishes = commit.events.iter().any(|event| {
                event.task_id == task.task_id && matches!(event.kind, EventKind::TaskFinished(_))
            });
            if finishes {
                return Ok(Some(Arc::new(commit)));
            }
        }
    }
}

fn commit(dialect: Dialect, row: &QueryResult) -> Result<Commit, Error> {
    decode_commit(
        get_id(row, "root_task_id")?,
        get(row, "first_sequence")?,
        dialect.get_time(row, "ts")?,
        &get::<Vec<u8>>(row, "payload")?,
    )
}

/// Tells this process, and the others, what was committed. After the commit, never before.
#[derive(Clone)]
pub(super) struct Publisher {
    commits: broadcast::Sender<Arc<Commit>>,
    ring: Arc<Notify>,
    /// Held from before a transaction takes the clock until its commit is published.
    turn: Arc<Mutex<()>>,
}

/// The right to take the clock and publish next: this process publishes in the order of commits.
pub(super) struct Turn {
    publisher: Publisher,
    _held: OwnedMutexGuard<()>,
}

impl Publisher {
    pub(super) fn new() -> Self {
        Self {
            commits: broadcast::channel(PUBLISHED_COMMITS).0,
            ring: Arc::new(Notify::new()),
            turn: Arc::new(Mutex::new(())),
        }
    }

    /// Waits for this transaction's turn. To be asked for last, before the clock: whoever has it
    /// waits for nothing but the clock.
    pub(super) async fn turn(&self) -> Turn {
        Turn {
            publisher: self.clone(),
            _held: Arc::clone(&self.turn).lock_owned().await,
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Commit>> {
        self.commits.subscribe()
    }

    /// Resolves after something was published.
    pub(super) async fn published(&self) {
        self.ring.notified().await;
    }
}

impl Turn {
    /// Hands out committed events and rings for other replicas once.
    pub(super) fn publish(self, commits: Vec<Arc<Commit>>) {
        if commits.is_empty() {
            return;
        }
        for commit in commits {
            // Nobody listening is no error: the journal has it.
            self.publisher.commits.send(commit).ok();
        }
        self.publisher.ring.notify_one();
    }
}
