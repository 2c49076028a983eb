//! Reading tasks: one, a tree, a page of a list, messages.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, Statement, Value};

use super::connect::Connections;
use super::detail;
use super::error::Error;
use super::journal;
use super::read::{ListPage, ListPosition, MessageQuery, Order, Tree, View};
use super::row::{self, SELECT_TASK};
use super::sql::{Dialect, corrupt, get, get_id, get_text};
use crate::domain::{Message, ResultStatus, Task, TaskFilter, TaskId};

/// One task with its lists, however long they take; none: no such task.
pub(super) async fn task(
    connections: &Connections,
    task_id: TaskId,
) -> Result<Option<Task>, Error> {
    let dialect = connections.dialect;
    let sql = format!(
        "{} WHERE t.task_id = $1",
        detail::select(dialect, View::Full)
    );
    connections
        .read
        .query_one_raw(dialect.statement(&sql, [task_id.0.into()]))
        .await?
        .map(|row| detail::task(dialect, &row, View::Full))
        .transpose()
}

/// The condition for the tasks within `$2` levels below task `$1` (itself included), whatever
/// its level: a tree has three.
fn below(max_depth: Option<u32>) -> String {
    let children = "SELECT c.task_id FROM tasks c WHERE c.parent_task_id = $1";
    match max_depth {
        Some(0) => "t.task_id = $1".to_owned(),
        Some(1) => format!("(t.task_id = $1 OR t.task_id IN ({children}))"),
        Some(_) | None => {
            format!(
                "(t.task_id = $1 OR t.task_id IN ({children}) OR t.parent_task_id IN ({children}))"
            )
        }
    }
}

/// The SELECT of a task and what is below it, for the caller to order.
pub(super) fn select_tree(
    dialect: Dialect,
    task: &Task,
    max_depth: Option<u32>,
    view: View,
) -> String {
    let condition = match (task.is_root(), max_depth) {
        (true, Some(depth)) => format!("t.root_task_id = $1 AND t.depth <= {depth}"),
        (true, None) => "t.root_task_id = $1".to_owned(),
        (false, depth) => below(depth),
    };
    format!("{} WHERE {condition}", detail::select(dialect, view))
}

/// A task and what is below it; none: no such task.
pub(super) async fn tree(
    connections: &Connections,
    task_id: TaskId,
    max_depth: Option<u32>,
    view: View,
    limit: usize,
) -> Result<Option<Tree>, Error> {
    let dialect = connections.dialect;
    let transaction = connections.begin_read().await?;
    let clock = journal::clock(dialect, &transaction).await?;
    let Some(top) = top(dialect, &transaction, task_id).await? else {
        return Ok(None);
    };
    let sql = format!(
        "{} ORDER BY t.depth, t.ordinal, t.task_id LIMIT {}",
        select_tree(dialect, &top, max_depth, view),
        limit + 1
    );
    let rows = transaction
        .query_all_raw(dialect.statement(&sql, [task_id.0.into()]))
        .await?;
    let truncated = rows.len() > limit;
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows.iter().take(limit) {
        tasks.push(detail::task(dialect, row, view)?);
    }
    transaction.commit().await?;
    Ok(Some(Tree {
        tasks,
        truncated,
        clock,
    }))
}

/// The task itself, without its lists.
pub(super) async fn top<C: ConnectionTrait>(
    dialect: Dialect,
    transaction: &C,
    task_id: TaskId,
) -> Result<Option<Task>, Error> {
    let sql = format!("{SELECT_TASK} WHERE t.task_id = $1");
    transaction
        .query_one_raw(dialect.statement(&sql, [task_id.0.into()]))
        .await?
        .map(|row| row::task(dialect, &row))
        .transpose()
}

/// A filter as a condition: [`TaskFilter::matches`] in SQL.
pub(super) struct Condition {
    dialect: Dialect,
    sql: String,
    pub(super) values: Vec<Value>,
}

