//! A stream of events on its way out: what a watch delivers, as frames.
//!
//! The stream is polled by the transport and polls the watch; there is no queue and no task between
//! them, so that a slow reader is felt where it can be dealt with.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt as _};
use prost::Message as _;
use tonic::Status;

use super::call::CallId;
use super::frame::EventFrame;
use super::status::Failure;
use super::{convert, events};
use crate::domain::{Task, TaskId, Timestamp};
use crate::proto::v1;
use crate::proto::v1::task_event::Event as Arm;
use crate::store::View;
use crate::tasks::Watching;
use crate::watch::{Item, TokenMint, Watch};

/// The stream of one call.
pub(super) struct WatchStream {
    watch: Watch,
    frames: Frames,
    call: CallId,
}

impl WatchStream {
    /// The stream of `watching`. `watched` is the task that WatchTask is about; WatchTasks is about none.
    pub(super) fn new(watching: Watching, watched: Option<TaskId>, call: CallId) -> Self {
        Self {
            watch: watching.watch,
            frames: Frames {
                tokens: watching.tokens,
                watched,
                top: Top::default(),
                ts: watching.ts,
            },
            call,
        }
    }
}

impl Stream for WatchStream {
    type Item = Result<EventFrame, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let call = self.call;
        self.watch.poll_next_unpin(cx).map(|item| {
            item.map(|item| match item {
                Ok(item) => Ok(self.frames.frame(item)),
                Err(error) => Err(Failure::Watch(error).into_status(call)),
            })
        })
    }
}

/// Makes frames of one stream.
struct Frames {
    tokens: TokenMint,
    watched: Option<TaskId>,
    top: Top,
    /// When the last event of the stream was committed. What is no event of its own is sent with it,
    /// so that times do not fall along a stream.
    ts: Timestamp,
}

/// What the end of the snapshots says about the watched task, as its snapshot had it.
#[derive(Clone, Default)]
struct Top {
    task_id: String,
    root_task_id: String,
    parent_task_id: Option<String>,
    revision: i64,
}

impl Frames {
    fn frame(&mut self, item: Item) -> EventFrame {
        match item {
            Item::Snapshot { task, sequence } => {
                let top = Top::of(&task);
                let event = v1::TaskEvent {
                    sequence,
                    ts: Some(convert::timestamp(self.ts)),
                    event: Some(Arm::Snapshot(convert::task(&task, View::Full))),
                    ..top.event()
                };
                if self.watched == Some(task.task_id) {
                    self.top = top;
                }
                whole(&event)
            }
            Item::SnapshotComplete {
                sequence,
                task_count,
            } => self.with_token(v1::TaskEvent {
                sequence,
                ts: Some(convert::timestamp(self.ts)),
                event: Some(Arm::SnapshotComplete(v1::SnapshotComplete {
                    task_count: Some(i32::try_from(task_count).unwrap_or(i32::MAX)),
                })),
                ..self.top.event()
            }),
            Item::Event {
                published,
                index,
                replay,
            } => {
                self.ts = self.ts.max(published.commit.ts);
                let tail = v1::TaskEvent {
                    replay,
                    resume_token: self.tokens.token(published.sequence(index)),
                    ..v1::TaskEvent::default()
                };
                EventFrame {
                    body: published.frame(index, || events::encode(&published.commit, index)),
                    tail: tail.encode_to_vec().into(),
                }
            }
            Item::Progress {
                task_id,
                sequence,
                revision,
                progress,
            } => whole(&v1::TaskEvent {
                sequence,
                ts: Some(convert::timestamp(self.ts)),
                task_id: task_id.to_string(),
                root_task_id: task_id.to_string(),
                revision,
                event: Some(Arm::ProgressChanged(convert::progress(progress))),
                ..v1::TaskEvent::default()
            }),
            Item::Heartbeat { sequence } => self.with_token(v1::TaskEvent {
                sequence,
                ts: Some(convert::timestamp(self.ts)),
                event: Some(Arm::Heartbeat(v1::Heartbeat {})),
                ..v1::TaskEvent::default()
            }),
        }
    }

    fn with_token(&self, event: v1::TaskEvent) -> EventFrame {
        whole(&v1::TaskEvent {
            resume_token: self.tokens.token(event.sequence),
            ..event
        })
    }
}

impl Top {
    fn of(task: &Task) -> Self {
        Self {
            task_id: task.task_id.to_string(),
            root_task_id: task.root_task_id.to_string(),
            parent_task_id: task.parent_task_id.map(|id| id.to_string()),
            revision: task.revision,
        }
    }

    fn event(&self) -> v1::TaskEvent {
        v1::TaskEvent {
            task_id: self.task_id.clone(),
            root_task_id: self.root_task_id.clone(),
            parent_task_id: self.parent_task_id.clone(),
            revision: self.revision,
            ..v1::TaskEvent::default()
        }
    }
}

/// An event that only one stream has.
fn whole(event: &v1::TaskEvent) -> EventFrame {
    EventFrame {
        body: event.encode_to_vec().into(),
        tail: bytes::Bytes::new(),
    }
}

#[cfg(test)]
#[path = "watch_stream_tests.rs"]
mod tests;
