//! Claims: a replica takes roots that nobody runs.
//!
//! The new epoch fences every earlier owner. Lease arithmetic is that of [`super::lease`].

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, QueryResult};
use uuid::Uuid;

use super::connect::Connections;
use super::detail;
use super::error::Error;
use super::lease::{USE_FIRST, now};
use super::lock;
use super::row::{self, SELECT_TASK, TASK_FROM, TASK_SELECT, parse_json};
use super::sql::{Dialect, ID_COLUMN, IdRow, corrupt, get, get_id, get_optional_text, json};
use super::write::{Claimed, PreviousOwner};
use crate::domain::{Detail, InstanceId, Task, TaskId, TaskStatus, Timestamp};
use crate::seeded::{Bug, seeded};

/// Which of the claimable roots to take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// Any that could go on: not those whose lock another root has.
    All,
    /// Those that had an owner.
    Abandoned,
    /// Those that are queued since before this moment.
    QueuedBefore(Timestamp),
}

/// Takes roots without an owner, oldest first: those that were just created, and those that were
/// given back. One round trip on PostgreSQL, where nothing has to be known of other instances.
pub(super) async fn claim_free(
    connections: &Connections,
    instance: InstanceId,
    limit: u32,
) -> Result<Vec<Claimed>, Error> {
    let dialect = connections.dialect;
    let values = [
        i64::from(limit).into(),
        instance.0.into(),
        dialect.time(crate::clock::now()),
    ];
    let statement = dialect.statement(&take_free(dialect), values);
    let rows = match dialect {
        Dialect::Postgres => connections.write_at_once(statement).await?,
        Dialect::Sqlite => {
            let transaction = connections.begin_write().await?;
            match transaction.query_all_raw(statement).await {
                Ok(rows) => {
                    transaction.commit().await?;
                    rows
                }
                Err(error) => {
                    // The first error counts; the connection goes with its transaction if this fails.
                    transaction.rollback().await.ok();
                    return Err(error.into());
                }
            }
        }
    };
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        claimed.push(free(dialect, row)?);
    }
    // Nothing is known yet of one that was never run but what it was asked.
    let mut begun: Vec<Task> = claimed
        .iter()
        .filter(|claimed| claimed.task.detail.is_none())
        .map(|claimed| claimed.task.clone())
        .collect();
    detail::load(dialect, &connections.read, &mut begun).await?;
    for (claimed, row) in claimed.iter_mut().zip(&rows) {
        if claimed.task.detail.is_none()
            && let Some(place) = begun
                .iter()
                .position(|task| task.task_id == claimed.task.task_id)
        {
            claimed.task.detail = begun.swap_remove(place).detail;
            all_targets(&mut claimed.task, row)?;
        }
    }
    Ok(claimed)
}

/// The statement of [`claim_free`]: `$1` how many, `$2` for whom, `$3` the time on SQLite.
fn take_free(dialect: Dialect) -> String {
    let alive = match dialect {
        Dialect::Postgres => "a.expires > clock_timestamp() AND ($3 IS NOT NULL)",
        Dialect::Sqlite => "a.expires > $3",
    };
    let free = format!(
        "t.parent_task_id IS NULL AND t.status < {terminal} AND t.status >= {queued} \
         AND (t.owner IS NULL OR t.released) AND NOT {waits} \
         AND EXISTS (SELECT 1 FROM active_instances a WHERE a.instance_id = $2 AND {alive}) \
         ORDER BY t.created, t.task_id LIMIT $1",
        waits = lock::would_wait("t"),
        terminal = TaskStatus::Complete as i16,
        queued = TaskStatus::Queued as i16,
    );
    let taken = taken();
    let spec = "s.site, CAST(s.target_nodes AS text) AS target_nodes, \
         CAST(s.node_filter AS text) AS node_filter";
    match dialect {
        Dialect::Postgres => format!(
            "WITH c AS MATERIALIZED (\
               SELECT t.task_id, t.owner AS previous_owner, t.released AS given_back \
               FROM tasks t WHERE {free} FOR NO KEY UPDATE OF t SKIP LOCKED), \
             t AS (UPDATE tasks SET {taken} FROM c WHERE tasks.task_id = c.task_id \
               RETURNING tasks.*, c.previous_owner, c.given_back) \
             {TASK_SELECT}, t.previous_owner, t.given_back, {spec} {from} \
             ORDER BY t.created, t.task_id",
            from = TASK_FROM.replace("FROM tasks t", "FROM t"),
        ),
        // Read as they were, because an UPDATE cannot tell what it wrote over.
        Dialect::Sqlite => format!(
            "{TASK_SELECT}, t.owner AS previous_owner, t.released AS given_back, {spec} \
             {TASK_FROM} WHERE {free}; \
             UPDATE tasks SET {taken} WHERE task_id IN (\
               SELECT t.task_id FROM tasks t WHERE {free})"
        ),
    }
}

