//! Replay: pages of the journal for one watcher that is behind the ring.
//!
//! A page lies in memory until its client has taken it, which may be long. So a watcher may keep
//! a small one always, and a large one, which is read many times faster, while all large ones
//! together are within a quota.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::WatchError;
use super::published::Published;
use super::source::Source;
use super::weight;
use crate::domain::Commit;
use crate::store::{JournalPage, JournalScope};

/// Pages read at once: watchers that catch up must not take every connection from the writers.
const READS_AT_ONCE: usize = 8;

/// A small page: half of the 64 KiB that a watcher may cost, because what is weighed is estimated.
pub(super) const SMALL_BYTES: usize = 32 << 10;

/// Events asked for with a small page: about as many as fit.
const SMALL_EVENTS: usize = 48;

/// A large page.
const LARGE_BYTES: usize = 512 << 10;

/// Events asked for with a large page.
const LARGE_EVENTS: usize = 512;

/// All large pages of the replica together.
const LARGE_QUOTA: usize = 32 << 20;

/// The quota is counted in this unit, because a semaphore counts in 32 bits at a time.
const UNIT: usize = 1 << 10;

/// Reads pages.
pub(super) struct Replay {
    source: Arc<dyn Source>,
    turns: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// What was read.
pub(super) struct ReplayPage {
    /// Commits in order; the first may begin before the position asked for.
    pub(super) commits: VecDeque<Arc<Published>>,
    /// The scope has nothing else up to here.
    pub(super) scanned: i64,
    /// The room that a large page takes; to be kept as long as the page.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Replay {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            turns: Arc::new(Semaphore::new(READS_AT_ONCE)),
            room: Arc::new(Semaphore::new(LARGE_QUOTA / UNIT)),
        }
    }

    /// A turn to read, in the order of asking. Whoever asks waits for it itself, so that those who
    /// leave leave the queue.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the semaphore, so there always is one.
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// What follows `after` in `scope`. Run it in a task of its own, which keeps the turn.
    pub(super) async fn read(
        self: Arc<Self>,
        _turn: Option<OwnedSemaphorePermit>,
        scope: JournalScope,
        after: i64,
    ) -> Result<ReplayPage, WatchError> {
        let units = u32::try_from(LARGE_BYTES / UNIT).unwrap_or(u32::MAX);
        // Being full is the only way it fails: nobody closes the semaphore.
        let room = Arc::clone(&self.room).try_acquire_many_owned(units).ok();
        let (events, bytes) = match room {
            Some(_) => (LARGE_EVENTS, LARGE_BYTES),
            None => (SMALL_EVENTS, SMALL_BYTES),
        };
        let page = self.source.journal(scope, after, events).await?;
        if page.clock.floor > after {
            self.check_still_whole(scope, after, &page).await?;
        }
        let (commits, scanned, kept) = trim(page, after, bytes);
        let room = room
            .filter(|_| kept > SMALL_BYTES)
            .and_then(|mut room| room.split(kept.div_ceil(UNIT).min(LARGE_BYTES / UNIT)));
        Ok(ReplayPage {
            commits,
            scanned,
            room,
        })
    }

    /// Something after the position was purged, perhaps before the page was read. Trees are purged
    /// whole, so one that is still there lost nothing.
    async fn check_still_whole(
        &self,
        scope: JournalScope,
        after: i64,
        page: &JournalPage,
    ) -> Result<(), WatchError> {
        let is_whole = match scope {
            JournalScope::Tree(root_task_id) => self.source.task(root_task_id).await?.is_some(),
            JournalScope::All => page.whole_after(after) == after,
        };
        if is_whole {
            return Ok(());
        }
        Err(WatchError::Expired {
            oldest: page.clock.floor,
            current: page.clock.last,
        })
    }
}

/// The page's first commits after `after` up to `budget` bytes, but one event at least, with how
/// far they reach and what they weigh.
fn trim(page: JournalPage, after: i64, budget: usize) -> (VecDeque<Arc<Published>>, i64, usize) {
    let mut kept = VecDeque::new();
    let mut bytes = 0;
    let mut scanned = after;
    for commit in page.commits {
        if commit.last_sequence() <= after {
            continue;
        }
        let commit = cut(commit, after, budget.saturating_sub(bytes), kept.is_empty());
        let Some((commit, whole)) = commit else {
            return (kept, scanned, bytes);
        };
        let published = Published::private(commit);
        scanned = published.commit.last_sequence();
        bytes += published.weight();
        kept.push_back(published);
        if !whole {
            return (kept, scanned, bytes);
        }
    }
    (kept, page.scanned.max(scanned), bytes)
}

/// The commit's events after `after` as far as they fit, and whether those are all; none if not
/// one fits.
fn cut(
    commit: Arc<Commit>,
    after: i64,
    budget: usize,
    at_least_one: bool,
) -> Option<(Arc<Commit>, bool)> {
    if commit.first_sequence > after && weight::of_commit(&commit) <= budget {
        return Some((commit, true));
    }
    // Negative where the whole commit follows the position.
    let begin = usize::try_from(after + 1 - commit.first_sequence).unwrap_or(0);
    let mut bytes = 0;
    let fitting = commit.events[begin..]
        .iter()
        .take_while(|event| {
            bytes += weight::of_event(event);
            bytes <= budget
        })
        .count()
        .max(usize::from(at_least_one));
    if fitting == 0 {
        return None;
    }
    let end = begin + fitting;
    let part = Commit {
        root_task_id: commit.root_task_id,
        first_sequence: commit.first_sequence + begin as i64,
        ts: commit.ts,
        facts: Arc::clone(&commit.facts),
        progress: commit.progress,
        events: commit.events[begin..end].to_vec(),
    };
    Some((Arc::new(part), end == commit.events.len()))
}
