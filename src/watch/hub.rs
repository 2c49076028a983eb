//! The hub: one per replica; every watch begins here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::cursor::{Cursor, drained};
use super::error::WatchError;
use super::fill::Fills;
use super::open;
use super::replay::Replay;
use super::ring::Ring;
use super::seat::Seats;
use super::source::{Source, joined};
use super::tail::{PAGE_EVENTS, Tail};
use super::watch::{Watch, WatchRequest};
use crate::background::Background;
use crate::domain::Commit;
use crate::store::{self, JournalScope, Store};

/// Commits that a receiver of [`Hub::commits`] may be behind before it lags.
const COMMIT_BACKLOG: usize = 4096;

/// Events before the current clock that the ring begins with: after a restart most watchers
/// resume from just there, all at once.
const PREFILL_EVENTS: i64 = 1024;

/// How the hub behaves.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// How often the journal is read for other replicas' commits when no hint comes.
    pub poll_interval: Duration,
    /// Events that the ring keeps at the most.
    pub ring_events: usize,
    /// About how many bytes the ring keeps at the most.
    pub ring_bytes: usize,
    /// Watches at once.
    pub max_watches: usize,
    /// How long a consumer may accept nothing before it is released; after as long again its
    /// connection is closed.
    pub stall_timeout: Duration,
    /// How long a watch lives, give or take a tenth, so that they do not all end at once.
    pub max_life: Duration,
    /// Bytes of all snapshots that are spooled at once, in memory and on disk.
    pub spool_bytes: u64,
    /// Where spools that are not small lie, without a name, so that nothing of them stays.
    pub spool_directory: PathBuf,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            ring_events: 65_536,
            ring_bytes: 64 << 20,
            max_watches: 20_000,
            stall_timeout: Duration::from_secs(60),
            max_life: Duration::from_secs(3600),
            spool_bytes: 2 << 30,
            spool_directory: std::env::temp_dir(),
        }
    }
}

/// Why the hub's background work ended. The replica cannot tell watchers anything any more: end
/// the process.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// It panicked.
    #[error("follow the journal: a task panicked")]
    Panicked(#[source] JoinError),
    /// The database was replaced by another, or an earlier copy, while we were connected.
    #[error("follow the journal: the store was replaced")]
    StoreReplaced,
    /// The store was closed before the hub was stopped.
    #[error("follow the journal: the store is closed")]
    StoreClosed,
    /// The journal's clock is ahead of its commits.
    #[error("follow the journal: nothing follows {after} although the clock is ahead")]
    Stuck {
        /// The last sequence that was read.
        after: i64,
    },
    /// It ended without being told.
    #[error("follow the journal: a task ended")]
    Ended,
}

/// The replica's watches. Cheap to clone; every clone is the same hub.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

/// The hub's background work: the tail and the sweeper.
pub struct HubHandle {
    tasks: JoinSet<Result<(), HubError>>,
    stop: CancellationToken,
    hub: Hub,
}

/// What the hub, its background work and every watch share.
pub(super) struct Shared {
    pub(super) source: Arc<dyn Source>,
    pub(super) ring: Arc<Ring>,
    pub(super) replay: Arc<Replay>,
    pub(super) fills: Arc<Fills>,
    pub(super) seats: Arc<Seats>,
    pub(super) commits: broadcast::Sender<Arc<Commit>>,
    pub(super) draining: watch::Sender<bool>,
    pub(super) epoch: i64,
    pub(super) max_life: Duration,
}

