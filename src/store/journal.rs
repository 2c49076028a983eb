//! The journal: committed events in the order of their commits.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, QueryResult};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, broadcast};

use super::codec::decode_commit;
use super::error::Error;
use super::read::{Clock, JournalPage, JournalScope};
use super::sql::{Dialect, get, get_id};
use crate::domain::Task;
use crate::domain::event::{Commit, EventKind};

/// How many commits a receiver of this replica's commits may lag before it has to read the
/// journal instead.
const PUBLISHED_COMMITS: usize = 1024;

/// The most rows of the journal read at once: a commit holds at least one event.
const MAX_PAGE_ROWS: usize = 512;

/// Rows of a tree's journal read at once in search of a task's end: most often the first has it.
const FINISH_PAGE_ROWS: usize = 8;

/// Where the journal stands.
pub(super) async fn clock<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
) -> Result<Clock, Error> {
    let row = connection
        .query_one_raw(dialect.statement(
            "SELECT last, floor, epoch, ts FROM event_clock WHERE id = 1",
            [],
        ))
        .await?
        .ok_or_else(|| super::sql::corrupt("event clock", "absence"))?;
    Ok(Clock {
        last: get(&row, "last")?,
        floor: get(&row, "floor")?,
        epoch: get(&row, "epoch")?,
        ts: dialect.get_time(&row, "ts")?,
    })
}

/// Reads commits after `after`, about `limit` events of them.
pub(super) async fn read<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    scope: JournalScope,
    after: i64,
    limit: usize,
) -> Result<JournalPage, Error> {
    // The clock first: whatever is committed later has a higher sequence.
    let clock = clock(dialect, connection).await?;
    let limit = limit.max(1);
    let rows = limit.min(MAX_PAGE_ROWS);
    let select = "SELECT last_sequence, first_sequence, root_task_id, ts, payload FROM task_events";
    let statement = match scope {
        JournalScope::All => dialect.statement(
            &format!("{select} WHERE last_sequence > $1 ORDER BY last_sequence LIMIT $2"),
            [after.into(), (rows as i64).into()],
        ),
        JournalScope::Tree(root) => dialect.statement(
            &format!(
                "{select} WHERE root_task_id = $3 AND last_sequence > $1 \
                 ORDER BY last_sequence LIMIT $2"
            ),
            [after.into(), (rows as i64).into(), root.0.into()],
        ),
    };
    let found = connection.query_all_raw(statement).await?;
    // And its floor last: what was purged before the rows were read is below it.
    let floor = self::clock(dialect, connection).await?.floor;
    let clock = Clock { floor, ..clock };
    let exhausted = found.len() < rows;
    let total = found.len();
    let mut commits = Vec::with_capacity(total);
    let mut events = 0;
    for row in &found {
        if events >= limit {
            break;
        }
        let commit = commit(dialect, row)?;
        events += commit.events.len();
        commits.push(Arc::new(commit));
    }
    let last = commits
        .last()
        .map_or(after, |commit| commit.last_sequence());
    let scanned = if exhausted && commits.len() == total {
        last.max(clock.last)
    } else {
        last
    };
    Ok(JournalPage {
        commits,
        scanned,
        clock,
    })
}

/// The commit with the `task_finished` event of a terminal task.
///
/// Searched from the moment of the task's end both ways, so that the end of one of many subtasks is found
/// without reading the others': its commit came a little later, and the clocks of its owner and of the
/// database may differ.
pub(super) async fn finishing_commit<C: ConnectionTrait>(
    dialect: Dialect,
    connection: &C,
    task: &Task,
) -> Result<Option<Arc<Commit>>, Error> {
    let ended = task.completed.unwrap_or(task.updated);
    let root = task.root_task_id;
    let before = connection
        .query_one_raw(dialect.statement(
            "SELECT last_sequence FROM task_events WHERE root_task_id = $1 AND ts < $2 \
             ORDER BY last_sequence DESC LIMIT 1",
            [root.0.into(), dialect.time(ended)],
        ))
        .await?;
    let middle = before.map_or(Ok(0), |row| get(&row, "last_sequence"))?;
    let mut later = Some(middle);
    let mut earlier = Some(middle + 1);
    while later.is_some() || earlier.is_some() {
        for (from, beyond) in [
            (&mut later, "last_sequence > $2 ORDER BY last_sequence"),
            (
                &mut earlier,
                "last_sequence < $2 ORDER BY last_sequence DESC",
            ),
        ] {
            let Some(place) = *from else { continue };
            let sql = format!(
                "SELECT last_sequence, first_sequence, root_task_id, ts, payload FROM task_events \
                 WHERE root_task_id = $1 AND {beyond} LIMIT {FINISH_PAGE_ROWS}"
            );
            let values = [root.0.into(), place.into()];
            let rows = connection
                .query_all_raw(dialect.statement(&sql, values))
                .await?;
            *from = None;
            for row in &rows {
                let commit = commit(dialect, row)?;
                if finishes(&commit, task) {
                    return Ok(Some(Arc::new(commit)));
                }
                *from = Some(commit.last_sequence());
            }
        }
    }
    Ok(None)
}

/// Whether a commit has the `task_finished` event of a task.
fn finishes(commit: &Commit, task: &Task) -> bool {
    commit.events.iter().any(|event| {
        event.task_id == task.task_id && matches!(event.kind, EventKind::TaskFinished(_))
    })
}

fn commit(dialect: Dialect, row: &QueryResult) -> Result<Commit, Error> {
    decode_commit(
        get_id(row, "root_task_id")?,
        get(row, "first_sequence")?,
        dialect.get_time(row, "ts")?,
        &get::<Vec<u8>>(row, "payload")?,
    )
}

/// Tells this process, and the others, what was committed. After the commit, never before.
#[derive(Clone)]
pub(super) struct Publisher {
    commits: broadcast::Sender<Arc<Commit>>,
    ring: Arc<Notify>,
    /// Held from before a transaction takes the clock until its commit is published.
    turn: Arc<Mutex<()>>,
}

/// The right to take the clock and publish next: this process publishes in the order of commits.
pub(super) struct Turn {
    publisher: Publisher,
    _held: OwnedMutexGuard<()>,
}

impl Publisher {
    pub(super) fn new() -> Self {
        Self {
            commits: broadcast::channel(PUBLISHED_COMMITS).0,
            ring: Arc::new(Notify::new()),
            turn: Arc::new(Mutex::new(())),
        }
    }

    /// Waits for this transaction's turn. To be asked for last, before the clock: whoever has it
    /// waits for nothing but the clock.
    pub(super) async fn turn(&self) -> Turn {
        Turn {
            publisher: self.clone(),
            _held: Arc::clone(&self.turn).lock_owned().await,
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Commit>> {
        self.commits.subscribe()
    }

    /// Resolves after something was published.
    pub(super) async fn published(&self) {
        self.ring.notified().await;
    }
}

impl Turn {
    /// Hands out committed events and rings for other replicas once.
    pub(super) fn publish(self, commits: Vec<Arc<Commit>>) {
        if commits.is_empty() {
            return;
        }
        for commit in commits {
            // Nobody listening is no error: the journal has it.
            self.publisher.commits.send(commit).ok();
        }
        self.publisher.ring.notify_one();
    }
}
