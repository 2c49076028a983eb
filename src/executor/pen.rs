//! How an owner writes to its tree: under its epoch, again while the database is away, and not at
//! all once the tree is another's.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::lease::{Life, error_chain};
use crate::domain::{RootFacts, TaskId, TaskStatus, Timestamp};
use crate::store::{Error, RootChange, Store, TreeWrite, WriteError, Written};

/// The first wait after a write that the database could not take; doubles to the longest.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait between two tries of a write: short against what a watcher tolerates once the
/// database is back.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The longest wait of a draining replica: with those before it less than a second.
const DRAINING_WAIT: Duration = Duration::from_millis(400);

/// Writes that start a root.
pub(super) const QUEUED: &[TaskStatus] = &[TaskStatus::Queued];
/// Writes for work that only goes on while nobody asked to stop.
pub(super) const RUNNING: &[TaskStatus] = &[TaskStatus::Running];
/// Writes that end a stopped root.
pub(super) const TERMINATING: &[TaskStatus] = &[TaskStatus::Terminating];
/// Writes that record what has happened, whether or not a stop was asked for.
pub(super) const OPEN: &[TaskStatus] = &[TaskStatus::Running, TaskStatus::Terminating];

/// Why work on a tree, or on a part of it, does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halt {
    /// The tree is over, or another's, or the lease is lost: touch nothing more.
    #[error("the tree is no longer ours")]
    Gone,
    /// The root is terminating: wind down.
    #[error("the root is terminating")]
    Stopping,
    /// Another root holds the lock.
    #[error("task {0} holds the lock")]
    Busy(TaskId),
    /// A defect of ours or of the database.
    #[error("{0}")]
    Broken(String),
}

/// The right to write to one tree.
#[derive(Clone)]
pub(super) struct Pen {
    pub(super) store: Store,
    pub(super) life: Arc<Life>,
    pub(super) root_task_id: TaskId,
    pub(super) epoch: i64,
    pub(super) facts: Arc<RootFacts>,
    /// Cancelled when the tree is lost, with the lease or alone.
    pub(super) gone: CancellationToken,
    /// Cancelled when the replica drains: the database is not waited for any more.
    pub(super) drain: CancellationToken,
    /// Cancelled by a write whose outcome is unknown at the end: the trees are not given back,
    /// because a successor must be as careful as after a crash.
    pub(super) unclean: CancellationToken,
    /// Whether a step has ended with this pen.
    pub(super) progressed: Arc<AtomicBool>,
}

impl Pen {
    /// A write without content.
    pub(super) fn blank(&self, now: Timestamp, allowed: &'static [TaskStatus]) -> TreeWrite {
        TreeWrite {
            root_task_id: self.root_task_id,
            epoch: self.epoch,
            facts: Arc::clone(&self.facts),
            now,
            allowed,
            root: RootChange::None,
            changes: Vec::new(),
            root_messages: Vec::new(),
            lock: None,
            wait_for: None,
            unlock: None,
        }
    }

    /// Commits a write. While the database is away the same write is tried again for as long as
    /// the tree is ours.
    pub(super) async fn write(&self, write: TreeWrite) -> Result<Written, Halt> {
        let mut wait = FIRST_WAIT;
        loop {
            if self.gone.is_cancelled() {
                return Err(Halt::Gone);
            }
            let error = match self.store.write(write.clone()).await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            match error {
                WriteError::Fenced => {
                    tracing::warn!(task_id = %self.root_task_id, epoch = self.epoch, "fenced");
                    self.gone.cancel();
                    return Err(Halt::Gone);
                }
                WriteError::Conflict { status } => {
                    return Err(self.conflict(status, write.allowed));
                }
                WriteError::NodeBusy { holder } => return Err(Halt::Busy(holder)),
                WriteError::Store(error @ Error::Unavailable(_)) => {
                    tracing::warn!(
                        task_id = %self.root_task_id,
                        error = %error_chain(&error),
                        "write not answered, trying again"
                    );
                }
                WriteError::Store(Error::Closed) => {
                    // What was sent before it closed may be committed or not.
                    self.unclean.cancel();
                    self.gone.cancel();
                    return Err(Halt::Gone);
                }
                error @ (WriteError::Illegal(_)
                | WriteError::Store(
                    Error::Internal(_) | Error::Corrupt { .. } | Error::Sink { .. },
                )) => {
                    return Err(Halt::Broken(error_chain(&error)));
                }
            }
            if !self.wait(&mut wait).await {
                self.unclean.cancel();
                return Err(Halt::Gone);
            }
        }
    }

    /// Reads from the store, again while the database is away and the tree is ours.
    pub(super) async fn read<T, F>(&self, read: impl Fn(Store) -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut wait = FIRST_WAIT;
        loop {
            if self.gone.is_cancelled() {
                return Err(Halt::Gone);
            }
            match read(self.store.clone()).await {
                Ok(value) => return Ok(value),
                Err(Error::Closed) => return Err(Halt::Gone),
                Err(error @ (Error::Internal(_) | Error::Corrupt { .. } | Error::Sink { .. })) => {
                    return Err(Halt::Broken(error_chain(&error)));
                }
                Err(error @ Error::Unavailable(_)) => {
                    tracing::warn!(
                        task_id = %self.root_task_id,
                        error = %error_chain(&error),
                        "read not answered, trying again"
                    );
                }
            }
            if !self.wait(&mut wait).await {
                return Err(Halt::Gone);
            }
        }
    }

    /// Waits before another try; false: there is none, because the tree is lost, or because the
    /// replica drains and has tried long enough.
    pub(super) async fn wait(&self, wait: &mut Duration) -> bool {
        if self.drain.is_cancelled() && *wait > DRAINING_WAIT {
            return false;
        }
        tokio::select! {
            biased;
            () = self.gone.cancelled() => return false,
            () = self.drain.cancelled(), if !self.drain.is_cancelled() => {}
            () = sleep(*wait) => {}
        }
        *wait = (*wait * 2).min(LONGEST_WAIT);
        true
    }

    fn conflict(&self, status: TaskStatus, allowed: &[TaskStatus]) -> Halt {
        match status {
            TaskStatus::Terminating => Halt::Stopping,
            // Nothing leaves these: whatever was to be written is moot.
            TaskStatus::Complete | TaskStatus::Terminated => {
                self.gone.cancel();
                Halt::Gone
            }
            TaskStatus::Requested | TaskStatus::Queued | TaskStatus::Running => Halt::Broken(
                format!("the root is {status}, the write is for {allowed:?}"),
            ),
        }
    }
}
