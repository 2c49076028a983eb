//! Node locks: at most one root changes a node of a site at a time.
//!
//! A lock belongs to a root, not to a process: a successor inherits it. Waiters are rows, and the
//! oldest root goes first: root ids are ordered by time.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult};
use serde::Serialize;
use uuid::Uuid;

use super::error::Error;
use super::sql::{Column, Dialect, ID_COLUMN, IdRow, Kind, get, get_id, get_text, json, uuid_hex};
use super::write::{NodeLock, RootChange, TreeWrite};
use crate::domain::{TaskId, TaskStatus};

const LOCK_COLUMNS: &[Column] = &[
    ("site", Kind::Text),
    ("node", Kind::Text),
    ("root_task_id", Kind::Uuid),
];

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct LockRow<'a> {
    site: &'a str,
    node: &'a str,
    root_task_id: String,
}

fn row(key: &NodeLock, root: TaskId) -> LockRow<'_> {
    LockRow {
        site: &key.site,
        node: &key.node,
        root_task_id: uuid_hex(root.0),
    }
}

/// How often locks are asked for that another replica gives back just when we look who has them.
/// Each time somebody else was faster: so often in a row means that the node is contended.
const TAKE_ATTEMPTS: u32 = 16;

/// What came of asking for locks.
#[derive(Default)]
pub(super) struct Locks {
    /// Those that another root holds, or is first in line for, with that root.
    pub(super) busy: HashMap<(NodeLock, TaskId), TaskId>,
    /// Those that were free.
    fresh: HashSet<(NodeLock, TaskId)>,
}

/// Takes the locks that the writes ask for, in key order.
pub(super) async fn take(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    writes: &[&TreeWrite],
) -> Result<Locks, Error> {
    let mut wanted: HashSet<(NodeLock, TaskId)> = writes
        .iter()
        .filter_map(|write| Some((write.lock.clone()?, write.root_task_id)))
        .collect();
    let mut locks = Locks::default();
    for _ in 0..TAKE_ATTEMPTS {
        if wanted.is_empty() {
            return Ok(locks);
        }
        wanted = try_take(dialect, transaction, wanted, &mut locks).await?;
    }
    Err(Error::Unavailable(DbErr::Custom(
        "a node's lock changes hands too fast".to_owned(),
    )))
}

/// Takes what is free of `wanted` and learns who holds the rest. It gives back those of which
/// nobody can say: their holder was gone when we asked for its name.
async fn try_take(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    mut wanted: HashSet<(NodeLock, TaskId)>,
    locks: &mut Locks,
) -> Result<HashSet<(NodeLock, TaskId)>, Error> {
    let mut keys: Vec<LockRow<'_>> = wanted.iter().map(|(key, root)| row(key, *root)).collect();
    keys.sort_unstable();
    let rows = dialect.rows("$1", LOCK_COLUMNS);
    let parameter = json(&keys)?;
    // A root that is to stop takes nothing more: its place in line counts no longer.
    let stopping = TaskStatus::Terminating as i16;
    let insert = format!(
        "INSERT INTO node_locks (site, node, root_task_id) \
         SELECT site, node, root_task_id FROM {rows} AS e WHERE NOT EXISTS (\
           SELECT 1 FROM node_lock_waiters w JOIN tasks r ON r.task_id = w.root_task_id \
           WHERE w.site = e.site AND w.node = e.node \
             AND w.root_task_id < e.root_task_id AND r.status < {stopping}) \
         ORDER BY site, node, root_task_id ON CONFLICT DO NOTHING \
         RETURNING site, node, root_task_id"
    );
    for taken in transaction
        .query_all_raw(dialect.statement(&insert, [parameter.clone()]))
        .await?
    {
        let taken = key(&taken)?;
        wanted.remove(&taken);
        locks.fresh.insert(taken);
    }
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let holders = format!(
        "SELECT e.site, e.node, e.root_task_id, coalesce(l.root_task_id, (\
           SELECT w.root_task_id FROM node_lock_waiters w \
           JOIN tasks r ON r.task_id = w.root_task_id \
           WHERE w.site = e.site AND w.node = e.node AND w.root_task_id < e.root_task_id \
             AND r.status < {stopping} \
           ORDER BY w.root_task_id LIMIT 1)) AS holder \
         FROM {rows} AS e \
         LEFT JOIN node_locks l ON l.site = e.site AND l.node = e.node"
    );
    for found in transaction
        .query_all_raw(dialect.statement(&holders, [parameter]))
        .await?
    {
        let wish = key(&found)?;
        if let Some(holder) = get::<Option<Uuid>>(&found, "holder")?.map(TaskId)
            && wanted.remove(&wish)
            && holder != wish.1
        {
            locks.busy.insert(wish, holder);
        }
    }
    Ok(wanted)
}

