//! The group commit: writes that wait at the same time share one transaction.
//!
//! There is no timer. A batch is what queued while the one before it committed, so an idle store
//! commits at once and a busy one amortizes its statements, whose number does not depend on the
//! batch's size. Within a batch, and between replicas, the order of locks is always the same:
//! roots by id, node locks by key, then the clock, and nothing after it. The clock's row lock is
//! held to the commit, which is what makes commit order the order of sequences.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::apply::{Applied, LockedRoot, Roots, Rows};
use super::connect::Connections;
use super::create;
use super::detail;
use super::error::{Error, WriteError};
use super::journal::{self, Publisher, RootEvents};
use super::lock;
use super::purge;
use super::row::{self, SELECT_TASK, TASK_COLUMNS, update_tasks};
use super::sql::{
    Column, Dialect, ID_COLUMN, IdRow, Kind, get, get_count, get_id, hex, json, uuid_hex,
};
use super::write::{Created, NewRoot, RootChange, TreeWrite, Written};
use crate::domain::ending::Tally;
use crate::domain::task::LIST_LIMIT;
use crate::domain::{ResultStatus, Task, TaskId, TaskStatus};

/// The most writes that share a transaction: more only make the others wait longer.
const MAX_BATCH: usize = 512;

/// The most writes that wait for a batch. Callers beyond it wait for room, so memory is bounded.
const MAX_QUEUED: usize = 4096;

/// One write and who waits for it.
pub(super) enum Request {
    Create(Box<NewRoot>, oneshot::Sender<Result<Created, Error>>),
    Tree(Box<TreeWrite>, oneshot::Sender<Result<Written, WriteError>>),
}

/// A queue into the batches.
pub(super) fn queue() -> (mpsc::Sender<Request>, mpsc::Receiver<Request>) {
    mpsc::channel(MAX_QUEUED)
}

/// Commits batches until every sender is gone and the queue is empty.
pub(super) async fn run(
    connections: Connections,
    mut requests: mpsc::Receiver<Request>,
    publisher: Publisher,
) {
    let batcher = Batcher {
        sql: Sql::new(connections.dialect),
        connections,
        publisher,
    };
    let mut waiting: Vec<Request> = Vec::new();
    loop {
        // Writes whose root another transaction held go first, and then wait for its lock. They go
        // alone: whoever shared their batch would share the failure of a lock that is not freed.
        let skip_locked = waiting.is_empty();
        if skip_locked && requests.recv_many(&mut waiting, MAX_BATCH).await == 0 {
            return;
        }
        waiting = batcher
            .commit(std::mem::take(&mut waiting), skip_locked)
            .await;
    }
}

/// The statements of a batch.
struct Sql {
    lock_roots: [String; 2],
    insert_tasks: String,
    update_tasks: String,
    tally: String,
    revisions: String,
    sound_parents: String,
    start_specs: String,
    insert_designs: String,
}

const START_COLUMNS: &[Column] = &[
    ("task_id", Kind::Uuid),
    ("site", Kind::Text),
    ("target_nodes", Kind::Json),
    ("target_nodes_head", Kind::Json),
    ("design_digest", Kind::Text),
];

const DESIGN_COLUMNS: &[Column] = &[
    ("digest", Kind::Text),
    ("bytes", Kind::Bytes),
    ("fetched_at", Kind::Time),
];

#[derive(Serialize)]
struct StartRow<'a> {
    task_id: String,
    site: &'a str,
    target_nodes: &'a [Arc<str>],
    target_nodes_head: &'a [Arc<str>],
    design_digest: Option<&'a str>,
}

#[derive(Serialize)]
struct DesignRow<'a> {
    digest: &'a str,
    bytes: String,
    fetched_at: i64,
}

