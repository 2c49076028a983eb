//! Batches of creates: roots that are asked for at the same time share a commit.
//!
//! A create is requested and queued at once, and once per idempotency key. On PostgreSQL a batch is
//! one statement, which is its own transaction; on SQLite two within one. Creates touch nothing that
//! a tree's owner writes, so they have batches of their own: neither waits for the other's rows, and
//! a root that stays locked delays no create.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::apply::event;
use super::connect::Connections;
use super::earlier;
use super::error::Error;
use super::journal::{Publisher, Turn};
use super::record::{RootEvents, append};
use super::row::{micros, timeout_us};
use super::sql::{Column, Dialect, Kind, get, get_id, hex, uuid_hex};
use super::write::{Created, NewRoot};
use crate::background::Background;
use crate::domain::event::{Commit, EventKind, RootFacts};
use crate::domain::node_filter::NodeFilterSet;
use crate::domain::{Cause, Reason, ResultStatus, Task, TaskId, TaskStatus};

/// The most creates that share a commit: more only make the others wait longer.
const MAX_BATCH: usize = 512;

/// The most creates that wait for a batch. Callers beyond it wait for room, so memory is bounded.
const MAX_QUEUED: usize = 4096;

/// The events of a create: it is requested, and queued.
const EVENTS: i64 = 2;

/// A create and who waits for it.
pub(super) struct Request {
    pub(super) create: Box<Prepared>,
    pub(super) reply: oneshot::Sender<Result<Created, Error>>,
}

/// A root with everything that can be made of it before its batch: batches come one after the other,
/// their callers side by side.
pub(super) struct Prepared {
    root: NewRoot,
    queued: Task,
    /// Its row, as JSON without the closing brace.
    row: String,
    /// What it may wait for another create: its place among those of a batch.
    key: (Arc<str>, Option<String>, TaskId),
    events: RootEvents,
}

impl Prepared {
    pub(super) fn new(root: NewRoot) -> Result<Self, Error> {
        let queued = queue(&root.task);
        let mut row = serde_json::to_string(&RootRow::new(&queued, &root)).map_err(|error| {
            Error::Corrupt {
                what: "row",
                problem: error.to_string(),
            }
        })?;
        row.pop();
        let mut events = created_events(&root.task, &queued);
        events.encode()?;
        let request_id = root.request.as_ref().map(|key| uuid_hex(key.request_id.0));
        Ok(Self {
            key: (Arc::clone(&queued.created_by), request_id, queued.task_id),
            root,
            queued,
            row,
            events,
        })
    }
}

/// What is committed, to be published.
type Committed = (Vec<Arc<Commit>>, Turn);

/// Starts the batches, which end when the last clone of the queue is gone and it is empty.
pub(super) fn start(
    connections: &Connections,
    publisher: &Publisher,
    background: &Background,
) -> (mpsc::Sender<Request>, JoinHandle<()>) {
    let (sender, requests) = mpsc::channel(MAX_QUEUED);
    let batcher = Batcher {
        sql: insert_roots(connections.dialect),
        connections: connections.clone(),
        publisher: publisher.clone(),
    };
    (
        sender,
        background.spawn("batches of creates", batcher.run(requests)),
    )
}

struct Batcher {
    sql: String,
    connections: Connections,
    publisher: Publisher,
}

impl Batcher {
    async fn run(self, mut requests: mpsc::Receiver<Request>) {
        let mut waiting = Vec::new();
        while requests.recv_many(&mut waiting, MAX_BATCH).await > 0 {
            self.create(std::mem::take(&mut waiting)).await;
        }
    }

    /// Creates what does not exist yet, and answers.
    async fn create(&self, mut requests: Vec<Request>) {
        // In one order on every replica, so that two that bring the same keys do not deadlock.
        requests.sort_unstable_by(|a, b| a.create.key.cmp(&b.create.key));
        let creates: Vec<&Prepared> = requests
            .iter()
            .map(|request| request.create.as_ref())
            .collect();
        let mut committed = self.commit(&creates).await;
        for Request { create, reply } in requests {
            let created = match &mut committed {
                Ok(new) => self.answer(*create, new).await,
                // One caller's failure must not fail the others: unless the database itself is
                // away, each is tried again alone.
                Err(error @ Error::Unavailable(_)) => Err(error.clone()),
                Err(_) => match self.commit(&[&create]).await {
                    Ok(mut new) => self.answer(*create, &mut new).await,
                    Err(error) => Err(error),
                },
            };
            // A caller that went away finds its answer in the store: nobody is told.
            reply.send(created).ok();
        }
    }

    async fn answer(&self, create: Prepared, new: &mut HashSet<TaskId>) -> Result<Created, Error> {
        // A root that was sent twice at the same moment is new once.
        if new.remove(&create.queued.task_id) {
            return Ok(Created::New(create.queued));
        }
        let connections = &self.connections;
        let earlier = earlier::earlier(connections.dialect, &connections.read, &create.root);
        connections.calls.of(earlier).await
    }

    /// Commits and publishes; the roots that are new.
    async fn commit(&self, creates: &[&Prepared]) -> Result<HashSet<TaskId>, Error> {
        let mut sent = HashSet::with_capacity(creates.len());
        let mut creates = creates.to_vec();
        creates.retain(|create| sent.insert(create.queued.task_id));
        let commit = async {
            match self.connections.dialect {
                Dialect::Postgres => self.commit_at_once(&creates).await,
                Dialect::Sqlite => self.commit_in_order(&creates).await,
            }
        };
        let (commits, turn) = self.connections.calls.of(commit).await?;
        let new = commits.iter().map(|commit| commit.root_task_id).collect();
        turn.publish(commits);
        Ok(new)
    }

