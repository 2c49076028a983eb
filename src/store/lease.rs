//! Leases: which replica lives, and what it owns.
//!
//! Lease arithmetic uses the database's clock on PostgreSQL. On SQLite the file lock proves that
//! no other process lives, so the one process's own clock will do.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Value};

use super::Renewal;
use super::connect::Connections;
use super::detail;
use super::error::Error;
use super::row::{self, SELECT_TASK, parse_json};
use super::sql::{Dialect, corrupt, get, get_id};
use super::write::OpenTree;
use crate::domain::{InstanceId, Task, TaskId, TaskStatus};
use crate::seeded::{Bug, seeded};

/// The database's time now, in SQL; on SQLite the moment is given as `$1`.
pub(super) fn now(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "$1",
        Dialect::Postgres => "clock_timestamp()",
    }
}

/// The moment a lease begun now ends, in SQL; `$2` is its length in microseconds.
fn expiry(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "$1 + $2",
        Dialect::Postgres => "clock_timestamp() + $2 * interval '1 microsecond'",
    }
}

fn arguments(dialect: Dialect, lease: Duration, instance: InstanceId) -> [Value; 3] {
    [
        dialect.time(crate::clock::now()),
        i64::try_from(lease.as_micros()).unwrap_or(i64::MAX).into(),
        instance.0.into(),
    ]
}

/// PostgreSQL wants every placeholder to be used: this uses `$1` without any effect.
pub(super) const USE_FIRST: &str = "($1 IS NOT NULL)";

/// Registers an instance with a full lease. Repeating the call, because its answer was lost,
/// renews a lease that lasts and revives none that has run out.
pub(super) async fn register(
    connections: &Connections,
    lease: Duration,
    instance: InstanceId,
) -> Result<(), Error> {
    let dialect = connections.dialect;
    let (now, expiry) = (now(dialect), expiry(dialect));
    let sql = format!(
        "INSERT INTO active_instances (instance_id, started, renewed, expires) \
         SELECT $3, {now}, {now}, {expiry} WHERE {USE_FIRST} \
         ON CONFLICT (instance_id) DO UPDATE SET renewed = excluded.renewed, \
           expires = excluded.expires WHERE active_instances.expires > {now}"
    );
    connections
        .lease
        .execute_raw(dialect.statement(&sql, arguments(dialect, lease, instance)))
        .await?;
    Ok(())
}

/// Extends a lease that has not run out. One that has stays dead.
pub(super) async fn renew(
    connections: &Connections,
    lease: Duration,
    instance: InstanceId,
) -> Result<Renewal, Error> {
    let dialect = connections.dialect;
    let (now, expiry) = (now(dialect), expiry(dialect));
    // Where no other process can have taken over, a late renewal is as good as an early one.
    let alive = match dialect {
        Dialect::Sqlite => "true".to_owned(),
        Dialect::Postgres if seeded(Bug::RenewalAfterExpiry) => "true".to_owned(),
        Dialect::Postgres => format!("expires > {now}"),
    };
    let sql = format!(
        "UPDATE active_instances SET renewed = {now}, expires = {expiry} \
         WHERE instance_id = $3 AND {alive} AND {USE_FIRST}"
    );
    let renewed = connections
        .lease
        .execute_raw(dialect.statement(&sql, arguments(dialect, lease, instance)))
        .await?
        .rows_affected();
    Ok(if renewed == 1 {
        Renewal::Renewed
    } else {
        Renewal::Lost
    })
}

/// Forgets every instance: called when the SQLite file's lock proves them all dead.
pub(super) async fn forget_instances(connections: &Connections) -> Result<(), Error> {
    connections
        .lease
        .execute_raw(
            connections
                .dialect
                .statement("DELETE FROM active_instances", []),
        )
        .await?;
    Ok(())
}