impl Sql {
    fn new(dialect: Dialect) -> Self {
        let ids = dialect.rows("$1", ID_COLUMN);
        let lock = |skip_locked| {
            format!(
                "{SELECT_TASK} WHERE t.task_id IN (SELECT id FROM {ids} AS e) \
                 ORDER BY t.task_id{}",
                dialect.for_update("t", skip_locked)
            )
        };
        Self {
            lock_roots: [lock(false), lock(true)],
            insert_tasks: dialect.insert("tasks", TASK_COLUMNS, "task_id"),
            update_tasks: update_tasks(dialect),
            tally: format!(
                "SELECT parent_task_id, \
                   CAST(sum(CASE WHEN result_status = {} THEN 1 ELSE 0 END) AS bigint) AS succeeded, \
                   CAST(sum(CASE WHEN result_status = {} THEN 1 ELSE 0 END) AS bigint) AS failed, \
                   CAST(sum(CASE WHEN status < {} THEN 1 ELSE 0 END) AS bigint) AS open \
                 FROM tasks WHERE parent_task_id IN (SELECT id FROM {ids} AS e) \
                 GROUP BY parent_task_id",
                ResultStatus::Success as i16,
                ResultStatus::Failure as i16,
                TaskStatus::Complete as i16,
            ),
            revisions: format!(
                "SELECT task_id, status, revision, message_count FROM tasks \
                 WHERE task_id IN (SELECT id FROM {ids} AS e)"
            ),
            sound_parents: format!(
                "SELECT p.task_id FROM tasks p WHERE p.task_id IN (SELECT id FROM {ids} AS e) \
                 AND (p.status < {terminal} OR NOT EXISTS (SELECT 1 FROM tasks c \
                   WHERE c.parent_task_id = p.task_id AND c.status < {terminal}))",
                terminal = TaskStatus::Complete as i16,
            ),
            start_specs: format!(
                "UPDATE task_specs SET site = e.site, target_nodes = e.target_nodes, \
                   target_nodes_head = e.target_nodes_head, design_digest = e.design_digest \
                 FROM {} AS e WHERE task_specs.task_id = e.task_id",
                dialect.rows("$1", START_COLUMNS)
            ),
            insert_designs: dialect.insert("designs", DESIGN_COLUMNS, ""),
        }
    }
}

/// How a write of a batch is answered.
enum Outcome {
    /// Its root was held by another transaction.
    Skipped,
    /// It was refused; nothing of it was applied.
    Refused(WriteError),
    /// It is committed, now or before.
    Written(Written),
}

/// What a batch made of a write, before its messages have numbers.
enum Fate {
    Settled(Outcome),
    Applied(TaskId, Applied),
}

impl Fate {
    fn known(root_status: TaskStatus) -> Self {
        Self::Settled(Outcome::Written(Written {
            root_status,
            message_sequences: Vec::new(),
        }))
    }
}

/// What a batch leaves for the clock.
struct Filled {
    created: Vec<Created>,
    fates: Vec<Fate>,
    events: Vec<RootEvents>,
}

struct Batcher {
    sql: Sql,
    connections: Connections,
    publisher: Publisher,
}

impl Batcher {
    /// Commits what it can, answers it, and gives back the writes whose roots were held.
    async fn commit(&self, requests: Vec<Request>, skip_locked: bool) -> Vec<Request> {
        let mut creations = Vec::new();
        let mut writes = Vec::new();
        for request in requests {
            match request {
                Request::Create(root, reply) => creations.push((root, reply)),
                Request::Tree(write, reply) => writes.push((write, reply)),
            }
        }
        let roots: Vec<&NewRoot> = creations.iter().map(|(root, _)| root.as_ref()).collect();
        let trees: Vec<&TreeWrite> = writes.iter().map(|(write, _)| write.as_ref()).collect();
        let result = self.transact(&roots, &trees, skip_locked).await;
        let shared = match result {
            Ok((created, outcomes)) => {
                let mut again = Vec::new();
                // A caller that went away finds its answer in the store: nobody is told.
                for ((_, reply), created) in creations.into_iter().zip(created) {
                    reply.send(Ok(created)).ok();
                }
                for ((write, reply), outcome) in writes.into_iter().zip(outcomes) {
                    match outcome {
                        Outcome::Skipped => again.push(Request::Tree(write, reply)),
                        Outcome::Refused(error) => {
                            reply.send(self.refused(&write, error).await).ok();
                        }
                        Outcome::Written(written) => {
                            reply.send(Ok(written)).ok();
                        }
                    }
                }
                return again;
            }
            // One caller's failure must not fail the others: unless the database itself is away,
            // each is tried again alone.
            Err(BatchError::Store(error @ Error::Unavailable(_))) => Some(error),
            Err(BatchError::Store(_) | BatchError::Mismatch) => None,
        };
        for (root, reply) in creations {
            let created = match &shared {
                Some(error) => Err(error.clone()),
                None => self.create_alone(&root).await,
            };
            reply.send(created).ok();
        }
        for (write, reply) in writes {
            let written = match &shared {
                Some(error) => Err(WriteError::Store(error.clone())),
                None => self.write_alone(&write).await,
            };
            reply.send(written).ok();
        }
        Vec::new()
    }

