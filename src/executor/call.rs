//! The bounds of one driver call: its time, and the lease of whoever makes it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::lease::Life;
use crate::driver::{DriverError, ErrorKind};

/// A driver call that is not even polled once its time or the lease is over: a process that was
/// held up wakes too late to act, and a timeout alone would first let it.
pub(super) async fn in_time<T>(
    limit: Duration,
    life: Arc<Life>,
    call: impl Future<Output = Result<T, DriverError>>,
) -> Result<T, DriverError> {
    let deadline = Instant::now() + limit;
    let elapsed = sleep(limit);
    tokio::pin!(call, elapsed);
    poll_fn(|context| {
        if Instant::now() >= deadline || life.time_left().is_zero() {
            return Poll::Ready(Err(no_answer(limit)));
        }
        if let Poll::Ready(answer) = call.as_mut().poll(context) {
            return Poll::Ready(answer);
        }
        let elapsed = elapsed.as_mut().poll(context);
        elapsed.map(|()| Err(no_answer(limit)))
    })
    .await
}

fn no_answer(limit: Duration) -> DriverError {
    DriverError {
        kind: ErrorKind::Timeout,
        transient: true,
        not_sent: false,
        message: format!("no answer within {} ms", limit.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::InstanceId;

    #[tokio::test]
    async fn a_call_held_up_past_its_time_or_its_lease_does_not_act() {
        let held_up = |limit: u64, lease: u64| async move {
            let lease = Instant::now() + Duration::from_millis(lease);
            let life = Arc::new(Life::new(InstanceId::new(), Some(lease)));
            let mut acted = false;
            let mut first = true;
            let call = poll_fn(|context| {
                if std::mem::take(&mut first) {
                    context.waker().wake_by_ref();
                    std::thread::sleep(Duration::from_millis(20));
                    return Poll::Pending;
                }
                acted = true;
                Poll::Ready(Ok(()))
            });
            let answer = in_time(Duration::from_millis(limit), life, call).await;
            assert_eq!(answer.is_ok(), acted);
            acted
        };
        assert!(!held_up(5, 60_000).await);
        assert!(!held_up(60_000, 5).await);
        assert!(held_up(60_000, 60_000).await);
    }
}
