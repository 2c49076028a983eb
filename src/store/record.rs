//! Recording: the last statement of a transaction writes its rows, takes the clock, and writes the
//! events that the clock numbers.
//!
//! A round trip costs more than the rows it carries, so everything travels together: on PostgreSQL
//! as one statement whose parts are CTEs, on SQLite as several statements sent at once. Nothing is
//! locked after the clock: what may wait for another transaction is made to come before it.

use std::sync::Arc;

use sea_orm::DatabaseTransaction;
use serde::Serialize;

use super::apply::{BuildDataRow, Family, MessageRow};
use super::build_data;
use super::codec::{absolute, encode_commit};
use super::error::Error;
use super::parts::{Base, Parts, Sent};
use super::row::{SubtaskRow, UpdateRow, insert_subtasks, micros, update_tasks};
use super::sql::{Column, Dialect, ID_COLUMN, IdRow, Kind, corrupt, json, names, uuid_hex};
use super::start::{DesignRow, StartRow, insert_designs, start_specs};
use crate::domain::event::{Commit, Event, EventKind, RootFacts};
use crate::domain::{Progress, TaskId, TaskStatus};
use crate::seeded::{Bug, seeded};

/// The events of one root in a transaction that is about to be numbered.
#[derive(Clone)]
pub(super) struct RootEvents {
    pub(super) root_task_id: TaskId,
    pub(super) facts: Arc<RootFacts>,
    pub(super) progress: Progress,
    pub(super) events: Vec<Event>,
    pub(super) messages: Vec<MessageRow>,
    pub(super) build_data: Vec<BuildDataRow>,
    /// Their stored form, once it is made.
    pub(super) payload: Option<Vec<u8>>,
}

impl RootEvents {
    /// Makes the stored form, which names no sequence: that is told by its row.
    pub(super) fn encode(&mut self) -> Result<(), Error> {
        if self.payload.is_none() {
            self.payload = Some(encode_commit(&self.facts, self.progress, &self.events)?);
        }
        Ok(())
    }

    /// The stored form; nothing before [`Self::encode`].
    pub(super) fn encoded(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }
}

/// The rows that are written with the events.
#[derive(Default)]
pub(super) struct RowSet<'a> {
    /// Subtasks to create.
    pub(super) inserts: &'a [SubtaskRow],
    /// Tasks to change.
    pub(super) updates: &'a [UpdateRow],
    /// What must hold of parents and children.
    pub(super) family: Option<&'a Family>,
    /// Roots that start.
    pub(super) starts: &'a [StartRow<'a>],
    /// Designs that they run on and that may not be stored yet.
    pub(super) designs: &'a [DesignRow<'a>],
}

/// What came of recording.
pub(super) enum Recorded {
    /// It is written, to be committed; the numbered events, to be published after that.
    Commits(Vec<Arc<Commit>>),
    /// A row is not as its owner believes. The transaction is to be rolled back.
    Mismatch,
}

