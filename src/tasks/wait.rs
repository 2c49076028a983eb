//! Waiting until a task is final, for a time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::Tasks;
use super::error::Error;
use crate::domain::{Commit, EventKind, Task, TaskId};
use crate::store::View;

/// How a task was when the wait ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Waited {
    /// The task, with its lists.
    pub task: Task,
    /// Whether it is final; if not, the time ran out.
    pub done: bool,
}

impl Tasks {
    /// Waits until the task is final, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Purged`], [`Error::Store`], [`Error::Draining`].
    pub async fn wait(&self, task_id: TaskId, timeout: Duration) -> Result<Waited, Error> {
        // Registered before the task is read: what is committed in between is seen either way.
        let commits = self.hub.commits();
        tokio::select! {
            biased;
            waited = until_final(task_id, timeout, commits, || self.get(task_id, View::Full)) => waited,
            () = self.hub.draining() => Err(Error::Draining),
        }
    }
}

async fn until_final<F>(
    task_id: TaskId,
    timeout: Duration,
    mut commits: broadcast::Receiver<Arc<Commit>>,
    read: impl Fn() -> F,
) -> Result<Waited, Error>
where
    F: Future<Output = Result<Task, Error>>,
{
    let deadline = Instant::now() + timeout;
    let mut task = read().await?;
    // Each turn is one commit of any tree; only one that ends this task, or a gap, costs a read.
    while !task.status.is_terminal() {
        let Ok(received) = timeout_at(deadline, commits.recv()).await else {
            // As it is at the end of the wait, not as it was at its beginning.
            task = read().await?;
            break;
        };
        match received {
            Ok(commit) if !finishes(&commit, task_id) => {}
            // One that lagged may have missed the end; the store has not.
            Ok(_) | Err(RecvError::Lagged(_)) => task = read().await?,
            Err(RecvError::Closed) => return Err(Error::Draining),
        }
    }
    let done = task.status.is_terminal();
    Ok(Waited { task, done })
}

fn finishes(commit: &Commit, task_id: TaskId) -> bool {
    commit.events.iter().any(|event| {
        event.task_id == task_id
            && match event.kind {
                EventKind::TaskFinished(_) | EventKind::TaskPurged(_) => true,
                EventKind::TaskCreated(_)
                | EventKind::StatusChanged { .. }
                | EventKind::SubtaskAdded(_)
                | EventKind::ResultChanged { .. }
                | EventKind::MessageAdded(_)
                | EventKind::BuildDataAdded(_) => false,
            }
    })
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;