/// Gives back every tree of the instance, and the instance.
pub(super) async fn release(connections: &Connections, instance: InstanceId) -> Result<(), Error> {
    let dialect = connections.dialect;
    let transaction = connections.begin_write().await?;
    for sql in [
        "UPDATE tasks SET released = true WHERE owner = $1 AND status < 5",
        "DELETE FROM active_instances WHERE instance_id = $1",
    ] {
        if let Err(error) = transaction
            .execute_raw(dialect.statement(sql, [instance.0.into()]))
            .await
        {
            // The first error counts; the lease runs out by itself if nothing else works.
            transaction.rollback().await.ok();
            return Err(error.into());
        }
    }
    Ok(transaction.commit().await?)
}

/// Gives back one root that has not begun; another owner's is left alone.
pub(super) async fn give_back(
    connections: &Connections,
    instance: InstanceId,
    root: TaskId,
) -> Result<(), Error> {
    let dialect = connections.dialect;
    let sql = format!(
        "UPDATE tasks SET owner = NULL WHERE task_id = $1 AND owner = $2 AND status = {}",
        TaskStatus::Queued as i16
    );
    let statement = dialect.statement(&sql, [root.0.into(), instance.0.into()]);
    connections.write_at_once(statement).await?;
    Ok(())
}

/// The roots that the instance owns and that are not terminal.
pub(super) async fn owned(
    connections: &Connections,
    instance: InstanceId,
) -> Result<Vec<(TaskId, i64, TaskStatus)>, Error> {
    let dialect = connections.dialect;
    connections
        .read
        .query_all_raw(dialect.statement(
            "SELECT task_id, epoch, status FROM tasks WHERE owner = $1 AND status < 5",
            [instance.0.into()],
        ))
        .await?
        .iter()
        .map(|row| {
            let status: i16 = get(row, "status")?;
            Ok((
                get_id(row, "task_id")?,
                get(row, "epoch")?,
                TaskStatus::from_number(status).ok_or_else(|| corrupt("status", status))?,
            ))
        })
        .collect()
}

/// What of a tree is not through: bounded by what runs at once, not by the tree.
pub(super) async fn open_tree(connections: &Connections, root: TaskId) -> Result<OpenTree, Error> {
    let dialect = connections.dialect;
    let transaction = connections.begin_read().await?;
    let open = "t.status < 5";
    let read = async |condition: &str| -> Result<Vec<Task>, Error> {
        let sql = format!("{SELECT_TASK} WHERE {condition} ORDER BY t.depth, t.ordinal");
        let mut tasks = Vec::new();
        for row in transaction
            .query_all_raw(dialect.statement(&sql, [root.0.into()]))
            .await?
        {
            tasks.push(row::task(dialect, &row)?);
        }
        detail::load(dialect, &transaction, &mut tasks).await?;
        Ok(tasks)
    };
    let tree = OpenTree {
        children: read(&format!("t.parent_task_id = $1 AND {open}")).await?,
        grandchildren: read(
            "t.parent_task_id IN (SELECT p.task_id FROM tasks p \
             WHERE p.parent_task_id = $1 AND p.status < 5)",
        )
        .await?,
        ended_steps: read(
            "t.parent_task_id = $1 AND t.node_name IS NULL AND t.step IS NOT NULL \
             AND t.status >= 5",
        )
        .await?,
    };
    transaction.commit().await?;
    Ok(tree)
}

/// Every target node of a root, sorted.
pub(super) async fn target_nodes(
    connections: &Connections,
    root: TaskId,
) -> Result<Vec<Arc<str>>, Error> {
    let row = connections
        .read
        .query_one_raw(connections.dialect.statement(
            "SELECT CAST(target_nodes AS text) AS target_nodes FROM task_specs WHERE task_id = $1",
            [root.0.into()],
        ))
        .await?;
    let text = row
        .map(|row| get::<Option<String>>(&row, "target_nodes"))
        .transpose()?
        .flatten();
    text.map_or(Ok(Vec::new()), |text| parse_json("target nodes", &text))
}
