//! What an earlier create came to, and the records of who asked.

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;

use super::detail;
use super::error::Error;
use super::query::top;
use super::row::{self, SELECT_TASK, micros};
use super::sql::{Column, Dialect, Kind, corrupt, get, json, uuid_hex};
use super::write::{AuditRecord, Created, NewRoot, RequestKey};
use crate::domain::{Task, TaskId};

const AUDIT_COLUMNS: &[Column] = &[
    ("ts", Kind::Time),
    ("actor", Kind::Text),
    ("rpc", Kind::Text),
    ("task_id", Kind::Uuid),
    ("request_id", Kind::Uuid),
    ("decision", Kind::Text),
];

#[derive(Serialize)]
struct AuditRow<'a> {
    ts: i64,
    actor: &'a str,
    rpc: &'static str,
    task_id: String,
    request_id: Option<String>,
    decision: &'static str,
}

/// Writes audit records about tasks.
pub(super) async fn audit(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    records: &[(&AuditRecord, TaskId)],
) -> Result<(), Error> {
    let rows: Vec<AuditRow<'_>> = records
        .iter()
        .map(|(record, task)| AuditRow {
            ts: micros(record.ts),
            actor: &record.actor,
            rpc: record.rpc,
            task_id: uuid_hex(task.0),
            request_id: record.request_id.map(|id| uuid_hex(id.0)),
            decision: record.decision,
        })
        .collect();
    let sql = dialect.insert("audit_records", AUDIT_COLUMNS, "");
    transaction
        .execute_raw(dialect.statement(&sql, [json(&rows)?]))
        .await?;
    Ok(())
}

/// The task of an earlier request with the same key; without a key it can only be this very
/// create, sent again because its answer was lost.
pub(super) async fn earlier<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    root: &NewRoot,
) -> Result<Created, Error> {
    let found = match &root.request {
        Some(key) => find(dialect, connection, &root.task.created_by, key).await?,
        None => match top(dialect, connection, root.task.task_id).await? {
            Some(task) => Some(replayed(dialect, connection, task).await?),
            None => None,
        },
    };
    found.ok_or_else(|| corrupt("request", "absence of the task it created"))
}

/// The task of an earlier request with this key; none: there was no such request.
pub(super) async fn find<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    created_by: &str,
    key: &RequestKey,
) -> Result<Option<Created>, Error> {
    let sql = format!("{SELECT_TASK} WHERE t.created_by = $1 AND t.request_id = $2");
    let values = [created_by.into(), key.request_id.0.into()];
    let Some(row) = connection
        .query_one_raw(dialect.statement(&sql, values))
        .await?
    else {
        return Ok(None);
    };
    let task = row::task(dialect, &row)?;
    let body: Option<Vec<u8>> = get(&row, "body_hash")?;
    Ok(Some(if body.as_deref() == Some(key.body_hash.as_slice()) {
        replayed(dialect, connection, task).await?
    } else {
        Created::Reused(task.task_id)
    }))
}

async fn replayed<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    task: Task,
) -> Result<Created, Error> {
    let mut tasks = [task];
    detail::load(dialect, connection, &mut tasks).await?;
    let [task] = tasks;
    Ok(Created::Replayed(task))
}