/// What a claim for `$2` changes, in SQL. It leaves the status alone: what was to stop stops.
fn taken() -> String {
    let taken = "owner = $2, released = false, epoch = epoch + 1";
    if seeded(Bug::ClearedTerminate) {
        return format!(
            "{taken}, status = CASE status WHEN {} THEN {} ELSE status END",
            TaskStatus::Terminating as i16,
            TaskStatus::Running as i16,
        );
    }
    taken.to_owned()
}

/// Reads a row of [`take_free`].
fn free(dialect: Dialect, row: &QueryResult) -> Result<Claimed, Error> {
    let mut task = row::task(dialect, row)?;
    let epoch: i64 = get(row, "epoch")?;
    let given_back: bool = get(row, "given_back")?;
    let never_run = task.status == TaskStatus::Queued && task.result.message_count == 0;
    if never_run {
        let filter = get::<Option<String>>(row, "node_filter")?;
        task.detail = Some(Box::new(Detail {
            node_filter: filter
                .map(|text| parse_json("node filter", &text))
                .transpose()?,
            ..Detail::default()
        }));
    }
    Ok(Claimed {
        epoch: match dialect {
            Dialect::Postgres => epoch,
            Dialect::Sqlite => epoch + 1,
        },
        site: get_optional_text(row, "site")?,
        previous: match get::<Option<Uuid>>(row, "previous_owner")? {
            Some(_) if given_back => PreviousOwner::Released,
            Some(owner) => return Err(corrupt("claim", owner)),
            None => PreviousOwner::None,
        },
        task,
    })
}

/// Takes claimable roots, oldest first.
pub(super) async fn claim(
    connections: &Connections,
    instance: InstanceId,
    wanted: Wanted,
    limit: u32,
) -> Result<Vec<Claimed>, Error> {
    let dialect = connections.dialect;
    let transaction = connections.begin_write().await?;
    let claimed = match take(dialect, &transaction, instance, wanted, limit).await {
        Ok(claimed) => claimed,
        Err(error) => {
            // The first error counts; the connection goes with its transaction if this fails.
            transaction.rollback().await.ok();
            return Err(error);
        }
    };
    transaction.commit().await?;
    Ok(claimed)
}

/// Forgets the instances whose leases ran out. A lease that is being renewed at this moment is
/// left alone: its renewal was checked in time, only its commit is late, and its instance will
/// believe that it lives for another lease. One that is forgotten can never be renewed.
async fn bury<C: ConnectionTrait>(dialect: Dialect, connection: &C) -> Result<(), Error> {
    connection
        .execute_raw(dialect.statement(
            "DELETE FROM active_instances WHERE instance_id IN (\
               SELECT instance_id FROM active_instances WHERE expires <= clock_timestamp() \
               ORDER BY instance_id FOR UPDATE SKIP LOCKED)",
            [],
        ))
        .await?;
    Ok(())
}

