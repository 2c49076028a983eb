//! The finale: the `task_finished` that ends the watch of a task which was finished before.

use std::sync::Arc;

use super::error::WatchError;
use super::hub::Shared;
use super::published::Published;
use super::source::joined;
use crate::domain::{Commit, EventKind, Task};
use crate::store;

/// The event that ends the watch of a finished task.
pub(super) enum Finale {
    /// Of this task, still to be read.
    Unread(Box<Task>),
    /// Alone in its commit.
    Read(Arc<Published>),
}

/// The `task_finished` of a terminal task, with its original sequence.
pub(super) async fn read_finale(
    shared: &Arc<Shared>,
    task: Box<Task>,
) -> Result<Arc<Published>, WatchError> {
    let task_id = task.task_id;
    let source = Arc::clone(&shared.source);
    let read = tokio::spawn(async move {
        let commit = source.finishing_commit(&task).await?;
        // A tree goes whole: where its last event is gone, so is the task.
        if commit.is_none() && source.task(task_id).await?.is_none() {
            return Err(WatchError::Purged(task_id));
        }
        Ok(commit)
    });
    let commit = joined(read).await?;
    commit
        .as_ref()
        .and_then(|commit| {
            let index = commit.events.iter().position(|event| {
                event.task_id == task_id && matches!(event.kind, EventKind::TaskFinished(_))
            })?;
            Some(single(commit, index))
        })
        .ok_or_else(|| {
            WatchError::from(store::Error::Corrupt {
                what: "journal",
                problem: format!("finished task {task_id} has no task_finished"),
            })
        })
}

/// The event at `index` as a commit of its own.
fn single(commit: &Arc<Commit>, index: usize) -> Arc<Published> {
    Published::private(Arc::new(Commit {
        root_task_id: commit.root_task_id,
        first_sequence: commit.first_sequence + index as i64,
        ts: commit.ts,
        facts: Arc::clone(&commit.facts),
        progress: commit.progress,
        events: vec![commit.events[index].clone()],
    }))
}