impl Condition {
    /// The condition of `filter` over [`SELECT_TASK`]'s tables.
    pub(super) fn new(dialect: Dialect, filter: &TaskFilter) -> Result<Self, Error> {
        let mut condition = Self {
            dialect,
            sql: "true".to_owned(),
            values: Vec::new(),
        };
        condition.any("t.status", filter.status.iter().map(|value| *value as i16));
        if !filter.status.is_empty() && filter.status.iter().all(|status| !status.is_terminal()) {
            // Says nothing new, but the index of what is not through is for exactly this condition.
            condition.and("t.status < 5");
        }
        condition.any("t.action", filter.action.iter().map(|value| *value as i16));
        condition.any(
            "t.result_status",
            filter.result_status.iter().map(|value| *value as i16),
        );
        if let Some(actor) = &filter.created_by {
            condition.bind("t.created_by = {}", actor.as_str().into());
        }
        if let Some(after) = filter.created_after {
            condition.bind("t.created >= {}", dialect.time(after));
        }
        if let Some(before) = filter.created_before {
            condition.bind("t.created < {}", dialect.time(before));
        }
        if let Some(parent) = filter.parent_task_id {
            condition.bind("t.parent_task_id = {}", parent.0.into());
        }
        if let Some(root) = filter.root_task_id {
            condition.bind("t.root_task_id = {}", root.0.into());
        }
        if filter.roots_only {
            condition.and("t.parent_task_id IS NULL");
        }
        if let Some(node) = &filter.node_name {
            // By way of the node's subtasks, which have an index, to the steps below them.
            condition.bind(
                "t.task_id IN (\
                   SELECT n.task_id FROM tasks n WHERE n.node_name = {} AND n.step IS NULL \
                   UNION ALL \
                   SELECT c.task_id FROM tasks n JOIN tasks c ON c.parent_task_id = n.task_id \
                   WHERE n.node_name = {} AND n.step IS NULL)",
                node.as_str().into(),
            );
        }
        if let Some(reference) = &filter.design_ref {
            condition.bind("s.design_ref = {}", reference.as_str().into());
        }
        condition.labels(filter)?;
        Ok(condition)
    }

    /// The text so far; placeholders are numbered from `$1`.
    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    fn and(&mut self, sql: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
    }

    /// Adds a condition whose `{}` is `value`.
    pub(super) fn bind(&mut self, sql: &str, value: Value) {
        self.values.push(value);
        self.and(&sql.replace("{}", &format!("${}", self.values.len())));
    }

    /// Numbers of our own enums: safe as text, and so one plan for each set of them.
    fn any(&mut self, column: &str, numbers: impl Iterator<Item = i16>) {
        let list: Vec<String> = numbers.map(|number| number.to_string()).collect();
        if !list.is_empty() {
            self.and(&format!("{column} IN ({})", list.join(", ")));
        }
    }

