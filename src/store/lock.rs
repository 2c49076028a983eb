//! Node locks: at most one root changes a node of a site at a time.
//!
//! A lock belongs to a root, not to a process: a successor inherits it. Waiters are rows, and the
//! oldest root goes first: root ids are ordered by time.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;
use uuid::Uuid;

use super::error::Error;
use super::sql::{Column, Dialect, ID_COLUMN, IdRow, Kind, get, get_id, get_text, json, uuid_hex};
use super::write::{NodeLock, RootChange, TreeWrite};
use crate::domain::TaskId;

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

/// Takes the locks that the writes ask for, in key order. What it gives back are those that
/// another root holds, or is first in line for, with that root.
pub(super) async fn take(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    writes: &[&TreeWrite],
) -> Result<HashMap<(NodeLock, TaskId), TaskId>, Error> {
    let mut wanted: Vec<LockRow<'_>> = writes
        .iter()
        .filter_map(|write| Some(row(write.lock.as_ref()?, write.root_task_id)))
        .collect();
    let mut busy = HashMap::new();
    if wanted.is_empty() {
        return Ok(busy);
    }
    wanted.sort_unstable();
    wanted.dedup();
    let rows = dialect.rows("$1", LOCK_COLUMNS);
    let parameter = json(&wanted)?;
    let insert = format!(
        "INSERT INTO node_locks (site, node, root_task_id) \
         SELECT site, node, root_task_id FROM {rows} AS e WHERE NOT EXISTS (\
           SELECT 1 FROM node_lock_waiters w WHERE w.site = e.site AND w.node = e.node \
             AND w.root_task_id < e.root_task_id) \
         ORDER BY site, node, root_task_id ON CONFLICT DO NOTHING"
    );
    let taken = transaction
        .execute_raw(dialect.statement(&insert, [parameter.clone()]))
        .await?
        .rows_affected();
    if taken == wanted.len() as u64 {
        return Ok(busy);
    }
    let holders = format!(
        "SELECT e.site, e.node, e.root_task_id, coalesce(l.root_task_id, (\
           SELECT w.root_task_id FROM node_lock_waiters w \
           WHERE w.site = e.site AND w.node = e.node ORDER BY w.root_task_id LIMIT 1)) AS holder \
         FROM {rows} AS e \
         LEFT JOIN node_locks l ON l.site = e.site AND l.node = e.node"
    );
    for found in transaction
        .query_all_raw(dialect.statement(&holders, [parameter]))
        .await?
    {
        let root = get_id(&found, "root_task_id")?;
        let holder = get::<Option<Uuid>>(&found, "holder")?.map(TaskId);
        if let Some(holder) = holder.filter(|holder| *holder != root) {
            let key = NodeLock {
                site: get_text(&found, "site")?,
                node: get_text(&found, "node")?,
            };
            busy.insert((key, root), holder);
        }
    }
    Ok(busy)
}

/// Gives back what the applied writes give back, notes who waits, and forgets whoever has its
/// lock or has ended.
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
    let rows = dialect.rows("$1", LOCK_COLUMNS);
    let waiting = sorted(|write| write.wait_for.as_ref());
    if !waiting.is_empty() {
        let sql = dialect.insert("node_lock_waiters", LOCK_COLUMNS, "");
        transaction
            .execute_raw(dialect.statement(&sql, [json(&waiting)?]))
            .await?;
    }
    let released = sorted(|write| write.unlock.as_ref());
    if !released.is_empty() {
        // Both tables: a subtask that is terminal neither holds nor waits.
        for table in ["node_locks", "node_lock_waiters"] {
            let sql = format!(
                "DELETE FROM {table} WHERE (site, node, root_task_id) IN (\
                   SELECT site, node, root_task_id FROM {rows} AS e)"
            );
            transaction
                .execute_raw(dialect.statement(&sql, [json(&released)?]))
                .await?;
        }
    }
    let ended: Vec<IdRow> = writes
        .iter()
        .filter(|write| matches!(write.root, RootChange::Finish(_)))
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
