//! The group commit: writes that wait at the same time share one transaction.
//!
//! There is no timer. A batch is what queued while the one before it committed, so an idle store
//! commits at once and a busy one amortizes its statements, whose number does not depend on the
//! batch's size. Within a batch, and between replicas, the order of locks is always the same:
//! roots by id, node locks by key, then the clock, and nothing after it. The clock's row lock is
//! held to the commit, which is what makes commit order the order of sequences.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::apply::{Applied, BuildDataRow, LockedRoot, MessageRow, Roots, Rows};
use super::batch_parts::parts;
use super::connect::Connections;
use super::detail;
use super::error::{Error, WriteError};
use super::journal::Publisher;
use super::lock;
use super::purge;
use super::record::{Recorded, RootEvents, RowSet, record};
use super::row::{self, SELECT_TASK};
use super::sql::{Dialect, ID_COLUMN, IdRow, get, get_count, get_id, json};
use super::start;
use super::write::{RootChange, TreeWrite, Written};
use crate::background::Background;
use crate::domain::{Task, TaskId, TaskStatus};
use crate::seeded::{Bug, seeded};

/// The most writes that share a transaction: more only make the others wait longer.
const MAX_BATCH: usize = 512;

/// The most writes that wait for a batch. Callers beyond it wait for room, so memory is bounded.
const MAX_QUEUED: usize = 4096;

/// A write and who waits for it.
pub(super) struct Request {
    pub(super) write: Box<TreeWrite>,
    pub(super) reply: oneshot::Sender<Result<Written, WriteError>>,
}

/// Starts the batches, which end when the last clone of the queue is gone and it is empty. One at a
/// time: two would take the same roots' locks from each other.
pub(super) fn start(
    connections: &Connections,
    publisher: &Publisher,
    background: &Background,
) -> (mpsc::Sender<Request>, JoinHandle<()>) {
    let (sender, requests) = mpsc::channel(MAX_QUEUED);
    let batcher = Batcher {
        sql: Sql::new(connections.dialect),
        connections: connections.clone(),
        publisher: publisher.clone(),
    };
    (
        sender,
        background.spawn("batches of writes", batcher.run(requests)),
    )
}

/// The statements of a batch.
struct Sql {
    lock_roots: [String; 2],
    revisions: String,
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
            revisions: format!(
                "SELECT task_id, status, revision, message_count FROM tasks \
                 WHERE task_id IN (SELECT id FROM {ids} AS e)"
            ),
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

/// What a batch leaves to be recorded.
struct Filled<'a> {
    fates: Vec<Fate>,
    rows: Rows,
    /// The writes that are applied.
    applied: Vec<&'a TreeWrite>,
    events: Vec<RootEvents>,
}

struct Batcher {
    sql: Sql,
    connections: Connections,
    publisher: Publisher,
}

impl Batcher {
    /// Commits batches until every sender is gone and the queue is empty.
    async fn run(self, mut requests: mpsc::Receiver<Request>) {
        let mut waiting: Vec<Request> = Vec::new();
        loop {
            // Writes whose root another transaction held go first, and then wait for its lock. They
            // go alone: whoever shared their batch would share the failure of a lock that is not
            // freed.
            let skip_locked = waiting.is_empty();
            if skip_locked && requests.recv_many(&mut waiting, MAX_BATCH).await == 0 {
                return;
            }
            let mut held = Vec::new();
            for part in parts(std::mem::take(&mut waiting)) {
                // What was asked for after a write that has to wait comes after it.
                if held.is_empty() {
                    held = self.commit(part, skip_locked).await;
                } else {
                    held.extend(part);
                }
            }
            waiting = held;
        }
    }

