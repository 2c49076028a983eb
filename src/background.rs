//! Work in the background: what goes on for as long as the process does, and nobody waits for.
//!
//! A part that panicked is missed by everybody who relied on it, and by nobody at once: writes would be
//! refused for ever, or leases run out one after the other. So a panic there ends the process, after what
//! can be put away was put away, and whoever supervises it starts it again: recovery is an ordinary claim.
//! Every such part is spawned through one [`Background`], and the composition root waits for its report.
//! Work for a single call is no part of it: its panic is the answer of that call.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A part of the process that panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} panicked: {problem}")]
pub struct Panicked {
    /// What it does, in a word or two.
    pub part: &'static str,
    /// What it said.
    pub problem: Arc<str>,
}

/// What runs in the background of one process. Cheap to clone; every clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Background {
    first: Arc<watch::Sender<Option<Panicked>>>,
    #[cfg(test)]
    poison: Arc<watch::Sender<Option<&'static str>>>,
}

impl Background {
    /// Runs `work` in a task of its own, as [`Self::guard`] does.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        part: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        tokio::spawn(self.guard(part, work))
    }

    /// `work`, whose panic is logged and reported as one of `part`. The panic goes on: whoever joins the
    /// task sees it as well.
    pub(crate) fn guard<T: Send + 'static>(
        &self,
        part: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let first = Arc::clone(&self.first);
        #[cfg(test)]
        let work = self.poisoned(part, work);
        async move {
            // What was half done is not looked at again but by those who are about to end as well.
            match AssertUnwindSafe(work).catch_unwind().await {
                Ok(value) => value,
                Err(panic) => {
                    let problem = said(panic.as_ref());
                    tracing::error!(part, problem, "panicked in the background");
                    first.send_if_modified(|first| {
                        let is_first = first.is_none();
                        let problem = Arc::from(problem);
                        first.get_or_insert(Panicked { part, problem });
                        is_first
                    });
                    resume_unwind(panic)
                }
            }
        }
    }

    /// Waits for the first panic of a part: the process must end.
    pub fn panicked(&self) -> impl Future<Output = Panicked> + Send + 'static {
        let mut first = self.first.subscribe();
        async move {
            let seen = first.wait_for(Option::is_some).await;
            let seen = seen.ok().and_then(|seen| seen.clone());
            match seen {
                Some(panicked) => panicked,
                // Everything that could panic is gone.
                None => std::future::pending().await,
            }
        }
    }

    /// Whether a part has panicked.
    pub fn has_panicked(&self) -> bool {
        self.first.borrow().is_some()
    }

    /// Makes every task of `part` panic, now and from now on.
    #[cfg(test)]
    pub(crate) fn poison(&self, part: &'static str) {
        self.poison.send_replace(Some(part));
    }

    #[cfg(test)]
    fn poisoned<T: Send + 'static>(
        &self,
        part: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let mut poison = self.poison.subscribe();
        async move {
            let meant = async {
                if poison.wait_for(|meant| *meant == Some(part)).await.is_err() {
                    std::future::pending().await
                }
            };
            tokio::select! {
                biased;
                () = meant => panic!("on purpose"),
                value = work => value,
            }
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_panic_is_reported_and_goes_on() {
        let background = Background::default();
        let fine = background.spawn("fine", async { 1 });
        assert_eq!(fine.await.unwrap(), 1);
        assert!(!background.has_panicked());

        let number = 7;
        let broken = background.spawn("broken", async move { panic!("of {number}") });
        let joined: Result<(), _> = broken.await;
        assert!(joined.unwrap_err().is_panic());
        let late = background.spawn("late", async { panic!("too") });
        let joined: Result<(), _> = late.await;
        assert!(joined.unwrap_err().is_panic());
        assert!(background.has_panicked());
        let panicked = background.panicked().await;
        assert_eq!(panicked.to_string(), "broken panicked: of 7");
    }

    #[tokio::test]
    async fn a_task_that_is_aborted_is_no_panic() {
        let background = Background::default();
        let task = background.spawn("aborted", std::future::pending::<()>());
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!background.has_panicked());
    }
}