    async fn create_alone(&self, root: &NewRoot) -> Result<Created, Error> {
        match self.transact(&[root], &[], false).await {
            Ok((mut created, _)) => created.pop().ok_or(Error::Closed),
            Err(BatchError::Store(error)) => Err(error),
            Err(BatchError::Mismatch) => Err(Error::Closed),
        }
    }

    async fn write_alone(&self, write: &TreeWrite) -> Result<Written, WriteError> {
        match self.transact(&[], &[write], false).await {
            Ok((_, mut outcomes)) => match outcomes.pop() {
                Some(Outcome::Written(written)) => Ok(written),
                Some(Outcome::Refused(error)) => self.refused(write, error).await,
                Some(Outcome::Skipped) | None => Err(WriteError::Store(Error::Closed)),
            },
            Err(BatchError::Mismatch) => match self.known(write).await? {
                Some(root_status) => Ok(Written {
                    root_status,
                    message_sequences: Vec::new(),
                }),
                None => Err(WriteError::Illegal(
                    "a row of the tree is not as the write expects it".to_owned(),
                )),
            },
            Err(BatchError::Store(error)) => Err(WriteError::Store(error)),
        }
    }

    /// One transaction with all of it.
    async fn transact(
        &self,
        roots: &[&NewRoot],
        writes: &[&TreeWrite],
        skip_locked: bool,
    ) -> Result<(Vec<Created>, Vec<Outcome>), BatchError> {
        let transaction = self.connections.begin_write().await?;
        let done = async {
            let mut filled = self.fill(&transaction, roots, writes, skip_locked).await?;
            let events = std::mem::take(&mut filled.events);
            let turn = self.publisher.turn().await;
            let commits = journal::append(self.connections.dialect, &transaction, events).await?;
            Ok((filled, commits, turn))
        };
        let (filled, commits, turn) = match done.await {
            Ok(done) => done,
            Err(error) => {
                // The error counts; if even this fails the connection goes, and with it the
                // transaction.
                transaction.rollback().await.ok();
                return Err(error);
            }
        };
        transaction.commit().await.map_err(Error::from)?;
        let firsts: HashMap<TaskId, i64> = commits
            .iter()
            .map(|commit| (commit.root_task_id, commit.first_sequence))
            .collect();
        turn.publish(commits);
        let outcomes = filled
            .fates
            .into_iter()
            .map(|fate| match fate {
                Fate::Settled(outcome) => outcome,
                Fate::Applied(root, applied) => Outcome::Written(Written {
                    root_status: applied.root_status,
                    message_sequences: applied
                        .messages
                        .into_iter()
                        .filter_map(|index| Some(firsts.get(&root)? + index as i64))
                        .collect(),
                }),
            })
            .collect();
        Ok((filled.created, outcomes))
    }