const EVENT_COLUMNS: &[Column] = &[
    ("last_sequence", Kind::Number),
    ("first_sequence", Kind::Number),
    ("root_task_id", Kind::Uuid),
    ("start", Kind::Number),
    ("length", Kind::Number),
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

/// A journal row; its sequences are offsets from the clock, its payload a part of all payloads.
#[derive(Serialize)]
struct EventRow {
    last_sequence: usize,
    first_sequence: usize,
    root_task_id: String,
    start: usize,
    length: usize,
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

/// Writes the events alone.
pub(super) async fn append(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    roots: Vec<RootEvents>,
) -> Result<Vec<Arc<Commit>>, Error> {
    match record(dialect, transaction, &RowSet::default(), roots).await? {
        Recorded::Commits(commits) => Ok(commits),
        Recorded::Mismatch => Err(corrupt("event clock", "absence")),
    }
}

/// Writes `rows`, numbers the events and writes them with their messages. The last statement of a
/// transaction: from here to the commit the clock's row is locked, so nothing else may be waited
/// for.
pub(super) async fn record(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    rows: &RowSet<'_>,
    mut roots: Vec<RootEvents>,
) -> Result<Recorded, Error> {
    let mut parts = Parts::new(dialect);
    // On SQLite the parts run one after the other, and these ask how things were before.
    if let Some(family) = rows.family {
        check_family(&mut parts, family)?;
    }
    if !rows.designs.is_empty() {
        let designs = parts.bind(json(rows.designs)?);
        parts.write(insert_designs(dialect, &designs), None);
    }
    if !rows.inserts.is_empty() {
        let inserts = parts.bind(json(rows.inserts)?);
        // One that exists is not written again, which only its absence from the count tells.
        let expected = (!seeded(Bug::DuplicateChild)).then_some(rows.inserts.len());
        parts.write(insert_subtasks(dialect, &inserts), expected);
        if rows.family.is_some_and(|family| family.changes_added) {
            match std::mem::replace(&mut parts, Parts::new(dialect))
                .send(transaction)
                .await?
            {
                Sent::Sound(_) => {}
                Sent::Unsound => return Ok(Recorded::Mismatch),
            }
        }
    }
    if !rows.starts.is_empty() {
        let starts = parts.bind(json(rows.starts)?);
        parts.write(start_specs(dialect, &starts), Some(rows.starts.len()));
    }
    if !rows.updates.is_empty() {
        let updates = parts.bind(json(rows.updates)?);
        parts.write(update_tasks(dialect, &updates), Some(rows.updates.len()));
    }
    if !roots.is_empty() {
        number_events(&mut parts, &mut roots)?;
    }
    let Base { sequence, ts } = match parts.send(transaction).await? {
        Sent::Sound(Some(base)) => base,
        Sent::Sound(None) => return Ok(Recorded::Commits(Vec::new())),
        Sent::Unsound => return Ok(Recorded::Mismatch),
    };
    let mut next = sequence + 1;
    let commits = roots.into_iter().map(|root| {
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
    });
    Ok(Recorded::Commits(commits.collect()))
}

/// A task is terminal only when all its children are, and gets a child only while it is not.
fn check_family(parts: &mut Parts, family: &Family) -> Result<(), Error> {
    let terminal = TaskStatus::Complete as i16;
    let ids =
        |ids: &mut dyn Iterator<Item = TaskId>| json(&ids.map(IdRow::from).collect::<Vec<_>>());
    if !family.ending.is_empty() && !seeded(Bug::ParentClosedEarly) {
        let ending = parts.bind(ids(&mut family.ending.iter().copied())?);
        let ended = parts.bind(ids(&mut family.ended.iter().copied())?);
        let (ending, ended) = (
            parts.dialect.rows(&ending, ID_COLUMN),
            parts.dialect.rows(&ended, ID_COLUMN),
        );
        parts.check(format!(
            "NOT EXISTS (SELECT 1 FROM tasks c \
               WHERE c.parent_task_id IN (SELECT id FROM {ending} AS e) AND c.status < {terminal} \
                 AND c.task_id NOT IN (SELECT id FROM {ended} AS e))"
        ));
    }
    let adopting = family.adopting();
    if !adopting.is_empty() {
        let count = parts.bind((adopting.len() as i64).into());
        let adopting = parts.bind(ids(&mut adopting.into_iter())?);
        let adopting = parts.dialect.rows(&adopting, ID_COLUMN);
        parts.check(format!(
            "(SELECT count(*) FROM tasks p WHERE p.task_id IN (SELECT id FROM {adopting} AS e) \
               AND p.status < {terminal}) = {count}"
        ));
    }
    Ok(())
}

/// Takes the sequences of the events, and writes them, the messages and the build data.
fn number_events(parts: &mut Parts, roots: &mut [RootEvents]) -> Result<(), Error> {
    let mut payloads = Vec::new();
    let mut events = Vec::with_capacity(roots.len());
    let mut messages = Vec::new();
    let mut collected = Vec::new();
    let mut count = 0;
    for root in roots {
        root.encode()?;
        let payload = root.encoded();
        events.push(EventRow {
            first_sequence: count + 1,
            last_sequence: count + root.events.len(),
            root_task_id: uuid_hex(root.root_task_id.0),
            start: payloads.len() + 1,
            length: payload.len(),
        });
        payloads.extend_from_slice(payload);
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
        let rows = root.build_data.iter();
        collected.extend(rows.map(|row| build_data::Insert::new(row, count + 1 + row.event)));
        count += root.events.len();
    }
    let dialect = parts.dialect;
    parts.take_clock(count);
    let events = parts.bind(json(&events)?);
    let payloads = parts.bind(payloads.into());
    let rows = dialect.rows(&events, EVENT_COLUMNS);
    parts.write_numbered(|clock| {
        format!(
            "INSERT INTO task_events (last_sequence, first_sequence, root_task_id, ts, payload) \
             SELECT c.base + r.last_sequence, c.base + r.first_sequence, r.root_task_id, c.ts, \
               substr({payloads}, CAST(r.start AS integer), CAST(r.length AS integer)) \
             FROM {clock} AS c, {rows} AS r"
        )
    });
    if !messages.is_empty() {
        let messages = parts.bind(json(&messages)?);
        let rows = dialect.rows(&messages, MESSAGE_COLUMNS);
        let rest = names(&MESSAGE_COLUMNS[1..], "");
        let values = names(&MESSAGE_COLUMNS[1..], "m.");
        parts.write_numbered(|clock| {
            format!(
                "INSERT INTO result_messages (sequence, {rest}) \
                 SELECT c.base + m.sequence, {values} FROM {clock} AS c, {rows} AS m"
            )
        });
    }
    if !collected.is_empty() {
        let collected = parts.bind(json(&collected)?);
        parts.write_numbered(|clock| build_data::insert(dialect, clock, &collected));
    }
    Ok(())
}

/// Gives the messages inside a commit their sequences, now that it has one.
pub(super) fn number(commit: &mut Commit) {
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
            | EventKind::BuildDataAdded(_)
            | EventKind::TaskPurged(_) => {}
        }
    }
}
