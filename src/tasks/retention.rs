//! Retention: the background work that removes what purged trees left behind, and purges old trees
//! by itself where the operator asked for it.
//!
//! Every replica does it. They do not disturb each other: each takes what no other has locked.

use std::error::Error as _;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Tasks;
use super::error::Error;

/// How long it waits after a failure: an outage of the database is most likely over by then, and
/// nothing of this is urgent.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Replicas that were started together look at different times.
const INTERVAL_SPREAD: std::ops::Range<f64> = 0.9..1.1;

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionOptions {
    /// How long a tree is kept after its end; none: until somebody purges it.
    pub tasks: Option<Duration>,
    /// How often old trees, and what others left behind, are looked for.
    pub interval: Duration,
}

/// The running background work.
pub struct RetentionHandle {
    service: JoinHandle<()>,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts the background work.
    #[must_use]
    pub fn start_retention(&self, options: RetentionOptions) -> RetentionHandle {
        let background = self.store.background();
        let stop = CancellationToken::new();
        let service = Service {
            tasks: self.clone(),
            options,
            stop: stop.clone(),
        };
        RetentionHandle {
            service: background.spawn("retention", service.run()),
            stop,
        }
    }
}

impl RetentionHandle {
    /// Waits until it ends by itself, which it never should.
    pub async fn ended(&mut self) -> Option<JoinError> {
        (&mut self.service).await.err()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.service.is_finished()
    }

    /// Ends it after the transaction at hand; what is returned waits for that.
    ///
    /// # Errors
    ///
    /// It had panicked.
    pub fn stop(self) -> impl Future<Output = Result<(), JoinError>> + Send + 'static {
        self.stop.cancel();
        self.service
    }
}

struct Service {
    tasks: Tasks,
    options: RetentionOptions,
    stop: CancellationToken,
}

impl Service {
    async fn run(self) {
        let mut due = Instant::now();
        while !self.stop.is_cancelled() {
            match self.look(due).await {
                Ok(next) => due = next,
                // It can be purged by another replica, or after a restart.
                Err(_) if self.stop.is_cancelled() => return,
                Err(error) => {
                    let cause = error.source().map(ToString::to_string);
                    warn!(%error, cause, "old tasks cannot be purged for now");
                    let pause = tokio::time::sleep(RETRY_PAUSE.min(self.options.interval));
                    self.stop.run_until_cancelled(pause).await;
                    continue;
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                () = self.tasks.purged() => {}
                () = tokio::time::sleep(due.saturating_duration_since(Instant::now())) => {}
            }
        }
    }

    /// Purges if it is time to, and sweeps until nothing is left; when to purge next.
    async fn look(&self, due: Instant) -> Result<Instant, Error> {
        let mut next = due;
        if due <= Instant::now() {
            if let Some(older_than) = self.options.tasks {
                let count = self.tasks.purge_old(older_than).await?;
                if count > 0 {
                    info!(count, "purged old tasks");
                }
            }
            next = Instant::now()
                + self
                    .options
                    .interval
                    .mul_f64(crate::random::within(INTERVAL_SPREAD));
        }
        // Each turn deletes rows that nobody adds, so there is a last one.
        while !self.stop.is_cancelled() && self.tasks.sweep().await? {}
        Ok(next)
    }
}
