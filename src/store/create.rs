//! Creating roots: requested and queued in one transaction, once per idempotency key.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;

use super::apply::event;
use super::detail;
use super::error::Error;
use super::query::top;
use super::record::RootEvents;
use super::row::{self, SELECT_TASK, micros, timeout_us};
use super::sql::{Column, Dialect, Kind, corrupt, get, get_id, hex, json, uuid_hex};
use super::write::{AuditRecord, Created, NewRoot, RequestKey};
use crate::domain::event::{EventKind, RootFacts};
use crate::domain::node_filter::NodeFilterSet;
use crate::domain::{Cause, Reason, ResultStatus, Task, TaskId, TaskStatus};

/// What a create brings: the columns of its task that are not alike for all, its spec, and the
/// record of who asked.
const ROOT_COLUMNS: &[Column] = &[
    ("task_id", Kind::Uuid),
    ("action", Kind::Small),
    ("created", Kind::Time),
    ("created_by", Kind::Text),
    ("timeout_us", Kind::Number),
    ("revision", Kind::Number),
    ("retry", Kind::Number),
    ("retry_of_task_id", Kind::Uuid),
    ("correlation_id", Kind::Text),
    ("request_id", Kind::Uuid),
    ("body_hash", Kind::Bytes),
    ("design_ref", Kind::Text),
    ("labels", Kind::Json),
    ("node_filter", Kind::Json),
    ("asked", Kind::Time),
    ("actor", Kind::Text),
    ("rpc", Kind::Text),
    ("decision", Kind::Text),
];

#[derive(Serialize)]
struct RootRow<'a> {
    task_id: String,
    action: i16,
    created: i64,
    created_by: &'a str,
    timeout_us: i64,
    revision: i64,
    retry: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_of_task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_hash: Option<String>,
    design_ref: &'a str,
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_filter: Option<&'a NodeFilterSet>,
    asked: i64,
    actor: &'a str,
    rpc: &'static str,
    decision: &'static str,
}

impl<'a> RootRow<'a> {
    fn new(queued: &'a Task, root: &'a NewRoot) -> Self {
        let key = root.request.as_ref();
        let detail = root.task.detail.as_ref();
        Self {
            task_id: uuid_hex(queued.task_id.0),
            action: queued.action as i16,
            created: micros(queued.created),
            created_by: &queued.created_by,
            timeout_us: timeout_us(queued),
            revision: queued.revision,
            retry: queued.retry,
            retry_of_task_id: queued.retry_of_task_id.map(|id| uuid_hex(id.0)),
            correlation_id: queued.correlation_id.as_deref(),
            request_id: key.map(|key| uuid_hex(key.request_id.0)),
            body_hash: key.map(|key| hex(&key.body_hash)),
            design_ref: &queued.design_ref,
            labels: &queued.labels,
            node_filter: detail.and_then(|detail| detail.node_filter.as_ref()),
            asked: micros(root.audit.ts),
            actor: &root.audit.actor,
            rpc: root.audit.rpc,
            decision: root.audit.decision,
        }
    }

    /// The order of the unique keys that inserting roots may wait for.
    fn compare_keys(&self, other: &Self) -> std::cmp::Ordering {
        let key = |row: &Self| (row.created_by, row.request_id.clone(), row.task_id.clone());
        key(self).cmp(&key(other))
    }
}

/// Creates the roots in `$1` that do not exist yet, each with its spec and its audit record, and
/// returns their ids: one round trip.
fn insert_roots(dialect: Dialect) -> String {
    let rows = dialect.rows("$1", ROOT_COLUMNS);
    let tasks = |rows: &str| {
        format!(
            "INSERT INTO tasks (task_id, root_task_id, depth, ordinal, action, status, created, \
               created_by, updated, timeout_us, revision, retry, retry_of_task_id, \
               correlation_id, request_id, body_hash, result_status, result_reason, result_message) \
             SELECT task_id, task_id, 0, 0, action, {}, created, created_by, created, timeout_us, \
               revision, retry, retry_of_task_id, correlation_id, request_id, body_hash, {}, {}, '' \
             FROM {rows} AS e WHERE true ON CONFLICT DO NOTHING RETURNING task_id",
            TaskStatus::Queued as i16,
            ResultStatus::Incomplete as i16,
            Reason::None as i16,
        )
    };
    let specs = "INSERT INTO task_specs (task_id, design_ref, labels, node_filter) \
         SELECT e.task_id, e.design_ref, e.labels, e.node_filter";
    let audit = "INSERT INTO audit_records (ts, actor, rpc, task_id, request_id, decision) \
         SELECT e.asked, e.actor, e.rpc, e.task_id, e.request_id, e.decision";
    match dialect {
        Dialect::Postgres => format!(
            "WITH r AS MATERIALIZED (SELECT * FROM {rows} AS e), t AS ({}), \
             s AS ({specs} FROM r AS e JOIN t ON t.task_id = e.task_id), \
             a AS ({audit} FROM r AS e JOIN t ON t.task_id = e.task_id) \
             SELECT task_id FROM t",
            tasks("r")
        ),
        // A root without a spec is one that was created just before.
        Dialect::Sqlite => {
            let new = "EXISTS (SELECT 1 FROM tasks t WHERE t.task_id = e.task_id) \
                AND NOT EXISTS (SELECT 1 FROM task_specs s WHERE s.task_id = e.task_id)";
            format!(
                "{}; {audit} FROM {rows} AS e WHERE {new} GROUP BY e.task_id; \
                 {specs} FROM {rows} AS e WHERE {new} GROUP BY e.task_id",
                tasks(&rows)
            )
        }
    }
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
    let mut rows: Vec<RootRow<'_>> = queued
        .iter()
        .zip(roots)
        .map(|(task, root)| RootRow::new(task, root))
        .collect();
    // In one order on every replica, so that two that bring the same keys do not deadlock.
    rows.sort_unstable_by(RootRow::compare_keys);
    let mut fresh = HashSet::new();
    for row in transaction
        .query_all_raw(dialect.statement(&insert_roots(dialect), [json(&rows)?]))
        .await?
    {
        fresh.insert(get_id(&row, "task_id")?);
    }
    // A root that was sent twice at the same moment is new once.
    let is_new: Vec<bool> = roots
        .iter()
        .map(|root| fresh.remove(&root.task.task_id))
        .collect();
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
