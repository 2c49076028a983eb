//! Task rows: between the domain's task and the table's columns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::QueryResult;
use serde::Serialize;

use super::error::Error;
use super::sql::{
    Column, Dialect, Kind, corrupt, get, get_count, get_id, get_optional_text, get_text, names,
    uuid_hex,
};
use crate::domain::{
    Action, Outcome, Reason, ResultStatus, StepKind, Task, TaskId, TaskStatus, Timestamp,
};

macro_rules! task_select {
    () => {
        "SELECT t.task_id, t.root_task_id, t.parent_task_id, t.depth, \
         t.ordinal, t.action, t.status, t.node_name, t.step, t.created, t.created_by, t.updated, \
         t.started, t.completed, t.terminated, t.terminated_by, t.termination_reason, t.timeout_us, \
         t.revision, t.retry, t.retry_of_task_id, t.correlation_id, t.body_hash, t.result_status, \
         t.result_reason, t.result_message, t.succeeded, t.failed, t.error_count, t.message_count, \
         t.subtask_count, t.target_node_count, t.running_count, t.current_step, t.epoch, \
         s.design_ref, CAST(s.labels AS text) AS labels, s.design_digest, \
         CASE WHEN t.status < 5 AND NOT t.released THEN i.renewed END AS heartbeat"
    };
}

macro_rules! task_from {
    () => {
        "FROM tasks t JOIN task_specs s ON s.task_id = t.root_task_id \
         LEFT JOIN active_instances i ON i.instance_id = t.owner"
    };
}

/// The columns of a new subtask that differ from one to another.
const SUBTASK_COLUMNS: &[Column] = &[
    ("task_id", Kind::Uuid),
    ("root_task_id", Kind::Uuid),
    ("parent_task_id", Kind::Uuid),
    ("depth", Kind::Small),
    ("ordinal", Kind::Number),
    ("action", Kind::Small),
    ("status", Kind::Small),
    ("node_name", Kind::Text),
    ("step", Kind::Small),
    ("created", Kind::Time),
    ("created_by", Kind::Text),
    ("started", Kind::Time),
    ("timeout_us", Kind::Number),
    ("revision", Kind::Number),
    ("correlation_id", Kind::Text),
    ("error_count", Kind::Number),
    ("message_count", Kind::Number),
    ("subtask_count", Kind::Number),
    ("target_node_count", Kind::Number),
    ("current_step", Kind::Small),
];

/// The columns of `tasks` that change during a task's life, with its key and what is expected.
const UPDATE_COLUMNS: &[Column] = &[
    ("task_id", Kind::Uuid),
    ("expected", Kind::Small),
    ("expected_messages", Kind::Number),
    ("status", Kind::Small),
    ("updated", Kind::Time),
    ("started", Kind::Time),
    ("completed", Kind::Time),
    ("terminated", Kind::Time),
    ("terminated_by", Kind::Text),
    ("termination_reason", Kind::Text),
    ("revision", Kind::Number),
    ("retry", Kind::Number),
    ("result_status", Kind::Small),
    ("result_reason", Kind::Small),
    ("result_message", Kind::Text),
    ("succeeded", Kind::Number),
    ("failed", Kind::Number),
    ("error_count", Kind::Number),
    ("message_count", Kind::Number),
    ("subtask_count", Kind::Number),
    ("target_node_count", Kind::Number),
    ("running_count", Kind::Number),
    ("current_step", Kind::Small),
];

/// A new subtask as its insert sends it. What is absent travels not at all: it is NULL.
#[derive(Serialize)]
pub(super) struct SubtaskRow {
    task_id: String,
    root_task_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_task_id: Option<String>,
    depth: u8,
    ordinal: u32,
    action: i16,
    status: i16,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_name: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<i16>,
    created: i64,
    created_by: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<i64>,
    timeout_us: i64,
    revision: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Arc<str>>,
    error_count: u32,
    message_count: u32,
    subtask_count: u32,
    target_node_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_step: Option<i16>,
}

