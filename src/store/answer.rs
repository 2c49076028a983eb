//! How long an answer of PostgreSQL is waited for, and what becomes of the connection it did not come on.
//!
//! A network that swallows packets breaks no connection, and neither does a server that is frozen: without
//! a bound of our own a call would wait until TCP gives up, which is many minutes or never. What is merely
//! slow is ended by the server's timeouts; the bounds here lie beyond them, so what reaches them is silent.
//!
//! A call that reaches its bound is dropped in flight, by the task that owns its transaction. That is not
//! safe for its connection, which could go back to the pool with the transaction open. So every connection
//! that exists at that moment is distrusted first, and closed when it comes back or is about to be used.
//! (Closing the one connection alone would need it in hand; sea-orm's transactions do not give it out.)

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{DbErr, RuntimeErr};
use sqlx::pool::{PoolConnectionMetadata, PoolOptions};
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{Connection, Error as SqlxError};
use tokio::time::timeout;
use tracing::warn;

use super::error::Error;

/// The bound of a call: beyond the server's `statement_timeout` of 10 s with a connection's 3 s before it.
/// Whoever waits behind one that is silent waits for one such bound and then for no connection, less than
/// 20 s together.
pub(super) const CALL_BOUND: Duration = Duration::from_secs(15);

/// The bound of a renewal, which is one statement on one row: beyond `lock_timeout`, 2 s, and short enough
/// for a second try within a lease.
pub(super) const LEASE_BOUND: Duration = Duration::from_secs(5);

/// How long a connection may take to answer when nothing is asked of it: a part of the 3 s that a caller
/// waits for one, so that it can still open another.
const PROBE_BOUND: Duration = Duration::from_secs(1);

/// A connection that answered so shortly ago is used without asking again.
const FRESH: Duration = Duration::from_millis(50);

/// The bound of the calls of some connections, and which of these are still trusted. Every clone is the
/// same.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    /// None: the database is a file, and is always there.
    bound: Option<Duration>,
    /// Connections opened before this moment are distrusted.
    silent: Arc<Mutex<Option<Instant>>>,
}

impl Answers {
    /// Answers that are waited for as long as it takes.
    pub(super) fn unbounded() -> Self {
        Self {
            bound: None,
            silent: Arc::default(),
        }
    }

    /// Answers that come within `bound`.
    pub(super) fn within(bound: Duration) -> Self {
        Self {
            bound: Some(bound),
            silent: Arc::default(),
        }
    }

    /// The answer of `call`, or that there is none: then its outcome is unknown. Where `call` has a
    /// transaction, this must run in a task of its own, as `call` itself must.
    pub(super) async fn of<T, E: From<Error>>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.of_parts(&AtomicBool::new(false), call).await
    }

    /// As [`Self::of`], for an answer in parts: the bound begins anew when a part has come.
    pub(super) async fn of_parts<T, E: From<Error>>(
        &self,
        came: &AtomicBool,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(bound) = self.bound else {
            return call.await;
        };
        // Dropped at the end of this function, after it was noted that it fell silent.
        let mut call = pin!(call);
        loop {
            match timeout(bound, call.as_mut()).await {
                Ok(answer) => return answer,
                Err(_) if came.swap(false, Ordering::AcqRel) => {}
                Err(_) => {
                    warn!(bound_ms = bound.as_millis(), "the database is silent");
                    self.distrust();
                    return Err(Error::Unavailable(silence(bound)).into());
                }
            }
        }
    }

    /// Has the connections of a pool tested before they are used and after, and closes those that are
    /// distrusted. Instead of sqlx's own test, which waits without a bound.
    pub(super) fn guard(&self, pool: PoolOptions<Postgres>) -> PoolOptions<Postgres> {
        let (before, after) = (self.clone(), self.clone());
        pool.test_before_acquire(false)
            .before_acquire(move |connection, known| {
                let answers = before.clone();
                Box::pin(async move {
                    let probe = known.idle_for >= FRESH;
                    answers.check(connection, &known, probe).await
                })
            })
            .after_release(move |connection, known| {
                let answers = after.clone();
                Box::pin(async move { answers.check(connection, &known, true).await })
            })
    }

    /// Whether a connection may be used further; the error closes it without a word to the server.
    async fn check(
        &self,
        connection: &mut PgConnection,
        known: &PoolConnectionMetadata,
        probe: bool,
    ) -> Result<bool, SqlxError> {
        let silent = *self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent.is_some_and(|silent| silent.elapsed() < known.age) {
            return Err(silent_connection());
        }
        if probe {
            match timeout(PROBE_BOUND, connection.ping()).await {
                Ok(answer) => answer?,
                Err(_) => {
                    self.distrust();
                    return Err(silent_connection());
                }
            }
        }
        Ok(true)
    }

    fn distrust(&self) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        *silent = Some(Instant::now());
    }
}

fn silent_connection() -> SqlxError {
    io::Error::new(io::ErrorKind::TimedOut, "the connection is silent").into()
}

fn silence(bound: Duration) -> DbErr {
    let problem = format!("no answer within {} s", bound.as_secs());
    DbErr::Conn(RuntimeErr::Internal(problem))
}
