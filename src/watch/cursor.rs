//! The cursor: one watcher's place in the journal, and what it is to be handed next.
//!
//! Everything in scope up to `position` has been handed out, nothing after it has. Where what
//! follows comes from - the spool, the ring, the journal - changes nothing about that, which is
//! why moving from one to the other neither loses nor repeats an event.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::error::WatchError;
use super::finale::{Finale, read_finale};
use super::hub::Shared;
use super::published::Published;
use super::replay::ReplayPage;
use super::ring::{Interest, Read};
use super::scope::Subject;
use super::source::joined;
use super::spool::SpoolReader;
use super::watch::Item;
use crate::domain::{Progress, Task};
use crate::seeded::{Bug, seeded};

/// What a watcher takes from the ring at a time: the commits stay in memory until its client has
/// taken them, even when the ring has dropped them since.
const BATCH_BYTES: usize = 32 << 10;

/// One watcher's place.
pub(super) struct Cursor {
    shared: Arc<Shared>,
    subject: Subject,
    interest: Interest,
    draining: watch::Receiver<bool>,
    phase: Phase,
    position: i64,
    /// The sequence of the last thing handed out.
    told_sequence: i64,
    batch: Batch,
    /// A page being read. Where the cursor goes first the read ends by itself: aborting it could cut
    /// a transaction in half, and at most as many as there are turns go on like that.
    reading: Option<JoinHandle<Result<ReplayPage, WatchError>>>,
    /// The watched root's counts at `position`, and those last handed out.
    progress: Option<Progress>,
    told_progress: Option<Progress>,
    /// The watched root's revision at `position`.
    revision: i64,
    heartbeat_interval: Duration,
    last_item: Instant,
    expires: Instant,
}

/// How a watch begins and goes on.
pub(super) enum Phase {
    /// A heartbeat first, which gives the client a position; then as `Live`.
    Greeting,
    /// The snapshot's tasks; then its end; then `Live`, or `Finale` if the task is finished.
    Snapshot {
        reader: SpoolReader,
        finished: Option<Box<Task>>,
    },
    /// Events as they are committed.
    Live,
    /// The `task_finished` of a task that was finished before.
    Finale(Finale),
    /// Nothing follows.
    Ended,
}

/// Commits being handed out.
#[derive(Default)]
struct Batch {
    commits: VecDeque<Arc<Published>>,
    /// The next event of the first commit.
    next: usize,
    /// The scope has nothing else up to here.
    end: i64,
    /// The room that a large page takes.
    room: Option<OwnedSemaphorePermit>,
}

/// Where and how a cursor begins.
pub(super) struct Opening {
    pub(super) subject: Subject,
    pub(super) phase: Phase,
    pub(super) position: i64,
    /// The watched root's counts, where the snapshot told them.
    pub(super) progress: Option<Progress>,
    /// The watched task's revision; 0 where no single task is watched.
    pub(super) revision: i64,
    pub(super) heartbeat_interval: Duration,
    pub(super) life: Duration,
}

type Outcome = Option<Result<Item, WatchError>>;

impl Cursor {
    pub(super) fn new(shared: Arc<Shared>, opening: Opening) -> Self {
        let now = Instant::now();
        let interest = shared.ring.interest(opening.subject.root());
        let draining = shared.draining.subscribe();
        Self {
            shared,
            subject: opening.subject,
            interest,
            draining,
            phase: opening.phase,
            position: opening.position,
            told_sequence: opening.position,
            batch: Batch::default(),
            reading: None,
            progress: opening.progress,
            told_progress: opening.progress,
            revision: opening.revision,
            heartbeat_interval: opening.heartbeat_interval,
            last_item: now,
            expires: now + opening.life,
        }
    }