fn key(row: &QueryResult) -> Result<(NodeLock, TaskId), Error> {
    let key = NodeLock {
        site: get_text(row, "site")?,
        node: get_text(row, "node")?,
    };
    Ok((key, get_id(row, "root_task_id")?))
}

/// The condition that a queued root `root` (a table's name) waits for a lock that it would not get: a lock
/// that another root holds, or that an older one waits for, as [`take`] has it.
pub(super) fn would_wait(root: &str) -> String {
    let (queued, stopping) = (TaskStatus::Queued as i16, TaskStatus::Terminating as i16);
    format!(
        "({root}.status = {queued} AND EXISTS (\
           SELECT 1 FROM node_lock_waiters w WHERE w.root_task_id = {root}.task_id AND (\
             EXISTS (SELECT 1 FROM node_locks l WHERE l.site = w.site AND l.node = w.node \
               AND l.root_task_id <> w.root_task_id) \
             OR EXISTS (SELECT 1 FROM node_lock_waiters o JOIN tasks r ON r.task_id = o.root_task_id \
               WHERE o.site = w.site AND o.node = w.node AND o.root_task_id < w.root_task_id \
                 AND r.status < {stopping}))))"
    )
}

/// Gives back the locks that were free and whose writes were refused after all.
pub(super) async fn undo(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    locks: Locks,
    applied: &[&TreeWrite],
) -> Result<(), Error> {
    let mut unused = locks.fresh;
    for write in applied {
        if let Some(key) = &write.lock {
            unused.remove(&(key.clone(), write.root_task_id));
        }
    }
    let unused: Vec<LockRow<'_>> = unused.iter().map(|(key, root)| row(key, *root)).collect();
    delete(dialect, transaction, "node_locks", &unused).await
}

async fn delete(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    table: &str,
    keys: &[LockRow<'_>],
) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "DELETE FROM {table} WHERE (site, node, root_task_id) IN (\
           SELECT site, node, root_task_id FROM {} AS e)",
        dialect.rows("$1", LOCK_COLUMNS)
    );
    transaction
        .execute_raw(dialect.statement(&sql, [json(keys)?]))
        .await?;
    Ok(())
}

/// Gives back what the applied writes give back, notes who waits, and forgets whoever has ended.
/// A root that has its lock keeps its place in line until it gives the lock back: it is first.
pub(super) async fn give_back(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    writes: &[&TreeWrite],
) -> Result<(), Error> {
    let sorted = |pick: fn(&TreeWrite) -> Option<&NodeLock>| {
        let mut rows: Vec<LockRow<'_>> = writes
            .iter()
            .filter_map(|write| Some(row(pick(write)?, write.root_task_id)))
            .collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    };
    let waiting = sorted(|write| write.wait_for.as_ref());
    if !waiting.is_empty() {
        let sql = dialect.insert("node_lock_waiters", LOCK_COLUMNS, "");
        transaction
            .execute_raw(dialect.statement(&sql, [json(&waiting)?]))
            .await?;
    }
    let released = sorted(|write| write.unlock.as_ref());
    // Both tables: a subtask that is terminal neither holds nor waits.
    for table in ["node_locks", "node_lock_waiters"] {
        delete(dialect, transaction, table, &released).await?;
    }
    let ended: Vec<IdRow> = writes
        .iter()
        .filter(|write| {
            matches!(write.root, RootChange::Finish(_)) && write.facts.action.is_mutating()
        })
        .map(|write| IdRow::from(write.root_task_id))
        .collect();
    if !ended.is_empty() {
        forget_roots(dialect, transaction, &ended).await?;
    }
    Ok(())
}

/// Removes every lock and place in line of roots that have ended.
pub(super) async fn forget_roots(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    roots: &[IdRow],
) -> Result<(), Error> {
    for table in ["node_locks", "node_lock_waiters"] {
        let sql = format!(
            "DELETE FROM {table} WHERE root_task_id IN (SELECT id FROM {} AS e)",
            dialect.rows("$1", ID_COLUMN)
        );
        transaction
            .execute_raw(dialect.statement(&sql, [json(roots)?]))
            .await?;
    }
    Ok(())
}
