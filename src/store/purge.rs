//! Deleting finished trees: atomic for whoever looks, in small transactions whatever their size.
//!
//! A tree goes in two parts. [`purge`] takes it away from every reader at once: in one transaction
//! its root and its spec are deleted, which every read of a task joins, the clock's floor rises
//! over its events, and a tombstone and a `task_purged` event take its place. [`sweep`] then
//! removes what nobody sees any more, a bounded number of rows at a time, so that a tree of half a
//! million rows keeps no writer waiting and runs into no statement timeout. A process that dies in
//! between leaves rows for whoever sweeps next.
//!
//! The floor is committed before any event is deleted. So a reader that takes the floor after the
//! events, or with them, knows whether it may have missed one.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseTransaction, Value};
use serde::Serialize;
use uuid::Uuid;

use super::apply::event;
use super::audit;
use super::connect::Connections;
use super::error::Error;
use super::journal::{Publisher, Turn};
use super::lock;
use super::query::Condition;
use super::read::ListPosition;
use super::record::{RootEvents, append};
use super::row::{self, SELECT_TASK};
use super::sql::{
    Column, Dialect, ID_COLUMN, IdRow, Kind, corrupt, get, get_id, get_optional_text, json,
};
use super::write::AuditRecord;
use crate::domain::event::{EventKind, RootFacts};
use crate::domain::{Commit, Task, TaskFilter, TaskId, Timestamp};

/// Trees that one transaction takes away: enough to share its commit, few enough that it ends
/// within milliseconds.
pub(super) const TREES_AT_ONCE: usize = 64;

/// Tombstones that one sweep looks at.
const SWEPT_AT_ONCE: usize = 32;

/// Rows of each kind that one sweep deletes. A row of `tasks` has many indexes; one of the journal
/// may be megabytes, one of build data a quarter of one.
const TASKS_AT_ONCE: u64 = 1000;
const MESSAGES_AT_ONCE: u64 = 2000;
const COMMITS_AT_ONCE: u64 = 100;
const BUILD_DATA_AT_ONCE: u64 = 100;

/// The most roots in a preview's sample (api contract, PurgeTasks).
pub(super) const SAMPLE: usize = 20;

/// Which trees.
#[derive(Clone, Debug)]
pub struct PurgeQuery {
    /// Only those whose root ended at this moment or before.
    pub ended_until: Timestamp,
    /// Only those whose root matches.
    pub filter: Arc<TaskFilter>,
}

/// What a purge would delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurgePreview {
    /// How many trees.
    pub count: u64,
    /// The roots of those that ended first, at most 20.
    pub sample: Vec<TaskId>,
}

/// One part of a purge.
#[derive(Clone, Debug)]
pub struct PurgePart {
    /// Which trees.
    pub query: PurgeQuery,
    /// Where the part before ended; none: the first part.
    pub after: Option<ListPosition>,
    /// Who deletes: one record is kept for each tree.
    pub audit: AuditRecord,
}

/// What one part deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgedPart {
    /// The roots, those that ended first first.
    pub roots: Vec<TaskId>,
    /// Where to go on; none: nothing follows.
    pub next: Option<ListPosition>,
}

/// Counts the trees that a purge would delete now.
pub(super) async fn preview(
    connections: &Connections,
    query: &PurgeQuery,
) -> Result<PurgePreview, Error> {
    let dialect = connections.dialect;
    let (condition, values) = condition(dialect, query)?;
    let transaction = connections.begin_read().await?;
    let count = format!(
        "SELECT count(*) AS count FROM tasks t JOIN task_specs s ON s.task_id = t.root_task_id \
         WHERE {condition}"
    );
    let count = transaction
        .query_one_raw(dialect.statement(&count, values.clone()))
        .await?
        .ok_or_else(|| corrupt("count", "absence"))?;
    let sample = format!(
        "SELECT t.task_id FROM tasks t JOIN task_specs s ON s.task_id = t.root_task_id \
         WHERE {condition} ORDER BY t.completed, t.task_id LIMIT {SAMPLE}"
    );
    let sample = transaction
        .query_all_raw(dialect.statement(&sample, values))
        .await?;
    transaction.commit().await?;
    Ok(PurgePreview {
        count: get::<i64>(&count, "count")?.unsigned_abs(),
        sample: sample
            .iter()
            .map(|row| get_id(row, "task_id"))
            .collect::<Result<_, _>>()?,
    })
}