    /// Everything but the clock and the commit.
    async fn fill(
        &self,
        transaction: &DatabaseTransaction,
        roots: &[&NewRoot],
        writes: &[&TreeWrite],
        skip_locked: bool,
    ) -> Result<Filled, BatchError> {
        let dialect = self.connections.dialect;
        let mut locked = self.lock_roots(transaction, writes, skip_locked).await?;
        let mut fates: Vec<Option<Fate>> = writes
            .iter()
            .map(|write| judge(write, locked.get(&write.root_task_id), skip_locked))
            .collect();
        let takers: Vec<&TreeWrite> = writes
            .iter()
            .zip(&fates)
            .filter(|(_, fate)| fate.is_none())
            .map(|(write, _)| *write)
            .collect();
        let locks = lock::take(dialect, transaction, &takers).await?;
        let mut rows = Rows::default();
        let mut applied: Vec<&TreeWrite> = Vec::with_capacity(writes.len());
        for (write, fate) in writes.iter().zip(&mut fates) {
            let (None, Some(root)) = (&fate, locked.get_mut(&write.root_task_id)) else {
                continue;
            };
            let holder = write
                .lock
                .as_ref()
                .and_then(|key| locks.busy.get(&(key.clone(), write.root_task_id)));
            // An earlier write of this batch may have moved the root since it was judged.
            *fate = Some(match (holder, root.check(write)) {
                (Some(holder), _) => {
                    Fate::Settled(Outcome::Refused(WriteError::NodeBusy { holder: *holder }))
                }
                (None, Err(error)) => Fate::Settled(Outcome::Refused(error)),
                (None, Ok(())) => {
                    applied.push(write);
                    Fate::Applied(write.root_task_id, root.apply(write, &mut rows))
                }
            });
        }
        let created = create::insert(dialect, transaction, roots).await?;
        self.store_rows(transaction, &rows).await?;
        self.start_roots(transaction, &applied).await?;
        self.conclude(transaction, &mut locked, &mut rows).await?;
        let updates: Vec<_> = locked.values().filter_map(LockedRoot::update_row).collect();
        self.update(transaction, &updates).await?;
        lock::undo(dialect, transaction, locks, &applied).await?;
        lock::give_back(dialect, transaction, &applied).await?;
        let (created, fresh): (Vec<_>, Vec<_>) = created.into_iter().unzip();
        Ok(Filled {
            created,
            fates: fates.into_iter().flatten().collect(),
            events: gather(locked, fresh.into_iter().flatten(), rows),
        })
    }

    async fn lock_roots(
        &self,
        transaction: &DatabaseTransaction,
        writes: &[&TreeWrite],
        skip_locked: bool,
    ) -> Result<Roots, BatchError> {
        let mut roots = Roots::new();
        if writes.is_empty() {
            return Ok(roots);
        }
        let ids: HashSet<TaskId> = writes.iter().map(|write| write.root_task_id).collect();
        let ids: Vec<IdRow> = ids.into_iter().map(IdRow::from).collect();
        let dialect = self.connections.dialect;
        let sql = &self.sql.lock_roots[usize::from(skip_locked)];
        let found = transaction
            .query_all_raw(dialect.statement(sql, [json(&ids)?]))
            .await
            .map_err(Error::from)?;
        for row in found {
            let task = row::task(dialect, &row)?;
            let epoch = get(&row, "epoch")?;
            roots.insert(task.task_id, LockedRoot::new(task, epoch));
        }
        Ok(roots)
    }

    async fn store_rows(
        &self,
        transaction: &DatabaseTransaction,
        rows: &Rows,
    ) -> Result<(), BatchError> {
        let dialect = self.connections.dialect;
        if !rows.inserts.is_empty() {
            let stored = transaction
                .query_all_raw(dialect.statement(&self.sql.insert_tasks, [json(&rows.inserts)?]))
                .await
                .map_err(Error::from)?;
            if stored.len() != rows.inserts.len() {
                return Err(BatchError::Mismatch);
            }
        }
        self.update(transaction, &rows.updates).await?;
        self.check_parents(transaction, rows).await
    }

    /// A subtask is terminal only when all its children are, and has none before it exists. For
    /// roots [`Self::conclude`] sees to it.
    async fn check_parents(
        &self,
        transaction: &DatabaseTransaction,
        rows: &Rows,
    ) -> Result<(), BatchError> {
        if rows.parents.is_empty() {
            return Ok(());
        }
        let ids: Vec<IdRow> = rows.parents.iter().copied().map(IdRow::from).collect();
        let sound = transaction
            .query_all_raw(
                self.connections
                    .dialect
                    .statement(&self.sql.sound_parents, [json(&ids)?]),
            )
            .await
            .map_err(Error::from)?;
        if sound.len() == ids.len() {
            Ok(())
        } else {
            Err(BatchError::Mismatch)
        }
    }

