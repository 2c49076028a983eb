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
    failed: CancellationToken,
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
        let first = begin(&store, options.lease).await?;
        let (life_sender, life) = watch::channel(first);
        let (renewals_sender, renewals) = watch::channel(0);
        let (reachable_sender, reachable) = watch::channel(true);
        let shared = Arc::new(Shared {
            store: store.clone(),
            slots: Arc::new(Semaphore::new(options.max_running_nodes)),
            options: Arc::clone(&options),
            designs,
            drivers,
            trees: Arc::new(Trees::default()),
            claim: Arc::new(Notify::new()),
            look: Arc::new(Notify::new()),
            drain: CancellationToken::new(),
            unclean: CancellationToken::new(),
            failed: CancellationToken::new(),
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
        parts.spawn(async move {
            claimer.run().await;
            Part::Claimer
        });
        parts.spawn(async move {
            keeper.run().await;
            Part::Other
        });
        parts.spawn(async move {
            dispatcher.run().await;
            Part::Other
        });
        let supervisor = Supervisor {
            store,
            life: life.clone(),
            stop,
            unclean: shared.unclean.clone(),
            failed: shared.failed.clone(),
            parts,
        };
        Ok(Handle {
            life,
            reachable,
            drain: shared.drain.clone(),
            failed: shared.failed.clone(),
            supervisor: tokio::spawn(supervisor.run()),
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

    /// Resolves when a background task panicked: the process must end, for a restart recovers
    /// what a half-running one does not.
    pub fn failed(&self) -> impl Future<Output = ()> + Send + 'static {
        self.failed.clone().cancelled_owned()
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
    failed: CancellationToken,
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
                Err(panic) => {
                    tracing::error!(%panic, "a part of the executor panicked");
                    self.failed.cancel();
                    self.stop.cancel();
                }
            }
        }
        // After a panic nobody knows what a call was doing: only an expired lease, with its
        // quarantine, makes a successor careful enough.
        if !self.failed.is_cancelled() && !self.unclean.is_cancelled() {
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
