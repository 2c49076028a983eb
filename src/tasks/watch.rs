//! Opening a watch, at its beginning or where an earlier one ended.

use std::sync::Arc;
use std::time::Duration;

use super::Tasks;
use super::detached::detached;
use super::error::Error;
use super::purge::missing;
use crate::domain::Timestamp;
use crate::watch::{ResumeToken, Scope, Start, TokenMint, Watch, WatchError, WatchRequest};

/// Where a watch begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchStart {
    /// With a snapshot.
    Snapshot,
    /// With what happens from now on.
    Now,
    /// After the position of this token.
    Resume(String),
}

/// What to watch.
pub struct WatchQuery {
    /// Which tasks.
    pub scope: Scope,
    /// Where to begin.
    pub start: WatchStart,
    /// Whether messages are wanted.
    pub include_messages: bool,
    /// How long the stream may be silent before a heartbeat.
    pub heartbeat_interval: Duration,
    /// Closes the connection of a consumer that is gone without saying so.
    pub on_dead: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// An open watch.
pub struct Watching {
    /// What it delivers.
    pub watch: Watch,
    /// Makes the tokens by which it can be resumed.
    pub tokens: TokenMint,
    /// When the last commit before it was made.
    pub ts: Timestamp,
}

impl Tasks {
    /// Opens a watch.
    ///
    /// # Errors
    ///
    /// [`Error::ResumeToken`], [`Error::NotFound`], [`Error::Purged`], [`Error::Watch`],
    /// [`Error::Store`].
    pub async fn watch(&self, query: WatchQuery) -> Result<Watching, Error> {
        let tasks = self.clone();
        detached(async move {
            let clock = tasks.store.clock().await?;
            let start = match query.start {
                WatchStart::Snapshot => Start::Snapshot,
                WatchStart::Now => Start::Now,
                WatchStart::Resume(token) => Start::After(
                    ResumeToken::decode(&token, &query.scope, &clock)
                        .map_err(Error::ResumeToken)?
                        .sequence,
                ),
            };
            let tokens = TokenMint::new(&query.scope, clock.epoch);
            let task_id = match &query.scope {
                Scope::Task { task_id, .. } => Some(*task_id),
                Scope::Fleet(_) => None,
            };
            let request = WatchRequest {
                scope: query.scope,
                start,
                include_messages: query.include_messages,
                heartbeat_interval: query.heartbeat_interval,
                connection_kill: query.on_dead,
            };
            match (tasks.hub.watch(request).await, task_id) {
                (Ok(watch), _) => Ok(Watching {
                    watch,
                    tokens,
                    ts: clock.ts,
                }),
                (Err(WatchError::NotFound), Some(task_id)) => {
                    Err(missing(&tasks.store, task_id).await)
                }
                (Err(error), _) => Err(Error::Watch(error)),
            }
        })
        .await
    }
}