    async fn update(
        &self,
        transaction: &DatabaseTransaction,
        rows: &[row::UpdateRow],
    ) -> Result<(), BatchError> {
        if rows.is_empty() {
            return Ok(());
        }
        let statement = self
            .connections
            .dialect
            .statement(&self.sql.update_tasks, [json(rows)?]);
        let updated = transaction
            .query_all_raw(statement)
            .await
            .map_err(Error::from)?;
        if updated.len() == rows.len() {
            Ok(())
        } else {
            Err(BatchError::Mismatch)
        }
    }

    /// The answer to a refused write. One that conflicts with a termination may have been
    /// committed before that, and only its answer was lost.
    async fn refused(&self, write: &TreeWrite, error: WriteError) -> Result<Written, WriteError> {
        let WriteError::Conflict { .. } = error else {
            return Err(error);
        };
        match self.known(write).await? {
            Some(root_status) => Ok(Written {
                root_status,
                message_sequences: Vec::new(),
            }),
            None => Err(error),
        }
    }

    /// The root's status when the tree is already as `write` leaves it: an earlier try was
    /// committed and only its answer was lost. Asked after the rollback, so that nothing of this
    /// try is seen. What `write` does to the root itself is recognised before anything is applied.
    async fn known(&self, write: &TreeWrite) -> Result<Option<TaskStatus>, Error> {
        if write.changes.is_empty() || !matches!(write.root, RootChange::None) {
            return Ok(None);
        }
        let ids: Vec<IdRow> = write
            .changes
            .iter()
            .map(|change| change.task.task_id)
            .chain([write.root_task_id])
            .map(IdRow::from)
            .collect();
        let rows = self
            .connections
            .read
            .query_all_raw(
                self.connections
                    .dialect
                    .statement(&self.sql.revisions, [json(&ids)?]),
            )
            .await?;
        let mut stored = HashMap::new();
        for row in rows {
            let status = get::<i16>(&row, "status")?;
            let revision = get::<i64>(&row, "revision")?;
            let said = get_count(&row, "message_count")?;
            stored.insert(get_id(&row, "task_id")?, (status, revision, said));
        }
        let as_left = write.changes.iter().all(|change| {
            let task = &change.task;
            let left = (task.status as i16, task.revision, task.result.message_count);
            stored.get(&task.task_id) == Some(&left)
        });
        let root = stored.get(&write.root_task_id).filter(|_| as_left);
        Ok(root.and_then(|(status, ..)| TaskStatus::from_number(*status)))
    }

    async fn start_roots(
        &self,
        transaction: &DatabaseTransaction,
        applied: &[&TreeWrite],
    ) -> Result<(), BatchError> {
        let mut specs = Vec::new();
        let mut designs = Vec::new();
        let mut digests = HashSet::new();
        for write in applied {
            let RootChange::Start(start) = &write.root else {
                continue;
            };
            let head = start.target_nodes.len().min(LIST_LIMIT);
            specs.push(StartRow {
                task_id: uuid_hex(write.root_task_id.0),
                site: &start.site,
                target_nodes: &start.target_nodes,
                target_nodes_head: &start.target_nodes[..head],
                design_digest: start.design.as_ref().map(|design| design.digest.as_ref()),
            });
            if let Some(design) = &start.design
                && digests.insert(Arc::clone(&design.digest))
            {
                designs.push(DesignRow {
                    digest: &design.digest,
                    bytes: hex(&design.bytes),
                    fetched_at: write.now.timestamp_micros(),
                });
            }
        }
        let dialect = self.connections.dialect;
        // In one order on every replica, so that two that bring the same do not deadlock.
        designs.sort_unstable_by(|a, b| a.digest.cmp(b.digest));
        if !designs.is_empty() {
            let digests = designs.iter().map(|design| design.digest);
            purge::keep_designs(dialect, transaction, digests).await?;
            transaction
                .execute_raw(dialect.statement(&self.sql.insert_designs, [json(&designs)?]))
                .await
                .map_err(Error::from)?;
        }
        if !specs.is_empty() {
            transaction
                .execute_raw(dialect.statement(&self.sql.start_specs, [json(&specs)?]))
                .await
                .map_err(Error::from)?;
        }
        Ok(())
    }

