//! Terminating: asking a root to stop.

use std::sync::Arc;

use super::detached::detached;
use super::error::{Error, Refusal};
use super::purge::missing;
use super::{Caller, Tasks};
use crate::clock;
use crate::domain::{Task, TaskId};
use crate::failpoint::failpoint;
use crate::store::{Terminated, Termination};

impl Tasks {
    /// Requests that a root be stopped, and answers with the task as the request left it. On one that is
    /// being stopped, or was, nothing changes. Durable when it returns.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Purged`], [`Error::Refused`], [`Error::RevisionConflict`], [`Error::Store`].
    pub async fn terminate(
        &self,
        caller: Caller,
        task_id: TaskId,
        reason: String,
        expected_revision: Option<i64>,
    ) -> Result<Task, Error> {
        let tasks = self.clone();
        detached(async move {
            let request = Termination {
                task_id,
                ts: clock::now(),
                actor: caller.actor,
                reason: Arc::from(reason),
                expected_revision,
            };
            let terminated = tasks.store.terminate(request).await?;
            failpoint!(BeforeAnswer => Err(Error::Store(crate::store::Error::Closed)));
            match terminated {
                Terminated::Accepted(task) | Terminated::Unchanged(task) => {
                    tasks.with_detail(task).await
                }
                Terminated::NotFound => Err(missing(&tasks.store, task_id).await),
                Terminated::Refused(task) => Err(Error::Refused {
                    task_id,
                    refusal: if task.is_root() {
                        Refusal::Complete
                    } else {
                        Refusal::NotARoot
                    },
                }),
                Terminated::RevisionConflict { revision } => Err(Error::RevisionConflict {
                    task_id,
                    // The store compares only with what it was given.
                    expected: expected_revision.unwrap_or_default(),
                    actual: revision,
                }),
            }
        })
        .await
    }
}