impl Hub {
    /// Starts to follow the journal from where it stands.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn start(
        store: Store,
        options: HubOptions,
    ) -> Result<(Self, HubHandle), store::Error> {
        let background = store.background().clone();
        Self::start_on(Arc::new(store), options, &background).await
    }

    pub(super) async fn start_on(
        source: Arc<dyn Source>,
        options: HubOptions,
        background: &Background,
    ) -> Result<(Self, HubHandle), store::Error> {
        // Before anything is read, so that nothing falls between.
        let commits = source.commits();
        let mut doorbell = source.doorbell();
        doorbell.mark_unchanged();
        let clock = source.clock().await?;
        let begin = (clock.last - PREFILL_EVENTS).max(clock.floor).max(0);
        let ring = Ring::new(begin, options.ring_events, options.ring_bytes);
        while ring.head() < clock.last {
            let head = ring.head();
            let page = source.journal(JournalScope::All, head, PAGE_EVENTS).await?;
            // Where there is nothing to read, the end of the journal is the place to begin.
            let scanned = if page.scanned > head {
                page.scanned
            } else {
                clock.last
            };
            ring.note_lost(head, &page);
            ring.publish(&page.commits, scanned);
        }

        let hub = Self {
            shared: Arc::new(Shared {
                ring: Arc::new(ring),
                replay: Arc::new(Replay::new(Arc::clone(&source))),
                fills: Fills::new(
                    Arc::clone(&source),
                    options.spool_bytes,
                    options.spool_directory,
                    options.max_watches,
                ),
                seats: Seats::new(options.max_watches),
                commits: broadcast::Sender::new(COMMIT_BACKLOG),
                draining: watch::Sender::new(false),
                epoch: clock.epoch,
                max_life: options.max_life,
                source,
            }),
        };
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let tail = Tail {
            shared: Arc::clone(&hub.shared),
            commits,
            doorbell,
            poll_interval: options.poll_interval,
            stop: stop.clone(),
        };
        tasks.spawn(background.guard("tail of the journal", tail.run()));
        let sweep = Arc::clone(&hub.shared.seats).sweep(options.stall_timeout, stop.clone());
        tasks.spawn(background.guard("sweeper of watches", async move {
            sweep.await;
            Ok(())
        }));
        let handle = HubHandle {
            tasks,
            stop,
            hub: hub.clone(),
        };
        Ok((hub, handle))
    }

    /// Commits of every replica in order without a hole, from now on. A receiver that lags has
    /// missed some and must look at the store itself.
    pub fn commits(&self) -> broadcast::Receiver<Arc<Commit>> {
        self.shared.commits.subscribe()
    }

    /// The highest sequence published on this replica. The store may be a moment ahead.
    pub fn head(&self) -> i64 {
        self.shared.ring.head()
    }

    /// The life of the store that this replica's tokens belong to.
    pub fn epoch(&self) -> i64 {
        self.shared.epoch
    }

    /// How many watches there are.
    pub fn watches(&self) -> usize {
        self.shared.seats.count()
    }

    /// Begins a watch. What a create or a terminate, on whatever replica, returned before this
    /// call is part of it: both are committed, and the snapshot, or the clock, is read from the
    /// database after this call and not from what this replica has published so far.
    ///
    /// # Errors
    ///
    /// No such task, a position that cannot be resumed, no room, draining, or the store failed.
    pub async fn watch(&self, request: WatchRequest) -> Result<Watch, WatchError> {
        let mut draining = self.shared.draining.subscribe();
        if *draining.borrow() {
            return Err(WatchError::Draining);
        }
        let seat = self.shared.seats.take(request.connection_kill.clone())?;
        // A task of its own, because callers are dropped when their client leaves and reads must
        // not be. It keeps the seat to its end, so that those are counted as well.
        let shared = Arc::clone(&self.shared);
        let opening = tokio::spawn(async move {
            let opening = open::open(&shared, &request).await?;
            Ok(Watch::new(seat, Cursor::new(shared, opening)))
        });
        tokio::select! {
            biased;
            () = drained(&mut draining) => Err(WatchError::Draining),
            watch = joined(opening) => watch,
        }
    }

    /// Refuses new watches and ends every watch with [`WatchError::Draining`], at once: their
    /// positions are resumable on another replica.
    pub fn drain(&self) {
        self.shared.draining.send_replace(true);
    }

    /// Whether the hub drains.
    pub fn is_draining(&self) -> bool {
        *self.shared.draining.borrow()
    }

    /// Resolves when the hub drains.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut draining = self.shared.draining.subscribe();
        async move { drained(&mut draining).await }
    }
}

impl HubHandle {
    /// Waits until background work ends by itself, which it never should, and says why.
    pub async fn ended(&mut self) -> HubError {
        match self.tasks.join_next().await {
            Some(Ok(Ok(()))) | None => HubError::Ended,
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => HubError::Panicked(error),
        }
    }

    /// Drains, ends the background work and waits for it.
    ///
    /// # Errors
    ///
    /// It had failed before.
    pub async fn stop(mut self) -> Result<(), HubError> {
        self.hub.drain();
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(HubError::Panicked)??;
        }
        Ok(())
    }
}