    /// Concludes the roots that end in this batch: by now the rows of their subtasks are written.
    async fn conclude(
        &self,
        transaction: &DatabaseTransaction,
        locked: &mut Roots,
        rows: &mut Rows,
    ) -> Result<(), BatchError> {
        let mut ending: Vec<Task> = locked
            .values()
            .filter(|root| root.finish.is_some())
            .map(|root| root.task.clone())
            .collect();
        if ending.is_empty() {
            return Ok(());
        }
        let dialect = self.connections.dialect;
        let ids: Vec<IdRow> = ending
            .iter()
            .map(|task| IdRow::from(task.task_id))
            .collect();
        let found = transaction
            .query_all_raw(dialect.statement(&self.sql.tally, [json(&ids)?]))
            .await
            .map_err(Error::from)?;
        let mut tallies: HashMap<TaskId, Tally> = HashMap::new();
        for row in found {
            if get::<i64>(&row, "open")? > 0 {
                // A parent is terminal only when all its children are.
                return Err(BatchError::Mismatch);
            }
            tallies.insert(
                get_id(&row, "parent_task_id")?,
                Tally {
                    succeeded: get_count(&row, "succeeded")?,
                    failed: get_count(&row, "failed")?,
                    targets: 0,
                },
            );
        }
        // The lists of outcomes follow the final counts.
        for task in &mut ending {
            let tally = tallies.entry(task.task_id).or_default();
            tally.targets = task.target_node_count;
            task.result.succeeded = tally.succeeded;
            task.result.failed = tally.failed;
        }
        detail::load(dialect, transaction, &mut ending).await?;
        for task in ending {
            if let Some(root) = locked.get_mut(&task.task_id) {
                let mut detail = task.detail;
                if let (Some(detail), Some(start)) = (detail.as_mut(), &root.start) {
                    let head = start.target_nodes.len().min(LIST_LIMIT);
                    detail.target_nodes = start.target_nodes[..head].to_vec();
                }
                root.task.detail = detail;
                let tally = tallies.remove(&task.task_id).unwrap_or_default();
                root.conclude(tally, rows);
            }
        }
        Ok(())
    }
}

/// Why a batch failed.
#[derive(Debug)]
enum BatchError {
    /// The database failed.
    Store(Error),
    /// A row is not as its owner believes.
    Mismatch,
}

impl From<Error> for BatchError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// What is to be said of a write before anything is applied: nothing, if it may be.
fn judge(write: &TreeWrite, root: Option<&LockedRoot>, skip_locked: bool) -> Option<Fate> {
    let Some(root) = root else {
        return Some(Fate::Settled(if skip_locked {
            Outcome::Skipped
        } else {
            // A root that is gone was purged: whoever owned it has nothing left to do.
            Outcome::Refused(WriteError::Fenced)
        }));
    };
    match root.check(write) {
        Ok(()) => None,
        Err(WriteError::Conflict { .. }) if root.already_has(write) => {
            Some(Fate::known(root.task.status))
        }
        Err(error) => Some(Fate::Settled(Outcome::Refused(error))),
    }
}

/// The events of every root with those that were created, in the order of their ids.
fn gather(locked: Roots, created: impl Iterator<Item = RootEvents>, rows: Rows) -> Vec<RootEvents> {
    let mut events: Vec<RootEvents> = locked
        .into_values()
        .filter(|root| !root.events.is_empty())
        .map(|root| RootEvents {
            root_task_id: root.task.task_id,
            facts: root.facts,
            progress: root.task.progress(),
            events: root.events,
            messages: Vec::new(),
        })
        .chain(created)
        .collect();
    events.sort_unstable_by_key(|root| root.root_task_id);
    for message in rows.messages {
        let place = events.binary_search_by_key(&message.root_task_id, |root| root.root_task_id);
        if let Ok(place) = place {
            events[place].messages.push(message);
        }
    }
    events
}
