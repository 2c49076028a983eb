//! The lists of a task's FULL view, as columns of the statement that reads the task.
//!
//! Each list is one column of JSON, made by a sub-select of its own. So a task comes whole from one
//! statement, whose parts are all of one moment without a transaction, and a page of tasks costs one
//! round trip. What a task does not have is not looked for: the counts in its row say what there is.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use sea_orm::{ConnectionTrait, QueryResult};
use serde::Deserialize;
use uuid::Uuid;

use super::error::Error;
use super::read::View;
use super::row::{self, TASK_FROM, TASK_SELECT, parse_json};
use super::sql::{Dialect, get, get_id};
use crate::domain::task::{LIST_LIMIT, MESSAGE_LIST_LIMIT};
use crate::domain::{Detail, Message, ResultStatus, Task, TaskId, Timestamp};

/// Which lists are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lists {
    /// What the counts in the task's row say that there is.
    Counted,
    /// The same, but for the lists that come from more children than a list shows: to name the
    /// first of 100,000 nodes, the database looks at each of them.
    Short,
    /// Whatever there is: the row of a task that is being written may not count it yet.
    Any,
}

/// The start of a SELECT of tasks, for the caller to add a condition: over `t` the task, `s` its
/// root's spec, `i` the instance that owns it. [`task`] reads its rows.
pub(super) fn select(dialect: Dialect, view: View) -> &'static str {
    static BASIC: LazyLock<String> = LazyLock::new(|| format!("{TASK_SELECT} {TASK_FROM}"));
    static SQLITE: LazyLock<String> = LazyLock::new(|| select_full(Dialect::Sqlite));
    static POSTGRES: LazyLock<String> = LazyLock::new(|| select_full(Dialect::Postgres));
    match (view, dialect) {
        (View::Basic, _) => &BASIC,
        (View::Full, Dialect::Sqlite) => &SQLITE,
        (View::Full, Dialect::Postgres) => &POSTGRES,
    }
}

fn select_full(dialect: Dialect) -> String {
    format!(
        "{TASK_SELECT}, {} {TASK_FROM}",
        columns(dialect, Lists::Counted)
    )
}

/// Reads a task of [`select`].
pub(super) fn task(dialect: Dialect, row: &QueryResult, view: View) -> Result<Task, Error> {
    let mut task = row::task(dialect, row)?;
    if view == View::Full {
        task.detail = Some(Box::new(read(row, &task)?));
    }
    Ok(task)
}

/// Fills [`Task::detail`] of `tasks` that were read without, or written just now.
pub(super) async fn load<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    tasks: &mut [Task],
) -> Result<(), Error> {
    static SQLITE: LazyLock<String> = LazyLock::new(|| select_lists(Dialect::Sqlite));
    static POSTGRES: LazyLock<String> = LazyLock::new(|| select_lists(Dialect::Postgres));
    let sql = match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    };
    if tasks.is_empty() {
        return Ok(());
    }
    let ids = dialect.ids(tasks.iter().map(|task| task.task_id));
    let rows = connection
        .query_all_raw(dialect.statement(sql, [ids.into()]))
        .await?;
    let mut places: HashMap<TaskId, usize> = HashMap::with_capacity(tasks.len());
    for (place, task) in tasks.iter().enumerate() {
        places.insert(task.task_id, place);
    }
    for row in rows {
        if let Some(place) = places.get(&get_id(&row, "task_id")?) {
            let task = &mut tasks[*place];
            task.detail = Some(Box::new(read(&row, task)?));
        }
    }
    Ok(())
}

fn select_lists(dialect: Dialect) -> String {
    format!(
        "SELECT t.task_id, {} FROM tasks t JOIN task_specs s ON s.task_id = t.root_task_id \
         WHERE {}",
        columns(dialect, Lists::Any),
        dialect.among_ids("t.task_id", "$1"),
    )
}

