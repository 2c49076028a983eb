//! Snapshots: every task of a scope as of one sequence, handed on as it is read.

use sea_orm::{ConnectionTrait, DatabaseTransaction, Value};

use super::connect::Connections;
use super::detail;
use super::error::Error;
use super::journal;
use super::query::{Condition, select_tree, top};
use super::read::{Clock, SnapshotScope, View};
use super::sql::Dialect;
use crate::domain::Task;

/// Tasks that are in memory at once.
const PAGE: usize = 1000;

/// Receives the tasks of a snapshot.
pub type Sink<'a> = &'a mut (dyn FnMut(Task) -> std::io::Result<()> + Send);

/// A scope as SQL, to be read a page at a time.
struct Pages {
    select: String,
    values: Vec<Value>,
    /// The column between depth and id in the order: parents first, then as they were created.
    column: &'static str,
}

/// Reads the scope in one read transaction, the clock first. None: no such task.
pub(super) async fn read(
    connections: &Connections,
    scope: &SnapshotScope,
    sink: Sink<'_>,
) -> Result<Option<Clock>, Error> {
    let dialect = connections.dialect;
    let transaction = connections.begin_read().await?;
    let clock = journal::clock(dialect, &transaction).await?;
    let pages = match scope {
        SnapshotScope::Tree { task_id, max_depth } => {
            let Some(task) = top(dialect, &transaction, *task_id).await? else {
                return Ok(None);
            };
            Pages {
                select: select_tree(dialect, &task, *max_depth, View::Full),
                values: vec![task_id.0.into()],
                column: "ordinal",
            }
        }
        SnapshotScope::Filter(filter) => {
            let condition = Condition::new(dialect, filter)?;
            Pages {
                select: format!(
                    "{} WHERE {}",
                    detail::select(dialect, View::Full),
                    condition.sql()
                ),
                values: condition.values,
                column: "created",
            }
        }
    };
    let mut last: Option<Task> = None;
    loop {
        let tasks = pages.after(dialect, &transaction, last.as_ref()).await?;
        let full = tasks.len() == PAGE;
        last = tasks.last().cloned();
        for task in tasks {
            sink(task).map_err(|error| Error::Sink {
                problem: error.to_string(),
            })?;
        }
        if !full {
            break;
        }
    }
    transaction.commit().await?;
    Ok(Some(clock))
}

impl Pages {
    async fn after(
        &self,
        dialect: Dialect,
        transaction: &DatabaseTransaction,
        last: Option<&Task>,
    ) -> Result<Vec<Task>, Error> {
        let column = self.column;
        let mut values = self.values.clone();
        let mut sql = self.select.clone();
        if let Some(last) = last {
            let first = values.len() + 1;
            values.push(i64::from(last.depth).into());
            values.push(match column {
                "ordinal" => i64::from(last.ordinal).into(),
                _ => dialect.time(last.created),
            });
            values.push(last.task_id.0.into());
            sql.push_str(&format!(
                " AND (t.depth, t.{column}, t.task_id) > (${first}, ${}, ${})",
                first + 1,
                first + 2
            ));
        }
        sql.push_str(&format!(
            " ORDER BY t.depth, t.{column}, t.task_id LIMIT {PAGE}"
        ));
        let mut tasks = Vec::new();
        for row in transaction
            .query_all_raw(dialect.statement(&sql, values))
            .await?
        {
            tasks.push(detail::task(dialect, &row, View::Full)?);
        }
        Ok(tasks)
    }
}