    /// Commits what it can, answers it, and gives back the writes whose roots were held.
    async fn commit(&self, requests: Vec<Request>, skip_locked: bool) -> Vec<Request> {
        let writes: Vec<&TreeWrite> = requests
            .iter()
            .map(|request| request.write.as_ref())
            .collect();
        let shared = match self.transact(&writes, skip_locked).await {
            Ok(outcomes) => {
                let mut again = Vec::new();
                for (request, outcome) in requests.into_iter().zip(outcomes) {
                    // A caller that went away finds its answer in the store: nobody is told.
                    match outcome {
                        Outcome::Skipped => again.push(request),
                        Outcome::Refused(error) => {
                            let refused = self.refused(&request.write, error).await;
                            request.reply.send(refused).ok();
                        }
                        Outcome::Written(written) => {
                            request.reply.send(Ok(written)).ok();
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
        for Request { write, reply } in requests {
            let written = match &shared {
                Some(error) => Err(WriteError::Store(error.clone())),
                None => self.write_alone(&write).await,
            };
            reply.send(written).ok();
        }
        Vec::new()
    }

    async fn write_alone(&self, write: &TreeWrite) -> Result<Written, WriteError> {
        match self.transact(&[write], false).await {
            Ok(mut outcomes) => match outcomes.pop() {
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

    /// One transaction with all of it, within the bound of a call.
    async fn transact(
        &self,
        writes: &[&TreeWrite],
        skip_locked: bool,
    ) -> Result<Vec<Outcome>, BatchError> {
        let transaction = self.transaction(writes, skip_locked);
        self.connections.calls.of(transaction).await
    }

    async fn transaction(
        &self,
        writes: &[&TreeWrite],
        skip_locked: bool,
    ) -> Result<Vec<Outcome>, BatchError> {
        let transaction = self.connections.begin_write().await?;
        let done = async {
            if seeded(Bug::ClockBeforeWrites) {
                let clock = "UPDATE event_clock SET last = last WHERE id = 1";
                let clock = self.connections.dialect.statement(clock, []);
                transaction.execute_raw(clock).await.map_err(Error::from)?;
            }
            let mut filled = self.fill(&transaction, writes, skip_locked).await?;
            let events = std::mem::take(&mut filled.events);
            let (starts, designs) = start::rows(&filled.applied);
            let rows = RowSet {
                inserts: &filled.rows.inserts,
                updates: &filled.rows.updates,
                family: Some(&filled.rows.family),
                starts: &starts,
                designs: &designs,
            };
            let digests = designs.iter().map(|design| design.digest);
            purge::keep_designs(self.connections.dialect, &transaction, digests).await?;
            let turn = self.publisher.turn().await;
            match record(self.connections.dialect, &transaction, &rows, events).await? {
                Recorded::Commits(commits) => Ok((filled, commits, turn)),
                Recorded::Mismatch => Err(BatchError::Mismatch),
            }
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
        let committed = transaction.commit().await.map_err(Error::from);
        if !seeded(Bug::SwallowedStoreError) {
            committed?;
        }
        let firsts: HashMap<TaskId, i64> = commits
            .iter()
            .map(|commit| (commit.root_task_id, commit.first_sequence))
            .collect();
        turn.publish(commits);
        Ok(filled
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
            .collect())
    }

    /// Everything that must be known before the batch is recorded.
    async fn fill<'a>(
        &self,
        transaction: &DatabaseTransaction,
        writes: &[&'a TreeWrite],
        skip_locked: bool,
    ) -> Result<Filled<'a>, BatchError> {
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
        self.conclude(transaction, &mut locked, &mut rows).await?;
        if !rows.family.is_sound() {
            return Err(BatchError::Mismatch);
        }
        rows.updates
            .extend(locked.values().filter_map(LockedRoot::update_row));
        lock::undo(dialect, transaction, locks, &applied).await?;
        lock::give_back(dialect, transaction, &applied).await?;
        let messages = std::mem::take(&mut rows.messages);
        let build_data = std::mem::take(&mut rows.build_data);
        Ok(Filled {
            fates: fates.into_iter().flatten().collect(),
            rows,
            applied,
            events: gather(locked, messages, build_data),
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
        let connections = &self.connections;
        let select = connections
            .dialect
            .statement(&self.sql.revisions, [json(&ids)?]);
        let read = async { Ok::<_, Error>(connections.read.query_all_raw(select).await?) };
        let rows = connections.calls.of(read).await?;
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

    /// Concludes the roots that end in this batch.
    async fn conclude(
        &self,
        transaction: &DatabaseTransaction,
        locked: &mut Roots,
        rows: &mut Rows,
    ) -> Result<(), BatchError> {
        if locked.values().any(LockedRoot::ends_growing) {
            return Err(BatchError::Mismatch);
        }
        let mut ending: Vec<Task> = locked
            .values()
            .filter(|root| root.finish.is_some())
            .map(|root| root.task.clone())
            .collect();
        if ending.is_empty() {
            return Ok(());
        }
        detail::load(self.connections.dialect, transaction, &mut ending).await?;
        for task in ending {
            if let Some(root) = locked.get_mut(&task.task_id) {
                root.conclude(task.detail, rows);
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

/// The events of every root, in the order of their ids.
fn gather(
    locked: Roots,
    messages: Vec<MessageRow>,
    build_data: Vec<BuildDataRow>,
) -> Vec<RootEvents> {
    let mut events: Vec<RootEvents> = locked
        .into_values()
        .filter(|root| !root.events.is_empty())
        .map(|root| RootEvents {
            root_task_id: root.task.task_id,
            facts: root.facts,
            progress: root.task.progress(),
            events: root.events,
            messages: Vec::new(),
            build_data: Vec::new(),
            payload: None,
        })
        .collect();
    events.sort_unstable_by_key(|root| root.root_task_id);
    for message in messages {
        let place = events.binary_search_by_key(&message.root_task_id, |root| root.root_task_id);
        if let Ok(place) = place {
            events[place].messages.push(message);
        }
    }
    for row in build_data {
        let place = events.binary_search_by_key(&row.root_task_id, |root| root.root_task_id);
        if let Ok(place) = place {
            events[place].build_data.push(row);
        }
    }
    events
}