    /// What can be handed out without waiting.
    pub(super) fn ready(&mut self) -> Option<Result<Item, WatchError>> {
        // One atomic load, so that a drain does not wait for a slow client to take its batch.
        if self.draining.has_changed().unwrap_or(true) {
            return Some(Err(WatchError::Draining));
        }
        let item = match &mut self.phase {
            Phase::Greeting => {
                self.phase = Phase::Live;
                Some(Ok(self.heartbeat()))
            }
            Phase::Snapshot { .. } => self.next_snapshot().transpose(),
            Phase::Live => self.next_event().map(Ok),
            Phase::Finale(Finale::Unread(_)) | Phase::Ended => None,
            Phase::Finale(Finale::Read(published)) => {
                let published = Arc::clone(published);
                self.phase = Phase::Ended;
                Some(Ok(Item::Event {
                    published,
                    index: 0,
                    replay: true,
                }))
            }
        }?;
        if let Ok(item) = &item {
            self.last_item = Instant::now();
            self.told_sequence = item.sequence();
        }
        Some(item)
    }

    /// Whether the last item was handed out: neither a drain nor a stall changes that any more.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The next item, with the cursor back; none at the end.
    pub(super) async fn advance(mut self: Box<Self>) -> (Box<Self>, Outcome) {
        let outcome = self.step().await.transpose();
        (self, outcome)
    }

    async fn step(&mut self) -> Result<Option<Item>, WatchError> {
        loop {
            if *self.draining.borrow() {
                return Err(WatchError::Draining);
            }
            if Instant::now() >= self.expires {
                return Err(WatchError::Rotated);
            }
            if let Some(item) = self.ready() {
                return item.map(Some);
            }
            match &mut self.phase {
                Phase::Greeting => {}
                Phase::Snapshot { reader, .. } => reader.refill().await?,
                Phase::Live => {
                    if let Some(item) = self.follow().await? {
                        self.last_item = Instant::now();
                        return Ok(Some(item));
                    }
                }
                Phase::Finale(Finale::Unread(task)) => {
                    let task = task.clone();
                    let published = read_finale(&self.shared, task).await?;
                    self.phase = Phase::Finale(Finale::Read(published));
                }
                Phase::Finale(Finale::Read(_)) => {}
                Phase::Ended => return Ok(None),
            }
        }
    }

    fn next_snapshot(&mut self) -> Result<Option<Item>, WatchError> {
        let Phase::Snapshot { reader, finished } = &mut self.phase else {
            return Ok(None);
        };
        let sequence = self.position;
        if !reader.is_at_end() {
            let task = reader.next().transpose()?;
            return Ok(task.map(|task| Item::Snapshot {
                task: Box::new(task),
                sequence,
            }));
        }
        let task_count = reader.task_count();
        self.phase = match finished.take() {
            Some(task) => Phase::Finale(Finale::Unread(task)),
            None => Phase::Live,
        };
        if seeded(Bug::GapBeforeLive) {
            self.position = self.position.max(self.shared.ring.head());
        }
        Ok(Some(Item::SnapshotComplete {
            sequence,
            task_count,
        }))
    }

    fn next_event(&mut self) -> Option<Item> {
        while let Some(published) = self.batch.commits.front() {
            let commit = &published.commit;
            while let Some(event) = commit.events.get(self.batch.next) {
                let index = self.batch.next;
                self.batch.next += 1;
                let sequence = published.sequence(index);
                if sequence <= self.position {
                    continue;
                }
                self.position = sequence;
                if !self.subject.wants(commit, event) {
                    continue;
                }
                if self.subject.watched_root() == Some(event.task_id) {
                    self.revision = self.revision.max(event.revision);
                }
                let published = Arc::clone(published);
                if self.subject.is_end(published.event(index)) {
                    self.phase = Phase::Ended;
                    self.batch = Batch::default();
                }
                return Some(Item::Event {
                    published,
                    index,
                    replay: false,
                });
            }
            if self.subject.watched_root() == Some(commit.root_task_id) {
                self.progress = Some(commit.progress);
            }
            self.batch.commits.pop_front();
            self.batch.next = 0;
        }
        self.batch.room = None;
        self.position = self.position.max(self.batch.end);
        None
    }

