//! Why a watch is refused, or ends before its task does.

use std::io;
use std::sync::Arc;

use crate::domain::TaskId;
use crate::store;

/// Why a watch is refused, or ends before its task does. Whatever a client was sent before can be
/// resumed from, except after [`Self::Purged`] and [`Self::Expired`].
///
/// Causes are shared, because watchers that waited for one snapshot share its failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WatchError {
    /// There is no such task.
    #[error("watch: no such task")]
    NotFound,
    /// The watched task's tree was purged before its end was delivered.
    #[error("watch: task {0} was purged")]
    Purged(TaskId),
    /// What follows the position is no longer kept.
    #[error("watch: the journal begins after the position")]
    Expired {
        /// The oldest position that can be resumed.
        oldest: i64,
        /// The journal's last sequence.
        current: i64,
    },
    /// The position is ahead of the journal.
    #[error("watch: the position is ahead of the store")]
    Future,
    /// Too many watches, or too much is spooled for them. Later there may be room.
    #[error("watch: too many watches")]
    Quota,
    /// The replica is draining; another one goes on from the same position.
    #[error("watch: the replica is draining")]
    Draining,
    /// The watch reached its maximum life; resume it.
    #[error("watch: the stream reached its maximum life")]
    Rotated,
    /// The consumer accepted nothing for so long that it was released.
    #[error("watch: the consumer stalled")]
    Stalled,
    /// The store failed.
    #[error("watch: read the store")]
    Store(#[source] Arc<store::Error>),
    /// The disk that snapshots are spooled to failed.
    #[error("watch: spool the snapshot")]
    Spool(#[source] Arc<io::Error>),
}

impl From<store::Error> for WatchError {
    fn from(error: store::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<io::Error> for WatchError {
    fn from(error: io::Error) -> Self {
        Self::Spool(Arc::new(error))
    }
}
