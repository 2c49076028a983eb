//! The lists of a task's FULL view, loaded for any number of tasks with a fixed number of
//! statements.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;

use super::error::Error;
use super::row::parse_json;
use super::sql::{Dialect, ID_COLUMN, IdRow, get, get_id, get_text, json};
use crate::domain::task::{LIST_LIMIT, MESSAGE_LIST_LIMIT};
use crate::domain::{Detail, Message, ResultStatus, Task, TaskId};

/// Fills [`Task::detail`] of each of `tasks`.
pub(super) async fn load<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    tasks: &mut [Task],
) -> Result<(), Error> {
    let mut details: HashMap<TaskId, Detail> = tasks
        .iter()
        .map(|task| (task.task_id, derived(task)))
        .collect();
    let roots: Vec<&Task> = tasks.iter().filter(|task| task.is_root()).collect();
    load_specs(dialect, connection, &roots, &mut details).await?;
    load_children(dialect, connection, &roots, &mut details).await?;
    load_outcomes(dialect, connection, &roots, &mut details).await?;
    load_messages(dialect, connection, tasks, &mut details).await?;
    for task in tasks {
        task.detail = details.remove(&task.task_id).map(Box::new);
    }
    Ok(())
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
        detail.target_nodes = vec![node.clone()];
        match task.result.status {
            ResultStatus::Success => detail.successes = vec![node.clone()],
            ResultStatus::Failure => detail.failures = vec![node.clone()],
            ResultStatus::Incomplete | ResultStatus::PartialSuccess => {}
        }
    }
    detail
}

async fn load_specs<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    roots: &[&Task],
    details: &mut HashMap<TaskId, Detail>,
) -> Result<(), Error> {
    if roots.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT task_id, CAST(node_filter AS text) AS node_filter, \
         CAST(target_nodes_head AS text) AS target_nodes FROM task_specs \
         WHERE task_id IN (SELECT id FROM {} AS e)",
        dialect.rows("$1", ID_COLUMN)
    );
    let rows = connection
        .query_all_raw(dialect.statement(&sql, [ids(roots)?]))
        .await?;
    for row in rows {
        if let Some(detail) = details.get_mut(&get_id(&row, "task_id")?) {
            if let Some(text) = get::<Option<String>>(&row, "node_filter")? {
                detail.node_filter = Some(parse_json("node filter", &text)?);
            }
            if let Some(text) = get::<Option<String>>(&row, "target_nodes")? {
                detail.target_nodes = parse_json("target nodes", &text)?;
            }
        }
    }
    Ok(())
}

/// The children of roots whose nodes are not all begun: they begin side by side, so that a place
/// may be taken while one before it is free.
async fn load_children<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    roots: &[&Task],
    details: &mut HashMap<TaskId, Detail>,
) -> Result<(), Error> {
    let partly: Vec<&Task> = roots
        .iter()
        .copied()
        .filter(|root| {
            root.action.is_per_node()
                && root.subtask_count > 0
                && root.subtask_count < root.target_node_count
        })
        .collect();
    if partly.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT parent_task_id, task_id FROM (\
           SELECT parent_task_id, task_id, ordinal, row_number() OVER (\
             PARTITION BY parent_task_id ORDER BY ordinal) AS place \
           FROM tasks WHERE parent_task_id IN (SELECT id FROM {} AS e)) AS c \
         WHERE place <= {LIST_LIMIT} ORDER BY ordinal",
        dialect.rows("$1", ID_COLUMN)
    );
    for root in &partly {
        if let Some(detail) = details.get_mut(&root.task_id) {
            detail.subtask_ids.clear();
        }
    }
    let rows = connection
        .query_all_raw(dialect.statement(&sql, [ids(&partly)?]))
        .await?;
    for row in rows {
        if let Some(detail) = details.get_mut(&get_id(&row, "parent_task_id")?) {
            detail.subtask_ids.push(get_id(&row, "task_id")?);
        }
    }
    Ok(())
}

async fn load_outcomes<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    roots: &[&Task],
    details: &mut HashMap<TaskId, Detail>,
) -> Result<(), Error> {
    let ended: Vec<&Task> = roots
        .iter()
        .copied()
        .filter(|root| root.success_count() + root.failure_count() > 0)
        .collect();
    if ended.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT parent_task_id, node_name, result_status FROM (\
           SELECT parent_task_id, node_name, result_status, row_number() OVER (\
             PARTITION BY parent_task_id, result_status ORDER BY node_name {bytewise}) AS place \
           FROM tasks WHERE parent_task_id IN (SELECT id FROM {} AS e) \
             AND node_name IS NOT NULL AND result_status IN ({}, {})) AS o \
         WHERE place <= {LIST_LIMIT} ORDER BY node_name {bytewise}",
        dialect.rows("$1", ID_COLUMN),
        ResultStatus::Success as i16,
        ResultStatus::Failure as i16,
        bytewise = dialect.bytewise(),
    );
    let rows = connection
        .query_all_raw(dialect.statement(&sql, [ids(&ended)?]))
        .await?;
    for row in rows {
        if let Some(detail) = details.get_mut(&get_id(&row, "parent_task_id")?) {
            let name = get_text(&row, "node_name")?;
            if get::<i16>(&row, "result_status")? == ResultStatus::Success as i16 {
                detail.successes.push(name);
            } else {
                detail.failures.push(name);
            }
        }
    }
    Ok(())
}

async fn load_messages<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    tasks: &[Task],
    details: &mut HashMap<TaskId, Detail>,
) -> Result<(), Error> {
    let talkative: Vec<&Task> = tasks
        .iter()
        .filter(|task| task.result.message_count > 0)
        .collect();
    if talkative.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT * FROM (\
           SELECT m.task_id, m.sequence, m.ts, m.message, m.error, m.context_type, m.context, \
             CAST(m.extra AS text) AS extra, row_number() OVER (\
             PARTITION BY m.task_id ORDER BY m.sequence DESC) AS place \
           FROM result_messages m WHERE m.task_id IN (SELECT id FROM {} AS e)) AS n \
         WHERE place <= {MESSAGE_LIST_LIMIT} ORDER BY sequence",
        dialect.rows("$1", ID_COLUMN)
    );
    let rows = connection
        .query_all_raw(dialect.statement(&sql, [ids(&talkative)?]))
        .await?;
    for row in rows {
        if let Some(detail) = details.get_mut(&get_id(&row, "task_id")?) {
            detail.messages.push(message(dialect, &row)?);
        }
    }
    Ok(())
}

/// Reads a message.
pub(super) fn message(dialect: Dialect, row: &sea_orm::QueryResult) -> Result<Message, Error> {
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

fn ids(tasks: &[&Task]) -> Result<sea_orm::Value, Error> {
    json(
        &tasks
            .iter()
            .map(|task| IdRow::from(task.task_id))
            .collect::<Vec<_>>(),
    )
}