/// A task as its update sends it. What is absent travels not at all: it is NULL.
#[derive(Serialize)]
pub(super) struct UpdateRow {
    task_id: String,
    expected: i16,
    expected_messages: u32,
    status: i16,
    updated: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminated: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminated_by: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    termination_reason: Option<Arc<str>>,
    revision: i64,
    retry: u32,
    result_status: i16,
    result_reason: i16,
    result_message: Arc<str>,
    succeeded: u32,
    failed: u32,
    error_count: u32,
    message_count: u32,
    subtask_count: u32,
    target_node_count: u32,
    running_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_step: Option<i16>,
}

impl SubtaskRow {
    /// The row that creates `task`, which is queued or runs and has no outcome.
    pub(super) fn new(task: &Task) -> Self {
        Self {
            task_id: uuid_hex(task.task_id.0),
            root_task_id: uuid_hex(task.root_task_id.0),
            parent_task_id: task.parent_task_id.map(|id| uuid_hex(id.0)),
            depth: task.depth,
            ordinal: task.ordinal,
            action: task.action as i16,
            status: task.status as i16,
            node_name: task.node_name.clone(),
            step: task.step.map(|step| step as i16),
            created: micros(task.created),
            created_by: Arc::clone(&task.created_by),
            started: task.started.map(micros),
            timeout_us: timeout_us(task),
            revision: task.revision,
            correlation_id: task.correlation_id.clone(),
            error_count: task.result.error_count,
            message_count: task.result.message_count,
            subtask_count: task.subtask_count,
            target_node_count: task.target_node_count,
            current_step: task.current_step.map(|step| step as i16),
        }
    }
}

/// A task's timeout as it is stored.
pub(super) fn timeout_us(task: &Task) -> i64 {
    i64::try_from(task.timeout.as_micros()).unwrap_or(i64::MAX)
}

/// The INSERT of the [`SubtaskRow`]s in placeholder `rows` that do not exist yet.
pub(super) fn insert_subtasks(dialect: Dialect, rows: &str) -> String {
    let names = names(SUBTASK_COLUMNS, "");
    format!(
        "INSERT INTO tasks ({names}, updated, result_status, result_reason, result_message) \
         SELECT {names}, created, {}, {}, '' FROM {} AS e WHERE true ON CONFLICT DO NOTHING",
        ResultStatus::Incomplete as i16,
        Reason::None as i16,
        dialect.rows(rows, SUBTASK_COLUMNS)
    )
}

impl UpdateRow {
    /// The row that brings `task` to its present state, if it is in status `expected` and without
    /// the last `said` messages: a write that is sent again must not say them twice.
    pub(super) fn new(task: &Task, expected: TaskStatus, said: u32) -> Self {
        Self {
            task_id: uuid_hex(task.task_id.0),
            expected: expected as i16,
            expected_messages: task.result.message_count.saturating_sub(said),
            status: task.status as i16,
            updated: micros(task.updated),
            started: task.started.map(micros),
            completed: task.completed.map(micros),
            terminated: task.terminated.map(micros),
            terminated_by: task.terminated_by.clone(),
            termination_reason: task.termination_reason.clone(),
            revision: task.revision,
            retry: task.retry,
            result_status: task.result.status as i16,
            result_reason: task.result.reason as i16,
            result_message: Arc::clone(&task.result.message),
            succeeded: task.result.succeeded,
            failed: task.result.failed,
            error_count: task.result.error_count,
            message_count: task.result.message_count,
            subtask_count: task.subtask_count,
            target_node_count: task.target_node_count,
            running_count: task.result.running,
            current_step: task.current_step.map(|step| step as i16),
        }
    }
}

/// The UPDATE that takes the [`UpdateRow`]s in placeholder `rows`: a compare-and-set on the status of
/// each, and on how much was said of it.
pub(super) fn update_tasks(dialect: Dialect, rows: &str) -> String {
    let assignments = UPDATE_COLUMNS
        .iter()
        .filter(|(name, _)| !matches!(*name, "task_id" | "expected" | "expected_messages"))
        .map(|(name, _)| format!("{name} = e.{name}"))
        .collect::<Vec<_>>()
        .join(", ");
    let rows = dialect.rows(rows, UPDATE_COLUMNS);
    format!(
        "UPDATE tasks SET {assignments} FROM {rows} AS e \
         WHERE tasks.task_id = e.task_id AND tasks.status = e.expected \
           AND tasks.message_count = e.expected_messages"
    )
}