/// Takes the next trees away, each whole.
pub(super) async fn purge(
    connections: &Connections,
    publisher: &Publisher,
    part: &PurgePart,
) -> Result<PurgedPart, Error> {
    let transaction = connections.begin_write().await?;
    match take_away(connections.dialect, &transaction, publisher, part).await {
        Ok((purged, Some((commits, turn)))) => {
            transaction.commit().await?;
            turn.publish(commits);
            Ok(purged)
        }
        Ok((nothing, None)) => {
            transaction.rollback().await?;
            Ok(nothing)
        }
        Err(error) => {
            // The first error counts; the connection goes with its transaction if this fails too.
            transaction.rollback().await.ok();
            Err(error)
        }
    }
}

/// Deletes some of what purged trees left behind. False: nothing was left.
pub(super) async fn sweep(connections: &Connections) -> Result<bool, Error> {
    let transaction = connections.begin_write().await?;
    let swept = async {
        Ok(sweep_trees(connections.dialect, &transaction).await?
            || sweep_events(connections.dialect, &transaction).await?)
    };
    match swept.await {
        Ok(swept) => {
            transaction.commit().await?;
            Ok(swept)
        }
        Err(error) => {
            // The first error counts; the connection goes with its transaction if this fails too.
            transaction.rollback().await.ok();
            Err(error)
        }
    }
}

/// Whether the task, of any level, was in a tree that was purged. To be asked after the task was
/// not found.
///
/// A subtask's id does not name its root, but has the root's moment of birth: for one that is in
/// no tree and was born with a purged root, this answers yes.
pub(super) async fn is_purged(connections: &Connections, task_id: TaskId) -> Result<bool, Error> {
    let (first, last) = births(task_id).into_inner();
    let found = connections
        .read
        .query_one_raw(connections.dialect.statement(
            "SELECT purged FROM tombstones WHERE root_task_id BETWEEN $1 AND $2 LIMIT 1",
            [first.0.into(), last.0.into()],
        ))
        .await?;
    Ok(found.is_some())
}

/// The ids that the root of a task may have.
pub(super) fn births(task_id: TaskId) -> RangeInclusive<TaskId> {
    let bytes = task_id.0.as_bytes();
    if task_id.0.get_version_num() != SUBTASK_VERSION {
        return task_id..=task_id;
    }
    let (mut first, mut last) = (*bytes, *bytes);
    first[BIRTH_BYTES..].fill(0);
    last[BIRTH_BYTES..].fill(0xff);
    TaskId(Uuid::from_bytes(first))..=TaskId(Uuid::from_bytes(last))
}

/// What [`TaskId::child`] makes: a UUIDv8 that begins with its parent's 48 bits of time.
const SUBTASK_VERSION: usize = 8;
const BIRTH_BYTES: usize = 6;

const DIGEST_COLUMN: &[Column] = &[("digest", Kind::Text)];

#[derive(Serialize)]
struct DigestRow<'a> {
    digest: &'a str,
}

/// Keeps designs that are about to be referred to from being deleted meanwhile: one that is there
/// stays until the transaction ends, one that is being deleted is gone when this returns and can
/// be inserted. SQLite's one writer needs none of it.
pub(super) async fn keep_designs<'a>(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    digests: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    let digests: Vec<DigestRow<'_>> = digests.map(|digest| DigestRow { digest }).collect();
    if dialect == Dialect::Sqlite || digests.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT d.digest FROM designs d WHERE d.digest IN (SELECT digest FROM {} AS e) \
         ORDER BY d.digest FOR KEY SHARE",
        dialect.rows("$1", DIGEST_COLUMN)
    );
    transaction
        .query_all_raw(dialect.statement(&sql, [json(&digests)?]))
        .await?;
    Ok(())
}

/// The condition for the roots that may go, over the tables of [`SELECT_TASK`].
fn condition(dialect: Dialect, query: &PurgeQuery) -> Result<(String, Vec<Value>), Error> {
    let mut condition = Condition::new(dialect, &query.filter)?;
    condition.bind("t.completed <= {}", dialect.time(query.ended_until));
    // As the index `tasks_ended` has it.
    let sql = format!(
        "t.parent_task_id IS NULL AND t.status >= 5 AND {}",
        condition.sql()
    );
    Ok((sql, condition.values))
}

type Committing = Option<(Vec<Arc<Commit>>, Turn)>;

