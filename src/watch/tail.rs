//! The tail: follows the journal once for the whole replica.
//!
//! The replica's own commits arrive by broadcast and are published at once where they continue
//! the head. Whatever else there is - commits of other replicas, a hole, a lag - is read from the
//! journal. Commit order is sequence order, so once a commit is seen every lower one is readable,
//! and what is published never has a hole.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::hub::{HubError, Shared};
use crate::domain::Commit;
use crate::seeded::{Bug, seeded};
use crate::store::{Error, JournalScope};

/// Events read at a time.
pub(super) const PAGE_EVENTS: usize = 1024;

/// Commits published with one lock and one wake.
const BATCH_COMMITS: usize = 256;

/// The first wait after the store failed; each one after it is twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// The longest wait: how late, at the worst, the end of an outage is noticed.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Follows the journal.
pub(super) struct Tail {
    pub(super) shared: Arc<Shared>,
    pub(super) commits: broadcast::Receiver<Arc<Commit>>,
    pub(super) doorbell: watch::Receiver<u64>,
    pub(super) poll_interval: Duration,
    pub(super) stop: CancellationToken,
}

impl Tail {
    /// Until told to stop; an error when it cannot go on.
    pub(super) async fn run(mut self) -> Result<(), HubError> {
        let polls = self.shared.source.is_shared() && !seeded(Bug::DoorbellAlone);
        let mut has_doorbell = true;
        let mut poll = tokio::time::interval(self.poll_interval);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Own commits go first. They cannot starve others': one of those shows as a hole.
            let must_read = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                received = self.commits.recv() => match received {
                    Ok(commit) => self.follow(commit),
                    Err(RecvError::Lagged(_)) => true,
                    Err(RecvError::Closed) => return Err(HubError::StoreClosed),
                },
                changed = self.doorbell.changed(), if has_doorbell => {
                    has_doorbell = changed.is_ok();
                    true
                }
                _ = poll.tick(), if polls => true,
            };
            if must_read {
                self.catch_up().await?;
            }
        }
    }

    /// Publishes `first` and what follows it without waiting; true if something is missing.
    fn follow(&mut self, first: Arc<Commit>) -> bool {
        let mut head = self.shared.ring.head();
        let mut batch = Vec::new();
        let mut received = Ok(first);
        let mut must_read = false;
        loop {
            match received {
                // The journal told it before.
                Ok(commit) if commit.last_sequence() <= head => {}
                Ok(commit) if commit.first_sequence <= head + 1 => {
                    head = commit.last_sequence();
                    batch.push(commit);
                }
                Ok(_) | Err(TryRecvError::Lagged(_)) => {
                    must_read = true;
                    break;
                }
                // If it is closed, the next wait says so.
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
            if batch.len() == BATCH_COMMITS {
                break;
            }
            received = self.commits.try_recv();
        }
        self.publish(&batch, head);
        must_read
    }

    /// Reads and publishes the journal to its end, through any outage of the store.
    async fn catch_up(&mut self) -> Result<(), HubError> {
        let mut outage: Option<Duration> = None;
        while !self.stop.is_cancelled() {
            let head = self.shared.ring.head();
            let read = self
                .shared
                .source
                .journal(JournalScope::All, head, PAGE_EVENTS);
            let page = match read.await {
                Ok(page) => page,
                Err(problem) => {
                    if outage.is_none() {
                        log_outage(&problem);
                    }
                    let backoff = outage.map_or(FIRST_BACKOFF, |last| (2 * last).min(MAX_BACKOFF));
                    outage = Some(backoff);
                    self.stop
                        .run_until_cancelled(tokio::time::sleep(backoff))
                        .await;
                    continue;
                }
            };
            if outage.take().is_some() {
                info!(head, "the journal is readable again");
            }
            if page.clock.epoch != self.shared.epoch || page.clock.last < head {
                return Err(HubError::StoreReplaced);
            }
            self.shared.ring.note_lost(head, &page);
            self.publish(&page.commits, page.scanned);
            if page.scanned >= page.clock.last {
                return Ok(());
            }
            if self.shared.ring.head() <= head {
                return Err(HubError::Stuck { after: head });
            }
        }
        Ok(())
    }

    fn publish(&self, commits: &[Arc<Commit>], scanned: i64) {
        let head = self.shared.ring.head();
        self.shared.ring.publish(commits, scanned);
        for commit in commits {
            if commit.last_sequence() > head {
                // Without a receiver nobody misses it.
                self.shared.commits.send(Arc::clone(commit)).ok();
            }
        }
    }
}

/// Once an outage; what follows is silence until the journal is readable again.
fn log_outage(problem: &Error) {
    let cause = std::error::Error::source(problem).map(ToString::to_string);
    match problem {
        Error::Unavailable(_) | Error::Closed => {
            warn!(error = %problem, cause, "the journal cannot be read for now");
        }
        Error::Internal(_) | Error::Corrupt { .. } | Error::Sink { .. } => {
            error!(error = %problem, cause, "the journal cannot be read");
        }
    }
}