    async fn commit_at_once(&self, creates: &[&Prepared]) -> Result<Committed, Error> {
        let dialect = self.connections.dialect;
        let (rows, payloads) = rows(creates);
        let mut connection = self.connections.writer().await?;
        // Not before: whoever has the turn must not wait for one who waits for it.
        let turn = self.publisher.turn().await;
        let by_id: HashMap<TaskId, &Prepared> = creates
            .iter()
            .map(|create| (create.queued.task_id, *create))
            .collect();
        let mut commits = Vec::with_capacity(creates.len());
        for row in connection.write(&self.sql, rows, payloads).await? {
            let Some(create) = by_id.get(&get_id(&row, "task_id")?) else {
                continue;
            };
            let events = &create.events;
            commits.push(Arc::new(Commit {
                root_task_id: events.root_task_id,
                first_sequence: get(&row, "first_sequence")?,
                ts: dialect.get_time(&row, "ts")?,
                facts: Arc::clone(&events.facts),
                progress: events.progress,
                events: events.events.clone(),
            }));
        }
        Ok((commits, turn))
    }

    async fn commit_in_order(&self, creates: &[&Prepared]) -> Result<Committed, Error> {
        let transaction = self.connections.begin_write().await?;
        match self.insert(&transaction, creates).await {
            Ok(committed) => {
                transaction.commit().await?;
                Ok(committed)
            }
            Err(error) => {
                // The error counts; if even this fails the connection goes, and with it the
                // transaction.
                transaction.rollback().await.ok();
                Err(error)
            }
        }
    }

    async fn insert(
        &self,
        transaction: &DatabaseTransaction,
        creates: &[&Prepared],
    ) -> Result<Committed, Error> {
        let dialect = self.connections.dialect;
        let (rows, _) = rows(creates);
        let mut new = HashSet::new();
        for row in transaction
            .query_all_raw(dialect.statement(&self.sql, [rows.into()]))
            .await?
        {
            new.insert(get_id(&row, "task_id")?);
        }
        let created = creates.iter().map(|create| &create.events);
        let events = created.filter(|events| new.contains(&events.root_task_id));
        let turn = self.publisher.turn().await;
        let commits = append(dialect, transaction, events.cloned().collect()).await?;
        Ok((commits, turn))
    }
}

/// The rows of a batch, and the payloads that they refer to.
fn rows(creates: &[&Prepared]) -> (String, Vec<u8>) {
    let mut rows = String::from("[");
    let mut payloads = Vec::new();
    for create in creates {
        if rows.len() > 1 {
            rows.push(',');
        }
        let payload = create.events.encoded();
        rows.push_str(&create.row);
        rows.push_str(&format!(
            r#","start":{},"length":{}}}"#,
            payloads.len() + 1,
            payload.len()
        ));
        payloads.extend_from_slice(payload);
    }
    rows.push(']');
    (rows, payloads)
}

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
    ("start", Kind::Number),
    ("length", Kind::Number),
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
}

/// Creates the roots in `$1` that do not exist yet, each with its spec and its audit record, and
/// returns their ids; on PostgreSQL with their events, whose payloads are in `$2`.
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
        // The clock is taken when it is known which are new: then every key was waited for.
        // `IS TRUE` keeps the planner from a join, which would look at each pair of rows.
        Dialect::Postgres => format!(
            "WITH r AS MATERIALIZED (SELECT * FROM {rows} AS e), t AS ({tasks}), \
             n AS MATERIALIZED (\
               SELECT r.*, {EVENTS} * row_number() OVER (ORDER BY r.task_id) AS last FROM r \
               WHERE (r.task_id IN (SELECT task_id FROM t)) IS TRUE), \
             s AS ({specs} FROM n AS e), a AS ({audit} FROM n AS e), \
             c AS (UPDATE event_clock \
               SET last = event_clock.last + k.events, ts = greatest(ts, clock_timestamp()) \
               FROM (SELECT {EVENTS} * count(*) AS events FROM n) AS k \
               WHERE id = 1 AND k.events > 0 \
               RETURNING event_clock.last - k.events AS base, ts), \
             j AS (INSERT INTO task_events \
                 (last_sequence, first_sequence, root_task_id, ts, payload) \
               SELECT c.base + e.last, c.base + e.last - {EVENTS} + 1, e.task_id, c.ts, \
                 substr($2, CAST(e.start AS integer), CAST(e.length AS integer)) \
               FROM c, n AS e) \
             SELECT e.task_id, c.base + e.last - {EVENTS} + 1 AS first_sequence, c.ts \
             FROM c, n AS e ORDER BY e.last",
            tasks = tasks("r")
        ),
        // A root without a spec is one that was created just before.
        Dialect::Sqlite => {
            let new = "EXISTS (SELECT 1 FROM tasks t WHERE t.task_id = e.task_id) \
                AND NOT EXISTS (SELECT 1 FROM task_specs s WHERE s.task_id = e.task_id)";
            format!(
                "{}; {audit} FROM {rows} AS e WHERE {new}; {specs} FROM {rows} AS e WHERE {new}",
                tasks(&rows)
            )
        }
    }
}

/// The task as it is once created: its first move is part of its creation.
pub(super) fn queue(task: &Task) -> Task {
    let mut queued = task.clone();
    queued.status = TaskStatus::Queued;
    queued.revision = task.revision + 1;
    queued
}

/// What is told of its creation.
pub(super) fn created_events(requested: &Task, queued: &Task) -> RootEvents {
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
        build_data: Vec::new(),
        payload: None,
    }
}
