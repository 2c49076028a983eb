//! Starting the executor and stopping it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::claim::{Claimer, Shared};
use super::design_source::DesignSource;
use super::hints::{Dispatcher, Trees};
use super::lease::{Keeper, Life, begin, error_chain};
use super::options::ExecutorOptions;
use super::standing::Resting;
use crate::background::Background;
use crate::domain::{Commit, InstanceId};
use crate::driver::Registry;
use crate::failpoint::failpoint;
use crate::store::{Error, Store};

/// Tries to give the trees back at the end. After the last, others wait for the lease to run out.
const RELEASES: u32 = 3;

/// The wait between two of them.
const RELEASE_WAIT: Duration = Duration::from_millis(200);

/// Claims roots and runs them.
#[derive(Debug)]
pub struct Executor;

/// A running executor.
#[derive(Debug)]
pub struct Handle {
    life: watch::Receiver<Arc<Life>>,
    reachable: watch::Receiver<bool>,
    drain: CancellationToken,
    supervisor: JoinHandle<()>,
}

impl Executor {
    /// Registers an instance and begins to claim.
    ///
    /// `commits` are contiguous commits of all replicas. They are hints: the executor polls behind
    /// them.
    ///
    /// # Errors
    ///
    /// The instance cannot be registered.
    pub async fn start(
        store: Store,
        options: ExecutorOptions,
        commits: broadcast::Receiver<Arc<Commit>>,
        designs: Arc<dyn DesignSource>,
        drivers: Arc<Registry>,
    ) -> Result<Handle, Error> {
        let options = Arc::new(options);
        let background = store.background().clone();
        let first = begin(&store, options.lease).await?;
        let (life_sender, life) = watch::channel(first);
        let (renewals_sender, renewals) = watch::channel(0);
        let (reachable_sender, reachable) = watch::channel(true);
        let claim = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            store: store.clone(),
            resting: Arc::new(Resting::new(Arc::clone(&claim))),
            slots: Arc::new(Semaphore::new(options.max_running_nodes)),
            options: Arc::clone(&options),
            designs,
            drivers,
            trees: Arc::new(Trees::default()),
            claim,
            look: Arc::new(Notify::new()),
            drain: CancellationToken::new(),
            unclean: CancellationToken::new(),
            background: background.clone(),
        });
        // The lease is kept, and hints are passed on, until the last runner has left its root.
        let stop = CancellationToken::new();
        let keeper = Keeper {
            store: store.clone(),
            options,
            life: life_sender,
            renewals: renewals_sender,
            reachable: reachable_sender,
            stop: stop.clone(),
        };
        let dispatcher = Dispatcher {
            commits,
            trees: Arc::clone(&shared.trees),
            claim: Arc::clone(&shared.claim),
            look: Arc::clone(&shared.look),
            stop: stop.clone(),
        };
        let claimer = Claimer {
            shared: Arc::clone(&shared),
            life: life.clone(),
            renewals,
        };
        let mut parts = JoinSet::new();
        parts.spawn(background.guard("claim loop", async move {
            claimer.run().await;
            Part::Claimer
        }));
        parts.spawn(background.guard("keeper of the lease", async move {
            keeper.run().await;
            Part::Other
        }));
        parts.spawn(background.guard("dispatcher of hints", async move {
            dispatcher.run().await;
            Part::Other
        }));
        let supervisor = Supervisor {
            store,
            life: life.clone(),
            stop,
            unclean: shared.unclean.clone(),
            background: background.clone(),
            parts,
        };
        Ok(Handle {
            life,
            reachable,
            drain: shared.drain.clone(),
            supervisor: background.spawn("supervisor of the executor", supervisor.run()),
        })
    }
}

impl Handle {
    /// The instance that owns what this replica runs. A new one after a lost lease.
    pub fn instance(&self) -> InstanceId {
        self.life.borrow().instance
    }

    /// Whether the database answered the last renewal: without it this replica can neither keep its roots
    /// nor serve. Known within a renewal's interval and its bound.
    pub fn reachable(&self) -> watch::Receiver<bool> {
        self.reachable.clone()
    }

    /// Claims nothing more, lets running driver calls return, records what came of them and gives
    /// every root back, so that another replica continues at once.
    pub async fn drain(self) {
        self.drain.cancel();
        if let Err(panic) = self.supervisor.await {
            tracing::error!(%panic, "the executor's supervisor panicked");
        }
    }
}

/// Joins what the executor spawned.
struct Supervisor {
    store: Store,
    life: watch::Receiver<Arc<Life>>,
    stop: CancellationToken,
    unclean: CancellationToken,
    background: Background,
    parts: JoinSet<Part>,
}

/// What a part of the executor was.
enum Part {
    /// The claim loop, with every runner: the others serve it and end after it.
    Claimer,
    Other,
}

impl Supervisor {
    async fn run(mut self) {
        while let Some(ended) = self.parts.join_next().await {
            match ended {
                Ok(Part::Claimer) => self.stop.cancel(),
                Ok(Part::Other) => {}
                // Reported where it panicked.
                Err(_) => self.stop.cancel(),
            }
        }
        // After a panic nobody knows what a call was doing: only an expired lease, with its
        // quarantine, makes a successor careful enough.
        if !self.background.has_panicked() && !self.unclean.is_cancelled() {
            self.release().await;
        }
    }

    async fn release(&self) {
        let life = Arc::clone(&self.life.borrow());
        if life.lost.is_cancelled() {
            return;
        }
        failpoint!(BeforeRelease);
        for release in 1..=RELEASES {
            match self.store.release(life.instance).await {
                Ok(()) => {
                    tracing::info!(instance = %life.instance, "roots given back");
                    return;
                }
                Err(error) => {
                    tracing::warn!(release, error = %error_chain(&error), "roots not given back");
                }
            }
            sleep(RELEASE_WAIT).await;
        }
    }
}