async fn take_away(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    publisher: &Publisher,
    part: &PurgePart,
) -> Result<(PurgedPart, Committing), Error> {
    let roots = lock_roots(dialect, transaction, part).await?;
    let next = roots.last().filter(|_| roots.len() == TREES_AT_ONCE);
    let purged = PurgedPart {
        roots: roots.iter().map(|root| root.task_id).collect(),
        next: next.and_then(|root| {
            Some(ListPosition {
                time: root.completed?,
                task_id: root.task_id,
            })
        }),
    };
    if roots.is_empty() {
        return Ok((purged, None));
    }
    let ids: Vec<IdRow> = purged.roots.iter().copied().map(IdRow::from).collect();
    lock::forget_roots(dialect, transaction, &ids).await?;
    let ids = json(&ids)?;
    let floor = bury(dialect, transaction, &ids, part.audit.ts).await?;
    delete_designs(dialect, transaction, &ids).await?;
    let records: Vec<_> = purged
        .roots
        .iter()
        .map(|root| (&part.audit, *root))
        .collect();
    audit::insert(dialect, transaction, &records).await?;

    let mut events: Vec<RootEvents> = roots
        .iter()
        .map(|root| purge_event(root, part.audit.ts))
        .collect();
    events.sort_unstable_by_key(|root| root.root_task_id);
    let turn = publisher.turn().await;
    transaction
        .execute_raw(dialect.statement(
            "UPDATE event_clock SET floor = $1 WHERE id = 1 AND floor < $1",
            [floor.into()],
        ))
        .await?;
    let commits = append(dialect, transaction, events).await?;
    Ok((purged, Some((commits, turn))))
}

/// Locks the next roots that may go. One that another transaction holds is left to a later purge:
/// only another purge holds what is final.
async fn lock_roots(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    part: &PurgePart,
) -> Result<Vec<Task>, Error> {
    let (mut condition, mut values) = condition(dialect, &part.query)?;
    if let Some(after) = part.after {
        values.push(dialect.time(after.time));
        values.push(after.task_id.0.into());
        let id = values.len();
        condition.push_str(&format!(
            " AND (t.completed, t.task_id) > (${}, ${id})",
            id - 1
        ));
    }
    let sql = format!(
        "{SELECT_TASK} WHERE {condition} ORDER BY t.completed, t.task_id LIMIT {TREES_AT_ONCE}{}",
        dialect.for_update("t", true)
    );
    transaction
        .query_all_raw(dialect.statement(&sql, values))
        .await?
        .iter()
        .map(|row| row::task(dialect, row))
        .collect()
}

/// Puts tombstones in the place of roots; the highest sequence of all their events.
async fn bury(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    ids: &Value,
    purged: Timestamp,
) -> Result<i64, Error> {
    let rows = dialect.rows("$1", ID_COLUMN);
    let sql = format!(
        "INSERT INTO tombstones (root_task_id, purged, last_sequence, swept) \
         SELECT e.id, $2, coalesce((SELECT max(j.last_sequence) FROM task_events j \
           WHERE j.root_task_id = e.id), 0), false FROM {rows} AS e WHERE true \
         RETURNING last_sequence"
    );
    let mut highest = 0;
    for row in transaction
        .query_all_raw(dialect.statement(&sql, [ids.clone(), dialect.time(purged)]))
        .await?
    {
        highest = highest.max(get(&row, "last_sequence")?);
    }
    let sql = format!("DELETE FROM tasks WHERE task_id IN (SELECT id FROM {rows} AS e)");
    transaction
        .execute_raw(dialect.statement(&sql, [ids.clone()]))
        .await?;
    Ok(highest)
}

/// Deletes the specs of roots, and the designs that no other spec refers to.
async fn delete_designs(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    ids: &Value,
) -> Result<(), Error> {
    let sql = format!(
        "DELETE FROM task_specs WHERE task_id IN (SELECT id FROM {} AS e) RETURNING design_digest",
        dialect.rows("$1", ID_COLUMN)
    );
    let mut digests = BTreeSet::new();
    for row in transaction
        .query_all_raw(dialect.statement(&sql, [ids.clone()]))
        .await?
    {
        digests.extend(get_optional_text(&row, "design_digest")?);
    }
    if digests.is_empty() {
        return Ok(());
    }
    let digests: Vec<DigestRow<'_>> = digests.iter().map(|digest| DigestRow { digest }).collect();
    let digests = json(&digests)?;
    let unused = format!(
        "digest IN (SELECT digest FROM {} AS e) AND NOT EXISTS \
         (SELECT 1 FROM task_specs s WHERE s.design_digest = designs.digest)",
        dialect.rows("$1", DIGEST_COLUMN)
    );
    if dialect == Dialect::Postgres {
        // Waits for whoever is about to refer to one; the next statement sees that it does.
        let lock = format!("SELECT digest FROM designs WHERE {unused} ORDER BY digest FOR UPDATE");
        transaction
            .query_all_raw(dialect.statement(&lock, [digests.clone()]))
            .await?;
    }
    let sql = format!("DELETE FROM designs WHERE {unused}");
    transaction
        .execute_raw(dialect.statement(&sql, [digests]))
        .await?;
    Ok(())
}

