//! What an earlier create came to.

use sea_orm::ConnectionTrait;

use super::detail;
use super::error::Error;
use super::query::top;
use super::row::{self, SELECT_TASK};
use super::sql::{Dialect, corrupt, get};
use super::write::{Created, NewRoot, RequestKey};
use crate::domain::Task;

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