    /// Fetches what follows the position, or waits for it; an item only where there is something
    /// to tell besides events.
    async fn follow(&mut self) -> Result<Option<Item>, WatchError> {
        // A scan that finds nothing must leave room for others between its parts.
        tokio::task::coop::consume_budget().await;
        if self.reading.is_some() {
            return self.take_page().await;
        }
        // Before the read, so that what is published after it wakes us.
        self.interest.mark_seen();
        let read = self.shared.ring.read(
            &self.interest,
            self.position,
            BATCH_BYTES,
            &mut self.batch.commits,
        );
        match read {
            Read::Taken { scanned, head } => {
                self.batch.end = scanned;
                if self.batch.commits.is_empty() {
                    self.position = self.position.max(scanned);
                    if scanned >= head {
                        return Ok(self.caught_up().await);
                    }
                }
                Ok(None)
            }
            Read::Behind => {
                if self.heartbeat_is_due() {
                    return Ok(Some(self.heartbeat()));
                }
                Ok(self.begin_page().await)
            }
        }
    }

    async fn begin_page(&mut self) -> Option<Item> {
        let timer = self.time_to_next_duty();
        let replay = Arc::clone(&self.shared.replay);
        tokio::select! {
            biased;
            () = drained(&mut self.draining) => None,
            // A heartbeat costs the place in the queue. To keep it would hand turns to watchers
            // whose clients do not come back for them.
            turn = replay.turn() => {
                let read = Arc::clone(&replay).read(turn, self.subject.journal(), self.position);
                self.reading = Some(tokio::spawn(read));
                None
            }
            () = timer => self.heartbeat_is_due().then(|| self.heartbeat()),
        }
    }

    async fn take_page(&mut self) -> Result<Option<Item>, WatchError> {
        let timer = self.time_to_next_duty();
        let Some(reading) = &mut self.reading else {
            return Ok(None);
        };
        tokio::select! {
            biased;
            () = drained(&mut self.draining) => Ok(None),
            page = joined(reading) => {
                self.reading = None;
                let page = page.map_err(|error| self.subject.lost(error))?;
                self.batch.commits = page.commits;
                self.batch.end = page.scanned;
                self.batch.room = page.room;
                Ok(None)
            }
            () = timer => Ok(self.heartbeat_is_due().then(|| self.heartbeat())),
        }
    }

    async fn caught_up(&mut self) -> Option<Item> {
        if let Some(progress) = self.progress
            && self.told_progress != Some(progress)
            && let Some(task_id) = self.subject.watched_root()
        {
            self.told_progress = Some(progress);
            return Some(Item::Progress {
                task_id,
                sequence: self.told_sequence,
                revision: self.revision,
                progress,
            });
        }
        if self.heartbeat_is_due() {
            return Some(self.heartbeat());
        }
        if seeded(Bug::LostWakeUp) {
            // On another thread the same may happen without this.
            tokio::task::yield_now().await;
            self.interest.mark_seen();
        }
        let timer = self.time_to_next_duty();
        tokio::select! {
            biased;
            () = drained(&mut self.draining) => {}
            () = self.interest.changed() => {}
            () = timer => {}
        }
        None
    }

    fn heartbeat(&mut self) -> Item {
        self.told_sequence = self.position;
        Item::Heartbeat {
            sequence: self.position,
        }
    }

    fn heartbeat_is_due(&self) -> bool {
        self.last_item.elapsed() >= self.heartbeat_interval
    }

    fn time_to_next_duty(&self) -> tokio::time::Sleep {
        let heartbeat = self
            .heartbeat_interval
            .saturating_sub(self.last_item.elapsed());
        let life = self.expires.saturating_duration_since(Instant::now());
        tokio::time::sleep(heartbeat.min(life))
    }
}

/// Returns when the hub drains.
pub(super) async fn drained(draining: &mut watch::Receiver<bool>) {
    if draining.wait_for(|draining| *draining).await.is_err() {
        // The sender lives in the hub that every watch holds.
        std::future::pending::<()>().await;
    }
}