/// The start of every SELECT whose rows [`task`] reads; more columns and [`TASK_FROM`] follow.
/// Columns are named: a statement that says `*` breaks where a newer version adds one beside us.
pub(super) const TASK_SELECT: &str = task_select!();

/// The tables of [`TASK_SELECT`]: `t` is the task, `s` its root's spec, `i` the instance that owns
/// it. The join with the spec also hides what is left of a tree that was purged and not swept yet.
pub(super) const TASK_FROM: &str = task_from!();

/// Both, for tasks without their lists.
pub(super) const SELECT_TASK: &str = concat!(task_select!(), " ", task_from!());

/// Reads a task, without its detail.
pub(super) fn task(dialect: Dialect, row: &QueryResult) -> Result<Task, Error> {
    let action = get::<i16>(row, "action")?;
    let status = get::<i16>(row, "status")?;
    let result = get::<i16>(row, "result_status")?;
    let reason = get::<i16>(row, "result_reason")?;
    let timeout = get::<i64>(row, "timeout_us")?;
    Ok(Task {
        task_id: get_id(row, "task_id")?,
        root_task_id: get_id(row, "root_task_id")?,
        parent_task_id: get::<Option<uuid::Uuid>>(row, "parent_task_id")?.map(TaskId),
        depth: u8::try_from(get::<i16>(row, "depth")?).map_err(|_| corrupt("depth", "number"))?,
        ordinal: get_count(row, "ordinal")?,
        action: Action::from_number(action).ok_or_else(|| corrupt("action", action))?,
        status: TaskStatus::from_number(status).ok_or_else(|| corrupt("status", status))?,
        node_name: get_optional_text(row, "node_name")?,
        step: get_step(row, "step")?,
        created: dialect.get_time(row, "created")?,
        created_by: get_text(row, "created_by")?,
        updated: dialect.get_time(row, "updated")?,
        started: dialect.get_optional_time(row, "started")?,
        completed: dialect.get_optional_time(row, "completed")?,
        heartbeat: dialect.get_optional_time(row, "heartbeat")?,
        terminated: dialect.get_optional_time(row, "terminated")?,
        terminated_by: get_optional_text(row, "terminated_by")?,
        termination_reason: get_optional_text(row, "termination_reason")?,
        timeout: Duration::from_micros(
            u64::try_from(timeout).map_err(|_| corrupt("timeout", timeout))?,
        ),
        revision: get(row, "revision")?,
        retry: get_count(row, "retry")?,
        retry_of_task_id: get::<Option<uuid::Uuid>>(row, "retry_of_task_id")?.map(TaskId),
        correlation_id: get_optional_text(row, "correlation_id")?,
        design_ref: get_text(row, "design_ref")?,
        labels: Arc::new(labels(&get::<String>(row, "labels")?)?),
        design_digest: get_optional_text(row, "design_digest")?,
        result: Outcome {
            status: ResultStatus::from_number(result).ok_or_else(|| corrupt("result", result))?,
            reason: Reason::from_number(reason).ok_or_else(|| corrupt("reason", reason))?,
            message: get_text(row, "result_message")?,
            succeeded: get_count(row, "succeeded")?,
            failed: get_count(row, "failed")?,
            error_count: get_count(row, "error_count")?,
            message_count: get_count(row, "message_count")?,
            running: get_count(row, "running_count")?,
        },
        subtask_count: get_count(row, "subtask_count")?,
        target_node_count: get_count(row, "target_node_count")?,
        current_step: get_step(row, "current_step")?,
        detail: None,
    })
}

fn get_step(row: &QueryResult, column: &str) -> Result<Option<StepKind>, Error> {
    get::<Option<i16>>(row, column)?
        .map(|number| StepKind::from_number(number).ok_or_else(|| corrupt("step", number)))
        .transpose()
}

/// Reads labels from their JSON.
pub(super) fn labels(text: &str) -> Result<BTreeMap<String, String>, Error> {
    parse_json("labels", text)
}

/// Reads a stored JSON document.
pub(super) fn parse_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what,
        problem: error.to_string(),
    })
}

/// A moment as it travels.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.timestamp_micros()
}
