//! Purging: deleting trees that ended long ago, and telling of a task that it was deleted.

use std::sync::Arc;
use std::time::Duration;

use super::detached::detached;
use super::error::Error;
use super::{Caller, Tasks};
use crate::clock;
use crate::domain::{SERVICE_ACTOR, TaskFilter, TaskId, Timestamp};
use crate::store::{AuditRecord, PurgePart, PurgePreview, PurgeQuery, Store};

/// The most roots that an answer names (api contract, PurgeTasks).
const SAMPLE: usize = 20;

/// Which trees to purge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRequest {
    /// How long ago a tree must have ended; what is shorter than events are kept counts as that.
    pub older_than: Duration,
    /// Only trees whose root matches.
    pub filter: Arc<TaskFilter>,
    /// Whether they are deleted; otherwise they are counted.
    pub force: bool,
}

impl Tasks {
    /// Deletes trees, each whole, or counts those that would be deleted. Durable when it returns.
    /// An error may leave some of them deleted: the request can be made again.
    ///
    /// # Errors
    ///
    /// [`Error::Store`], [`Error::Draining`].
    pub async fn purge(
        &self,
        caller: Caller,
        request: PurgeRequest,
    ) -> Result<PurgePreview, Error> {
        let tasks = self.clone();
        detached(async move {
            let Some(ended_until) = tasks.latest_end(request.older_than) else {
                return Ok(PurgePreview::default());
            };
            let query = PurgeQuery {
                ended_until,
                filter: request.filter,
            };
            if !request.force {
                return Ok(tasks.store.preview_purge(query).await?);
            }
            tasks.delete(caller.actor, query).await
        })
        .await
    }

    /// Deletes every tree that ended so long ago, in the service's own name; how many.
    ///
    /// # Errors
    ///
    /// Those of [`Self::purge`].
    pub(super) async fn purge_old(&self, older_than: Duration) -> Result<u64, Error> {
        let Some(ended_until) = self.latest_end(older_than) else {
            return Ok(0);
        };
        let query = PurgeQuery {
            ended_until,
            filter: Arc::default(),
        };
        let purged = self.delete(Arc::from(SERVICE_ACTOR), query).await?;
        Ok(purged.count)
    }

    /// Removes some of what purged trees left behind. False: there was nothing.
    pub(super) async fn sweep(&self) -> Result<bool, Error> {
        Ok(self.store.sweep().await?)
    }

    /// Resolves once something was purged since it resolved last.
    pub(super) async fn purged(&self) {
        self.purged.notified().await;
    }

    /// When a tree must have ended, at the latest, to be that old and older than events are kept.
    /// None: no clock reaches back so far.
    fn latest_end(&self, older_than: Duration) -> Option<Timestamp> {
        let age = older_than.max(self.options.keep_events);
        let age = chrono::TimeDelta::from_std(age).ok()?;
        clock::now().checked_sub_signed(age)
    }

    /// The trees are as many as had ended by a moment that is past, so this ends.
    async fn delete(&self, actor: Arc<str>, query: PurgeQuery) -> Result<PurgePreview, Error> {
        let mut purged = PurgePreview::default();
        let mut after = None;
        loop {
            if self.hub.is_draining() {
                return Err(Error::Draining);
            }
            let part = PurgePart {
                query: query.clone(),
                after,
                audit: AuditRecord {
                    ts: clock::now(),
                    actor: Arc::clone(&actor),
                    rpc: "PurgeTasks",
                    request_id: None,
                    decision: "purged",
                },
            };
            let part = self.store.purge(part).await?;
            purged.count += part.roots.len() as u64;
            let room = SAMPLE.saturating_sub(purged.sample.len());
            purged.sample.extend(part.roots.iter().take(room));
            if !part.roots.is_empty() {
                self.purged.notify_one();
            }
            match part.next {
                Some(next) => after = Some(next),
                None => return Ok(purged),
            }
        }
    }
}

/// Why there is no such task.
pub(super) async fn missing(store: &Store, task_id: TaskId) -> Error {
    match store.is_purged(task_id).await {
        Ok(true) => Error::Purged(task_id),
        Ok(false) => Error::NotFound(task_id),
        Err(error) => Error::Store(error),
    }
}
