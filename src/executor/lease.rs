//! The lease: how a replica knows, on its own clock, that it still owns its trees.
//!
//! A life is one instance id with one lease. Its end is measured on the monotonic clock from
//! before each renewal was sent, so that it never ends later than the database thinks. A life that
//! ended is never revived: the keeper begins another one, under another id, without trees.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::options::ExecutorOptions;
use crate::domain::InstanceId;
use crate::failpoint::failpoint;
use crate::store::{Error, Renewal, Store};

/// The wait after a failed registration or renewal. Short against the lease, so that several
/// tries fit into what is left of it.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// One instance id with one lease.
#[derive(Debug)]
pub(super) struct Life {
    /// The id that owns trees.
    pub(super) instance: InstanceId,
    /// Cancelled when the lease is lost: write nothing more, call nobody.
    pub(super) lost: CancellationToken,
    /// When the lease ends; none: never, because a file lock proves the ownership.
    ends: Mutex<Option<Instant>>,
    /// Wakes those who wait for a renewal, in the order in which they came: a `watch` has an order of
    /// its own.
    renewed: Notify,
}

impl Life {
    pub(super) fn new(instance: InstanceId, ends: Option<Instant>) -> Self {
        Self {
            instance,
            lost: CancellationToken::new(),
            ends: Mutex::new(ends),
            renewed: Notify::new(),
        }
    }

    /// What is left of the lease.
    pub(super) fn time_left(&self) -> Duration {
        if self.lost.is_cancelled() {
            return Duration::ZERO;
        }
        self.ends().map_or(Duration::MAX, |ends| {
            ends.saturating_duration_since(Instant::now())
        })
    }

    /// Waits until at least `needed` is left; false once the lease is lost.
    pub(super) async fn wait_for(&self, needed: Duration) -> bool {
        if self.time_left() >= needed {
            return true;
        }
        loop {
            // Before the look, so that no renewal comes between.
            let renewed = self.renewed.notified();
            if self.lost.is_cancelled() {
                return false;
            }
            if self.time_left() >= needed {
                return true;
            }
            tokio::select! {
                biased;
                () = self.lost.cancelled() => return false,
                () = renewed => {}
            }
        }
    }

    fn renew(&self, sent: Instant, lease: Duration) {
        if let Some(ends) = self.ends().as_mut() {
            *ends = sent + lease;
        }
        self.renewed.notify_waiters();
    }

    fn ends(&self) -> MutexGuard<'_, Option<Instant>> {
        // What is inside is written at once: no panic leaves it half made.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a life alive, and begins the next when it is lost. Publishes each, and counts renewals,
/// until `stop` is cancelled.
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) options: Arc<ExecutorOptions>,
    pub(super) life: watch::Sender<Arc<Life>>,
    pub(super) renewals: watch::Sender<u64>,
    /// Whether the database answered when it was asked last.
    pub(super) reachable: watch::Sender<bool>,
    pub(super) stop: CancellationToken,
}

/// Registers a new instance once.
pub(super) async fn begin(store: &Store, lease: Duration) -> Result<Arc<Life>, Error> {
    let instance = InstanceId::new();
    let sent = Instant::now();
    store.register(instance).await?;
    let ends = store.is_shared().then(|| sent + lease);
    tracing::info!(%instance, "instance registered");
    Ok(Arc::new(Life::new(instance, ends)))
}

impl Keeper {
    pub(super) async fn run(self) {
        loop {
            let life = Arc::clone(&self.life.borrow());
            if self.keep(&life).await == Kept::Stopped {
                return;
            }
            tracing::error!(instance = %life.instance, "lease lost");
            life.lost.cancel();
            loop {
                match begin(&self.store, self.options.lease).await {
                    Ok(next) => {
                        self.reachable.send_replace(true);
                        self.life.send_replace(next);
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(error = %error_chain(&error), "registration failed")
                    }
                }
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return,
                    () = sleep(RETRY_WAIT) => {}
                }
            }
        }
    }

    async fn keep(&self, life: &Arc<Life>) -> Kept {
        let mut wait = self.options.renew;
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Kept::Stopped,
                () = sleep(wait.min(life.time_left())) => {}
            }
            if life.time_left().is_zero() {
                return Kept::Lost;
            }
            let sent = Instant::now();
            failpoint!(BeforeRenewal);
            // The store finishes a renewal by itself: an end of the lease need not wait for it.
            let answer = tokio::select! {
                biased;
                answer = self.store.renew(life.instance) => answer,
                () = sleep(life.time_left()) => {
                    self.reachable.send_replace(false);
                    return Kept::Lost;
                }
            };
            failpoint!(AfterRenewal);
            self.reachable.send_replace(answer.is_ok());
            wait = match answer {
                Ok(Renewal::Renewed) if !life.time_left().is_zero() => {
                    life.renew(sent, self.options.lease);
                    self.renewals.send_modify(|count| *count += 1);
                    self.options.renew.saturating_sub(sent.elapsed())
                }
                Ok(Renewal::Renewed | Renewal::Lost) => return Kept::Lost,
                Err(error) => {
                    tracing::warn!(instance = %life.instance, error = %error_chain(&error), "renewal failed");
                    RETRY_WAIT
                }
            };
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Stopped,
    Lost,
}

/// An error with its causes, for a log.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);
    const NEEDED: Duration = Duration::from_secs(15);

    /// A life with `left` of its lease left.
    fn life(left: Duration) -> Arc<Life> {
        Arc::new(Life::new(InstanceId::new(), Some(Instant::now() + left)))
    }

    fn waiting(life: &Arc<Life>) -> tokio::task::JoinHandle<bool> {
        let life = Arc::clone(life);
        tokio::spawn(async move { life.wait_for(NEEDED).await })
    }

    #[tokio::test]
    async fn a_call_waits_for_the_next_renewal_when_little_is_left() {
        assert!(life(LEASE).wait_for(NEEDED).await);
        let life = life(NEEDED - Duration::from_secs(1));
        let waiting = waiting(&life);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        life.renew(Instant::now(), LEASE);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn a_renewal_counts_from_before_it_was_sent() {
        let life = life(LEASE);
        let sent = Instant::now();
        tokio::time::sleep(Duration::from_millis(5)).await;
        life.renew(sent, LEASE);
        assert!(life.time_left() <= LEASE - Duration::from_millis(5));
    }

    #[tokio::test]
    async fn a_lost_lease_ends_every_wait() {
        let life = life(Duration::ZERO);
        let waiting = waiting(&life);
        tokio::task::yield_now().await;
        life.lost.cancel();
        assert!(!waiting.await.unwrap());
        assert_eq!(life.time_left(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_file_lock_proves_ownership_for_ever() {
        let life = Life::new(InstanceId::new(), None);
        assert!(life.wait_for(NEEDED).await);
        assert_eq!(life.time_left(), Duration::MAX);
    }
}