    fn labels(&mut self, filter: &TaskFilter) -> Result<(), Error> {
        match self.dialect {
            Dialect::Postgres if !filter.labels.is_empty() => {
                let wanted = serde_json::to_string(&filter.labels)
                    .map_err(|error| corrupt("label filter", error))?;
                self.bind("s.labels @> CAST({} AS jsonb)", wanted.into());
            }
            Dialect::Postgres => {}
            Dialect::Sqlite => {
                // A key may hold any character, so it is compared and never made a JSON path.
                for (key, value) in &filter.labels {
                    self.values.push(key.as_str().into());
                    let key = self.values.len();
                    self.values.push(value.as_str().into());
                    let value = self.values.len();
                    self.and(&format!(
                        "EXISTS (SELECT 1 FROM json_each(s.labels) l \
                         WHERE l.key = ${key} AND l.value = ${value})"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A page of the tasks that match.
pub(super) async fn list(
    connections: &Connections,
    filter: &TaskFilter,
    order: Order,
    after: Option<ListPosition>,
    limit: u64,
    view: View,
) -> Result<ListPage, Error> {
    let dialect = connections.dialect;
    // One more than the page holds tells whether there is another.
    let page = select_page(dialect, filter, order, after, limit + 1, view)?;
    let transaction = connections.begin_read().await?;
    let clock = journal::clock(dialect, &transaction).await?;
    let rows = transaction.query_all_raw(page).await?;
    let more = rows.len() as u64 > limit;
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows
        .iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
    {
        tasks.push(detail::task(dialect, row, view)?);
    }
    transaction.commit().await?;
    Ok(ListPage { tasks, more, clock })
}

/// The SELECT of a page.
pub(super) fn select_page(
    dialect: Dialect,
    filter: &TaskFilter,
    order: Order,
    after: Option<ListPosition>,
    limit: u64,
    view: View,
) -> Result<Statement, Error> {
    let mut condition = Condition::new(dialect, filter)?;
    let (column, comparison, direction) = match order {
        Order::CreatedDescending => ("created", "<", "DESC"),
        Order::CreatedAscending => ("created", ">", "ASC"),
        Order::UpdatedDescending => ("updated", "<", "DESC"),
    };
    if let Some(after) = after {
        condition.bind(
            &format!("t.{column} {comparison}= {{}}"),
            dialect.time(after.time),
        );
        condition.values.push(dialect.time(after.time));
        let time = condition.values.len();
        condition.values.push(after.task_id.0.into());
        let id = condition.values.len();
        condition.and(&format!(
            "(t.{column}, t.task_id) {comparison} (${time}, ${id})"
        ));
    }
    let sql = format!(
        "{} WHERE {} ORDER BY t.{column} {direction}, t.task_id {direction} LIMIT {}",
        detail::select(dialect, view),
        condition.sql(),
        limit
    );
    Ok(dialect.statement(&sql, condition.values))
}

/// Messages in the order of the journal.
pub(super) async fn messages(
    connections: &Connections,
    query: &MessageQuery,
) -> Result<Vec<(TaskId, Message)>, Error> {
    let dialect = connections.dialect;
    let scope = if !query.include_subtasks {
        "m.task_id = $1"
    } else if query.task_id == query.root_task_id {
        "m.root_task_id = $1"
    } else {
        "(m.task_id = $1 OR m.task_id IN (SELECT c.task_id FROM tasks c WHERE c.parent_task_id = $1))"
    };
    let errors = if query.errors_only {
        " AND m.error"
    } else {
        ""
    };
    let sql = format!(
        "SELECT m.task_id, m.sequence, m.ts, m.message, m.error, m.context_type, m.context, \
         CAST(m.extra AS text) AS extra FROM result_messages m \
         WHERE {scope} AND m.sequence > $2{errors} ORDER BY m.sequence LIMIT {}",
        query.limit
    );
    connections
        .read
        .query_all_raw(dialect.statement(&sql, [query.task_id.0.into(), query.after.into()]))
        .await?
        .iter()
        .map(|row| Ok((get_id(row, "task_id")?, detail::message(dialect, row)?)))
        .collect()
}

/// Roots in the queue.
pub(super) async fn queued_roots(connections: &Connections) -> Result<u64, Error> {
    let row = connections
        .read
        .query_one_raw(connections.dialect.statement(
            // The second condition is that of an index, which the first one does not show to be met.
            "SELECT count(*) AS queued FROM tasks \
             WHERE parent_task_id IS NULL AND status = 2 AND status < 5",
            [],
        ))
        .await?
        .ok_or_else(|| corrupt("count", "absence"))?;
    Ok(get::<i64>(&row, "queued")?.unsigned_abs())
}

/// The name and outcome of each node subtask of a root, sorted by name.
pub(super) async fn node_outcomes(
    connections: &Connections,
    root: TaskId,
) -> Result<Vec<(Arc<str>, ResultStatus)>, Error> {
    let dialect = connections.dialect;
    let sql = format!(
        "SELECT node_name, result_status FROM tasks \
         WHERE parent_task_id = $1 AND node_name IS NOT NULL ORDER BY node_name {}",
        dialect.bytewise()
    );
    connections
        .read
        .query_all_raw(dialect.statement(&sql, [root.0.into()]))
        .await?
        .iter()
        .map(|row| {
            let number: i16 = get(row, "result_status")?;
            let status =
                ResultStatus::from_number(number).ok_or_else(|| corrupt("result", number))?;
            Ok((get_text(row, "node_name")?, status))
        })
        .collect()
}

/// A design's stored bytes.
pub(super) async fn design(
    connections: &Connections,
    digest: &str,
) -> Result<Option<Vec<u8>>, Error> {
    connections
        .read
        .query_one_raw(connections.dialect.statement(
            "SELECT bytes FROM designs WHERE digest = $1",
            [digest.into()],
        ))
        .await?
        .map(|row| get(&row, "bytes"))
        .transpose()
}
