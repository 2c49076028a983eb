//! Creating roots: requested and queued in one transaction, once per idempotency key.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;

use super::apply::event;
use super::detail;
use super::error::Error;
use super::journal::RootEvents;
use super::query::top;
use super::row::{self, InsertRow, SELECT_TASK, TASK_COLUMNS, micros};
use super::sql::{Column, Dialect, Kind, corrupt, get, get_id, json, uuid_hex};
use super::write::{AuditRecord, Created, NewRoot, RequestKey};
use crate::domain::event::{EventKind, RootFacts};
use crate::domain::node_filter::NodeFilterSet;
use crate::domain::{Cause, ResultStatus, Task, TaskId, TaskStatus};

const SPEC_COLUMNS: &[Column] = &[
    ("task_id", Kind::Uuid),
    ("design_ref", Kind::Text),
    ("labels", Kind::Json),
    ("node_filter", Kind::Json),
];

#[derive(Serialize)]
struct SpecRow<'a> {
    task_id: String,
    design_ref: &'a str,
    labels: &'a BTreeMap<String, String>,
    node_filter: Option<&'a NodeFilterSet>,
}

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

/// Creates the roots that do not exist yet. For each: the answer, and the events of a new one.
pub(super) async fn insert(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    roots: &[&NewRoot],
) -> Result<Vec<(Created, Option<RootEvents>)>, Error> {
    if roots.is_empty() {
        return Ok(Vec::new());
    }
    let queued: Vec<Task> = roots.iter().map(|root| queue(&root.task)).collect();
    let mut rows: Vec<InsertRow> = queued
        .iter()
        .zip(roots)
        .map(|(task, root)| InsertRow::new(task, root.request.as_ref()))
        .collect();
    // In one order on every replica, so that two that bring the same keys do not deadlock.
    rows.sort_unstable_by(InsertRow::compare_keys);
    let sql = dialect.insert("tasks", TASK_COLUMNS, "task_id");
    let mut fresh = HashSet::new();
    for row in transaction
        .query_all_raw(dialect.statement(&sql, [json(&rows)?]))
        .await?
    {
        fresh.insert(get_id(&row, "task_id")?);
    }
    // A root that was sent twice at the same moment is new once.
    let is_new: Vec<bool> = roots
        .iter()
        .map(|root| fresh.remove(&root.task.task_id))
        .collect();
    let new: Vec<&NewRoot> = roots
        .iter()
        .zip(&is_new)
        .filter(|(_, is_new)| **is_new)
        .map(|(root, _)| *root)
        .collect();
    if !new.is_empty() {
        let specs: Vec<SpecRow<'_>> = new
            .iter()
            .map(|root| SpecRow {
                task_id: uuid_hex(root.task.task_id.0),
                design_ref: &root.task.design_ref,
                labels: &root.task.labels,
                node_filter: root
                    .task
                    .detail
                    .as_ref()
                    .and_then(|detail| detail.node_filter.as_ref()),
            })
            .collect();
        let sql = dialect.insert("task_specs", SPEC_COLUMNS, "");
        transaction
            .execute_raw(dialect.statement(&sql, [json(&specs)?]))
            .await?;
        let records: Vec<(&AuditRecord, TaskId)> = new
            .iter()
            .map(|root| (&root.audit, root.task.task_id))
            .collect();
        audit(dialect, transaction, &records).await?;
    }
    let mut answers = Vec::with_capacity(roots.len());
    for ((root, queued), is_new) in roots.iter().zip(queued).zip(is_new) {
        answers.push(if is_new {
            let events = created_events(&root.task, &queued);
            (Created::New(queued), Some(events))
        } else {
            (earlier(dialect, transaction, root).await?, None)
        });
    }
    Ok(answers)
}

/// The task of an earlier request with the same key; without a key it can only be this very
/// create, sent again because its answer was lost.
async fn earlier(
    dialect: Dialect,
    transaction: &DatabaseTransaction,
    root: &NewRoot,
) -> Result<Created, Error> {
    let found = match &root.request {
        Some(key) => find(dialect, transaction, &root.task.created_by, key).await?,
        None => match top(dialect, transaction, root.task.task_id).await? {
            Some(task) => Some(replayed(dialect, transaction, task).await?),
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

/// The task as it is once created: its first move is part of its creation.
fn queue(task: &Task) -> Task {
    let mut queued = task.clone();
    queued.status = TaskStatus::Queued;
    queued.revision = task.revision + 1;
    queued
}

fn created_events(requested: &Task, queued: &Task) -> RootEvents {
    let mut basic = queued.clone();
    basic.detail = None;
    let progress = queued.progress();
    RootEvents {
        root_task_id: requested.task_id,
        facts: Arc::new(RootFacts {
            action: requested.action,
            design_ref: Arc::clone(&requested.design_ref),
            labels: Arc::clone(&requested.labels),
        }),
        progress,
        events: vec![
            event(
                requested,
                requested.revision,
                None,
                EventKind::TaskCreated(Box::new(requested.clone())),
            ),
            event(
                queued,
                queued.revision,
                Some((TaskStatus::Requested, ResultStatus::Incomplete)),
                EventKind::StatusChanged {
                    previous: TaskStatus::Requested,
                    cause: Cause::Client,
                    actor: Arc::clone(&queued.created_by),
                    reason: Arc::from(""),
                    task: Box::new(basic),
                },
            ),
        ],
        messages: Vec::new(),
    }
}
