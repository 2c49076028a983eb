//! A watch: what a caller asks for, and the stream it gets.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use tokio_util::sync::ReusableBoxFuture;

use super::cursor::Cursor;
use super::error::WatchError;
use super::published::Published;
use super::scope::Scope;
use super::seat::{ConnectionKill, Found, Seat};
use crate::domain::{Progress, Task, TaskId};

/// What to watch, and how.
#[derive(Clone)]
pub struct WatchRequest {
    /// What it is about.
    pub scope: Scope,
    /// Where it begins.
    pub start: Start,
    /// Whether messages are delivered.
    pub include_messages: bool,
    /// A heartbeat is sent when nothing else was for so long.
    pub heartbeat_interval: Duration,
    /// Called once when the consumer does not even read that it stalled.
    pub connection_kill: Option<ConnectionKill>,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With every task in scope as it is, then what follows.
    Snapshot,
    /// With what is committed from now on; the first item is a heartbeat with the position.
    Now,
    /// After the sequence of a decoded [`super::ResumeToken`].
    After(i64),
}

/// One thing to deliver.
#[derive(Clone, Debug)]
pub enum Item {
    /// A task of the snapshot, parents first.
    Snapshot {
        /// The task.
        task: Box<Task>,
        /// Where the journal stood when it was read.
        sequence: i64,
    },
    /// The snapshot is complete.
    SnapshotComplete {
        /// The same sequence as that of its tasks.
        sequence: i64,
        /// How many tasks it had.
        task_count: u32,
    },
    /// A committed event.
    Event {
        /// Its commit.
        published: Arc<Published>,
        /// Its place there.
        index: usize,
        /// Whether it is the `task_finished` of a task that was finished before: the one event
        /// that may come with a sequence at or before those already sent.
        replay: bool,
    },
    /// The watched root's counts; merged where the watcher lags. Has no resume token.
    Progress {
        /// The root.
        task_id: TaskId,
        /// The sequence of what was sent last.
        sequence: i64,
        /// The root's revision.
        revision: i64,
        /// The counts.
        progress: Progress,
    },
    /// Nothing new, up to this sequence.
    Heartbeat {
        /// Everything in scope up to here was sent.
        sequence: i64,
    },
}

impl Item {
    /// The sequence that the item is sent with.
    pub fn sequence(&self) -> i64 {
        match self {
            Self::Snapshot { sequence, .. }
            | Self::SnapshotComplete { sequence, .. }
            | Self::Progress { sequence, .. }
            | Self::Heartbeat { sequence } => *sequence,
            Self::Event {
                published, index, ..
            } => published.sequence(*index),
        }
    }
}

/// A stream of what happens in a scope. It ends without an error only after the `task_finished`
/// of the watched task; after an error nothing follows.
///
/// It holds a bounded amount of memory however slowly it is polled, and none once it is not polled
/// for the hub's stall timeout.
pub struct Watch {
    seat: Seat,
    advance: Option<Advance>,
    /// Whether `advance` is at work, and so has the cursor.
    is_advancing: bool,
}

/// Its memory is used again for every wait.
type Advance = ReusableBoxFuture<'static, (Box<Cursor>, Option<Result<Item, WatchError>>)>;

impl Watch {
    pub(super) fn new(seat: Seat, cursor: Cursor) -> Self {
        seat.park(Box::new(cursor));
        Self {
            seat,
            advance: None,
            is_advancing: false,
        }
    }

    fn hand_out(
        &self,
        cursor: Box<Cursor>,
        outcome: Option<Result<Item, WatchError>>,
    ) -> Option<Result<Item, WatchError>> {
        match outcome {
            Some(Ok(_)) if !cursor.has_ended() => self.seat.park(cursor),
            Some(Ok(_) | Err(_)) | None => self.seat.finish(),
        }
        outcome
    }
}

impl Stream for Watch {
    type Item = Result<Item, WatchError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if !this.is_advancing {
            let mut cursor = match this.seat.unpark() {
                Found::Cursor(cursor) => cursor,
                Found::Stalled => return Poll::Ready(Some(Err(WatchError::Stalled))),
                Found::Over => return Poll::Ready(None),
            };
            if let Some(item) = cursor.ready() {
                return Poll::Ready(this.hand_out(cursor, Some(item)));
            }
            match &mut this.advance {
                Some(advance) => advance.set(cursor.advance()),
                None => this.advance = Some(ReusableBoxFuture::new(cursor.advance())),
            }
            this.is_advancing = true;
        }
        let Some(advance) = &mut this.advance else {
            return Poll::Ready(None);
        };
        let (cursor, outcome) = ready!(advance.poll(context));
        this.is_advancing = false;
        Poll::Ready(this.hand_out(cursor, outcome))
    }
}
