//! How many tasks may wait: a bound on the queue that costs no query for each task.
//!
//! The number of queued roots is read at most once in [`FRESH_FOR`]; in between, admitted tasks are added
//! to it. So the limit is kept within what all replicas admit in that time, and a full queue refuses at
//! once. Counting in the transaction that creates was rejected: every create would wait for it.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::Error;
use crate::store;

/// How long a count is good for: short enough for a refused caller to find room soon after there is
/// some, long enough for the query to be rare.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// The bound on the queue, with the count as far as it is known.
pub(super) struct QueueLimit {
    limit: u64,
    fresh_for: Duration,
    count: Mutex<Count>,
}

/// What came of counting.
#[derive(Default)]
struct Count {
    known: Option<Known>,
    /// When it failed last, and why.
    failed: Option<(Instant, store::Error)>,
}

struct Known {
    queued: u64,
    /// How many of those were admitted since they were counted, and may have begun to run.
    admitted: u64,
    at: Instant,
}

impl QueueLimit {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            fresh_for: FRESH_FOR,
            count: Mutex::default(),
        }
    }

    /// Admits one more task, asking `count` for the number of queued roots where it is not known. Callers
    /// that come while it is being read wait for that one answer, also where it is a failure: one after the
    /// other they would wait for a database that is away as often as there are callers. Nobody is refused for tasks that were
    /// admitted a moment ago and run already: a queue that seems full is counted again.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`], and what `count` fails with.
    pub(super) async fn admit<F>(&self, count: impl Fn() -> F) -> Result<(), Error>
    where
        F: Future<Output = Result<u64, store::Error>>,
    {
        let asked = Instant::now();
        let mut state = self.count.lock().await;
        if let Some((at, error)) = &state.failed
            && *at >= asked
        {
            return Err(error.clone().into());
        }
        let mut current = match state.known.take() {
            Some(current) if current.at.elapsed() < self.fresh_for => current,
            Some(_) | None => state.read(count().await)?,
        };
        if current.queued >= self.limit && current.admitted > 0 {
            current = state.read(count().await)?;
        }
        let full = current.queued >= self.limit;
        if !full {
            current.queued += 1;
            current.admitted += 1;
        }
        state.known = Some(current);
        if full {
            return Err(Error::QueueFull { limit: self.limit });
        }
        Ok(())
    }
}

impl Count {
    fn read(&mut self, counted: Result<u64, store::Error>) -> Result<Known, store::Error> {
        match counted {
            Ok(queued) => Ok(Known::counted(queued)),
            Err(error) => {
                self.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

impl Known {
    fn counted(queued: u64) -> Self {
        Self {
            queued,
            admitted: 0,
            at: Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_admitted_counts_before_it_is_read_again() {
        let limit = QueueLimit {
            fresh_for: Duration::MAX,
            ..QueueLimit::new(10)
        };
        limit.admit(async || Ok(8)).await.expect("9 of 10");
        limit
            .admit(async || panic!("known"))
            .await
            .expect("10 of 10");
        let refused = limit.admit(async || Ok(10)).await;
        assert!(matches!(refused, Err(Error::QueueFull { limit: 10 })));
        let refused = limit.admit(async || panic!("counted a moment ago")).await;
        assert!(matches!(refused, Err(Error::QueueFull { limit: 10 })));
    }

    #[tokio::test]
    async fn a_queue_that_was_emptied_meanwhile_is_not_full() {
        let limit = QueueLimit {
            fresh_for: Duration::MAX,
            ..QueueLimit::new(2)
        };
        limit.admit(async || Ok(1)).await.expect("2 of 2");
        limit.admit(async || Ok(0)).await.expect("the two run");
    }

    #[tokio::test]
    async fn room_is_found_when_the_count_is_stale() {
        let limit = QueueLimit {
            fresh_for: Duration::ZERO,
            ..QueueLimit::new(10)
        };
        assert!(limit.admit(async || Ok(10)).await.is_err());
        limit.admit(async || Ok(3)).await.expect("4 of 10");
    }

    #[tokio::test]
    async fn those_who_wait_for_a_count_share_its_failure() {
        let limit = QueueLimit::new(10);
        let (fail, failing) = tokio::sync::watch::channel(false);
        let away = || {
            let mut failing = failing.clone();
            async move {
                failing.wait_for(|fails| *fails).await.expect("it fails");
                Err(store::Error::Closed)
            }
        };
        let second = async {
            // Begun, and waiting, before the first fails.
            tokio::task::yield_now().await;
            limit.admit(async || panic!("it is being read")).await
        };
        let fails = async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            fail.send_replace(true);
        };
        let (first, second, ()) = tokio::join!(limit.admit(away), second, fails);
        assert!(matches!(first, Err(Error::Store(store::Error::Closed))));
        assert!(matches!(second, Err(Error::Store(store::Error::Closed))));
    }

    #[tokio::test]
    async fn a_store_that_fails_admits_nothing() {
        let limit = QueueLimit::new(10);
        let refused = limit.admit(async || Err(store::Error::Closed)).await;
        assert!(matches!(refused, Err(Error::Store(store::Error::Closed))));
        limit.admit(async || Ok(0)).await.expect("asked again");
    }
}