/// The columns that [`read`] reads, over `t` and `s`.
pub(super) fn columns(dialect: Dialect, lists: Lists) -> String {
    let (array, row, id) = match dialect {
        Dialect::Sqlite => ("json_group_array", "json_array", "hex(c.task_id)"),
        Dialect::Postgres => ("json_agg", "json_build_array", "c.task_id"),
    };
    // JSON has no moments: they travel as the microseconds that they are.
    let (micros, extra) = match dialect {
        Dialect::Sqlite => ("m.ts", "json(m.extra)"),
        Dialect::Postgres => (
            "CAST(round(extract(epoch FROM m.ts) * 1000000) AS bigint)",
            "m.extra",
        ),
    };
    let bytewise = dialect.bytewise();
    let counted = |condition: &str| match lists {
        Lists::Counted => format!(" AND {condition}"),
        Lists::Short => format!(" AND {condition} AND t.subtask_count <= {LIST_LIMIT}"),
        Lists::Any => String::new(),
    };
    let names = |count: &str, result: ResultStatus| {
        format!(
            "CASE WHEN t.parent_task_id IS NULL{} THEN (\
               SELECT CAST({array}(c.node_name ORDER BY c.node_name {bytewise}) AS text) FROM (\
                 SELECT node_name FROM tasks WHERE parent_task_id = t.task_id \
                   AND node_name IS NOT NULL AND result_status = {} \
                 ORDER BY node_name {bytewise} LIMIT {LIST_LIMIT}) AS c) END",
            counted(&format!("t.{count} > 0")),
            result as i16
        )
    };
    let said = match lists {
        Lists::Counted | Lists::Short => "t.message_count > 0",
        Lists::Any => "true",
    };
    format!(
        "CASE WHEN t.parent_task_id IS NULL THEN CAST(s.node_filter AS text) END AS node_filter, \
         CASE WHEN t.parent_task_id IS NULL THEN CAST(s.target_nodes_head AS text) END \
           AS target_nodes, \
         CASE WHEN t.parent_task_id IS NULL{} THEN (\
             SELECT CAST({array}({id} ORDER BY c.ordinal) AS text) FROM (\
               SELECT task_id, ordinal FROM tasks WHERE parent_task_id = t.task_id \
               ORDER BY ordinal LIMIT {LIST_LIMIT}) AS c) END AS subtask_ids, \
         {} AS successes, {} AS failures, \
         CASE WHEN {said} THEN (\
           SELECT CAST({array}({row}(m.sequence, {micros}, m.message, \
               CASE WHEN m.error THEN 1 ELSE 0 END, m.context_type, m.context, {extra}) \
             ORDER BY m.sequence) AS text) FROM (\
             SELECT sequence, ts, message, error, context_type, context, extra \
             FROM result_messages WHERE task_id = t.task_id \
             ORDER BY sequence DESC LIMIT {MESSAGE_LIST_LIMIT}) AS m) END AS messages",
        counted("t.subtask_count > 0 AND t.subtask_count < t.target_node_count"),
        names("succeeded", ResultStatus::Success),
        names("failed", ResultStatus::Failure),
    )
}

/// Whether [`Lists::Short`] leaves out lists of this task.
pub(super) fn is_long(task: &Task) -> bool {
    task.is_root() && task.subtask_count as usize > LIST_LIMIT
}

/// Reads the lists of `task`.
pub(super) fn read(row: &QueryResult, task: &Task) -> Result<Detail, Error> {
    let mut detail = derived(task);
    detail.node_filter = json(row, "node_filter")?;
    if let Some(nodes) = json(row, "target_nodes")? {
        detail.target_nodes = nodes;
    }
    // Nodes begin side by side, so that a place may be taken while one before it is free.
    if task.subtask_count < task.target_node_count
        && let Some(ids) = json::<Vec<Uuid>>(row, "subtask_ids")?
    {
        detail.subtask_ids = ids.into_iter().map(TaskId).collect();
    }
    if let Some(names) = json(row, "successes")? {
        detail.successes = names;
    }
    if let Some(names) = json(row, "failures")? {
        detail.failures = names;
    }
    if let Some(messages) = json::<Vec<MessageRow>>(row, "messages")? {
        detail.messages = messages
            .into_iter()
            .map(MessageRow::into_message)
            .collect::<Result<_, _>>()?;
    }
    Ok(detail)
}

/// What follows from the task itself: a subtask's own node, and the ids of children that were
/// created one after the other.
fn derived(task: &Task) -> Detail {
    let children = task.subtask_count.min(LIST_LIMIT as u32);
    let mut detail = Detail {
        subtask_ids: (0..children)
            .map(|place| task.task_id.child(place))
            .collect(),
        ..Detail::default()
    };
    if let Some(node) = &task.node_name {
        detail.target_nodes = vec![Arc::clone(node)];
        match task.result.status {
            ResultStatus::Success => detail.successes = vec![Arc::clone(node)],
            ResultStatus::Failure => detail.failures = vec![Arc::clone(node)],
            ResultStatus::Incomplete | ResultStatus::PartialSuccess => {}
        }
    }
    detail
}

/// A message as its list has it: sequence, microseconds, text, whether it is an error, what it is
/// about, and the rest.
#[derive(Deserialize)]
struct MessageRow(
    i64,
    i64,
    String,
    u8,
    String,
    String,
    serde_json::Map<String, serde_json::Value>,
);

impl MessageRow {
    fn into_message(self) -> Result<Message, Error> {
        let Self(sequence, micros, message, error, context_type, context, extra) = self;
        Ok(Message {
            sequence,
            ts: Timestamp::from_timestamp_micros(micros)
                .ok_or_else(|| super::sql::corrupt("time", micros))?,
            message,
            error: error != 0,
            context_type,
            context,
            extra,
        })
    }
}

/// Reads a message.
pub(super) fn message(dialect: Dialect, row: &QueryResult) -> Result<Message, Error> {
    Ok(Message {
        sequence: get(row, "sequence")?,
        ts: dialect.get_time(row, "ts")?,
        message: get(row, "message")?,
        error: get(row, "error")?,
        context_type: get(row, "context_type")?,
        context: get(row, "context")?,
        extra: parse_json("message", &get::<String>(row, "extra")?)?,
    })
}

fn json<T: serde::de::DeserializeOwned>(
    row: &QueryResult,
    column: &'static str,
) -> Result<Option<T>, Error> {
    get::<Option<String>>(row, column)?
        .map(|text| parse_json(column, &text))
        .transpose()
}