/// What is told of a tree that is gone.
pub(super) fn purge_event(root: &Task, purged: Timestamp) -> RootEvents {
    RootEvents {
        root_task_id: root.task_id,
        facts: Arc::new(RootFacts {
            action: root.action,
            design_ref: Arc::clone(&root.design_ref),
            labels: Arc::clone(&root.labels),
        }),
        progress: root.progress(),
        events: vec![event(
            root,
            root.revision,
            Some((root.status, root.result.status)),
            EventKind::TaskPurged(purged),
        )],
        messages: Vec::new(),
        build_data: Vec::new(),
        payload: None,
    }
}

/// Deletes rows of trees that were taken away. False: there are none.
async fn sweep_trees(dialect: Dialect, transaction: &DatabaseTransaction) -> Result<bool, Error> {
    let sql = format!(
        "SELECT b.root_task_id FROM tombstones b WHERE NOT b.swept \
         ORDER BY b.root_task_id LIMIT {SWEPT_AT_ONCE}{}",
        dialect.for_update("b", true)
    );
    let ids: Vec<IdRow> = transaction
        .query_all_raw(dialect.statement(&sql, []))
        .await?
        .iter()
        .map(|row| get_id(row, "root_task_id").map(IdRow::from))
        .collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Ok(false);
    }
    let ids = json(&ids)?;
    let trees = format!("(SELECT id FROM {} AS e)", dialect.rows("$1", ID_COLUMN));
    let mut is_clean = true;
    for (sql, limit) in [
        (
            format!(
                "DELETE FROM tasks WHERE task_id IN (SELECT t.task_id FROM tasks t \
                 WHERE t.root_task_id IN {trees} LIMIT {TASKS_AT_ONCE})"
            ),
            TASKS_AT_ONCE,
        ),
        (
            format!(
                "DELETE FROM result_messages WHERE sequence IN (SELECT m.sequence \
                 FROM result_messages m WHERE m.root_task_id IN {trees} LIMIT {MESSAGES_AT_ONCE})"
            ),
            MESSAGES_AT_ONCE,
        ),
        (
            format!(
                "DELETE FROM build_data WHERE sequence IN (SELECT b.sequence \
                 FROM build_data b WHERE b.root_task_id IN {trees} LIMIT {BUILD_DATA_AT_ONCE})"
            ),
            BUILD_DATA_AT_ONCE,
        ),
        (
            format!(
                "DELETE FROM task_events WHERE last_sequence IN (SELECT j.last_sequence \
                 FROM tombstones b JOIN task_events j ON j.root_task_id = b.root_task_id \
                   AND j.last_sequence <= b.last_sequence \
                 WHERE b.root_task_id IN {trees} LIMIT {COMMITS_AT_ONCE})"
            ),
            COMMITS_AT_ONCE,
        ),
    ] {
        let deleted = transaction
            .execute_raw(dialect.statement(&sql, [ids.clone()]))
            .await?;
        is_clean &= deleted.rows_affected() < limit;
    }
    if is_clean {
        let sql = format!(
            "UPDATE tombstones SET swept = true, event_sequence = (SELECT max(j.last_sequence) \
               FROM task_events j WHERE j.root_task_id = tombstones.root_task_id) \
             WHERE root_task_id IN {trees}"
        );
        transaction
            .execute_raw(dialect.statement(&sql, [ids]))
            .await?;
    }
    Ok(true)
}

/// Deletes `task_purged` events that the floor has passed: no position is left that they follow.
/// False: there are none.
async fn sweep_events(dialect: Dialect, transaction: &DatabaseTransaction) -> Result<bool, Error> {
    let sql = format!(
        "SELECT b.root_task_id FROM tombstones b \
         WHERE b.event_sequence IS NOT NULL \
           AND b.event_sequence <= (SELECT c.floor FROM event_clock c WHERE c.id = 1) \
         ORDER BY b.event_sequence LIMIT {MESSAGES_AT_ONCE}{}",
        dialect.for_update("b", true)
    );
    let passed: Vec<IdRow> = transaction
        .query_all_raw(dialect.statement(&sql, []))
        .await?
        .iter()
        .map(|row| get_id(row, "root_task_id").map(IdRow::from))
        .collect::<Result<_, _>>()?;
    if passed.is_empty() {
        return Ok(false);
    }
    let ids = json(&passed)?;
    let trees = format!("(SELECT id FROM {} AS e)", dialect.rows("$1", ID_COLUMN));
    for sql in [
        format!(
            "DELETE FROM task_events WHERE last_sequence IN \
             (SELECT b.event_sequence FROM tombstones b WHERE b.root_task_id IN {trees})"
        ),
        format!("UPDATE tombstones SET event_sequence = NULL WHERE root_task_id IN {trees}"),
    ] {
        transaction
            .execute_raw(dialect.statement(&sql, [ids.clone()]))
            .await?;
    }
    Ok(true)
}