async fn take<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    instance: InstanceId,
    wanted: Wanted,
    limit: u32,
) -> Result<Vec<Claimed>, Error> {
    let now = now(dialect);
    let claimable = match dialect {
        Dialect::Sqlite => format!(
            "(t.owner IS NULL OR t.released OR NOT EXISTS (SELECT 1 FROM active_instances a \
               WHERE a.instance_id = t.owner AND a.expires > {now}))"
        ),
        // The clock moves while a statement still sees the leases of its beginning, so only
        // whether an instance was buried can tell.
        Dialect::Postgres => {
            bury(dialect, connection).await?;
            "(t.owner IS NULL OR t.released OR NOT EXISTS (SELECT 1 FROM active_instances a \
               WHERE a.instance_id = t.owner))"
                .to_owned()
        }
    };
    let sql = format!(
        "SELECT t.task_id, t.owner, t.released FROM tasks t \
         WHERE t.parent_task_id IS NULL AND t.status < {terminal} AND t.status >= {queued} \
           AND {USE_FIRST} AND {claimable} AND {wanted} \
           AND EXISTS (SELECT 1 FROM active_instances a \
             WHERE a.instance_id = $3 AND a.expires > {now}) \
         ORDER BY {order} LIMIT $2{lock}",
        terminal = TaskStatus::Complete as i16,
        queued = TaskStatus::Queued as i16,
        order = match wanted {
            Wanted::All | Wanted::QueuedBefore(_) => "t.created, t.task_id",
            // By the index of those with an owner: a long queue is not searched for them.
            Wanted::Abandoned => "t.owner, t.created",
        },
        wanted = match wanted {
            Wanted::All => format!("NOT {}", lock::would_wait("t")),
            Wanted::Abandoned => "t.owner IS NOT NULL".to_owned(),
            Wanted::QueuedBefore(_) => {
                format!(
                    "t.status = {} AND t.created < $4",
                    TaskStatus::Queued as i16
                )
            }
        },
        lock = dialect.for_update("t", true),
    );
    let mut values = vec![
        dialect.time(crate::clock::now()),
        i64::from(limit).into(),
        instance.0.into(),
    ];
    if let Wanted::QueuedBefore(moment) = wanted {
        values.push(dialect.time(moment));
    }
    let rows = connection
        .query_all_raw(dialect.statement(&sql, values))
        .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut previous = HashMap::new();
    for row in &rows {
        let owner = get::<Option<Uuid>>(row, "owner")?.map(InstanceId);
        let released: bool = get(row, "released")?;
        previous.insert(
            get_id(row, "task_id")?,
            match owner {
                None => PreviousOwner::None,
                Some(_) if released => PreviousOwner::Released,
                Some(owner) if dialect == Dialect::Sqlite => PreviousOwner::Dead(owner),
                Some(owner) => PreviousOwner::Expired(owner),
            },
        );
    }
    let ids: Vec<IdRow> = previous.keys().copied().map(IdRow::from).collect();
    let ids = json(&ids)?;
    let selected = format!("(SELECT id FROM {} AS e)", dialect.rows("$1", ID_COLUMN));
    // A row that was claimed just before it was locked shows its new owner, whose registration
    // may be younger than what the statement above saw: it is judged again.
    let still = match dialect {
        Dialect::Sqlite => "true",
        Dialect::Postgres => &claimable,
    };
    let sql = format!(
        "UPDATE tasks AS t SET {} WHERE t.task_id IN {selected} AND {still}",
        taken()
    );
    connection
        .execute_raw(dialect.statement(&sql, [ids.clone(), instance.0.into()]))
        .await?;
    let sql = format!(
        "SELECT c.*, s.site, CAST(s.target_nodes AS text) AS target_nodes FROM \
         ({SELECT_TASK} WHERE t.task_id IN {selected} AND t.owner = $2) AS c \
         JOIN task_specs s ON s.task_id = c.task_id ORDER BY c.created, c.task_id"
    );
    let rows = connection
        .query_all_raw(dialect.statement(&sql, [ids, instance.0.into()]))
        .await?;
    let mut tasks = Vec::with_capacity(rows.len());
    for row in &rows {
        tasks.push(row::task(dialect, row)?);
    }
    detail::load(dialect, connection, &mut tasks).await?;
    tasks
        .into_iter()
        .zip(&rows)
        .map(|(task, row)| claimed(task, row, &previous))
        .collect()
}

fn claimed(
    mut task: Task,
    row: &QueryResult,
    previous: &HashMap<TaskId, PreviousOwner>,
) -> Result<Claimed, Error> {
    all_targets(&mut task, row)?;
    Ok(Claimed {
        epoch: get(row, "epoch")?,
        site: get_optional_text(row, "site")?,
        previous: previous
            .get(&task.task_id)
            .copied()
            .ok_or_else(|| corrupt("claim", task.task_id))?,
        task,
    })
}

/// An owner needs all target nodes, however many a FULL view shows.
fn all_targets(task: &mut Task, row: &QueryResult) -> Result<(), Error> {
    if let (Some(detail), Some(names)) = (
        task.detail.as_mut(),
        get::<Option<String>>(row, "target_nodes")?,
    ) {
        detail.target_nodes = parse_json("target nodes", &names)?;
    }
    Ok(())
}
