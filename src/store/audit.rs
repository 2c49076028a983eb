//! Audit records: who asked for a change, written with it.

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;

use super::error::Error;
use super::row::micros;
use super::sql::{Column, Dialect, Kind, json, uuid_hex};
use super::write::AuditRecord;
use crate::domain::TaskId;

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
pub(super) async fn insert(
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
