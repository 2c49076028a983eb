//! Work that goes on when its caller goes away.
//!
//! A handler is dropped when its client disconnects, in the middle of whatever it awaits, and a
//! transaction dropped half-way is not safe. So everything that writes runs in a task of its own; the
//! handler waits for it and may be dropped while it does.

use std::future::Future;

use tracing::Instrument as _;

use super::error::Error;

/// Runs `work` to its end, even if the caller is dropped, and answers with its outcome.
///
/// # Errors
///
/// Those of the work; [`Error::Interrupted`] if it panicked.
pub(super) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work.in_current_span())
        .await
        .map_err(Error::Interrupted)?
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn the_work_outlives_its_caller() {
        let (begin, begun) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let caller = tokio::spawn(detached(async move {
            begun.await.map_err(|_closed| Error::Draining)?;
            end.send(()).map_err(|()| Error::Draining)
        }));
        // Runs the caller to its wait, so that the work is spawned before the caller is dropped.
        tokio::task::yield_now().await;
        caller.abort();
        assert!(caller.await.is_err_and(|error| error.is_cancelled()));
        begin.send(()).expect("the work still waits");
        ended.await.expect("the work was finished");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_the_caller() {
        let outcome = detached::<()>(async { panic!("on purpose") }).await;
        assert!(matches!(outcome, Err(Error::Interrupted(_))));
    }
}
