//! What is said and collected: the messages and build data of tasks, as rows and as events.

use std::sync::Arc;

use super::{BuildDataRow, LockedRoot, MessageRow, Rows};
use crate::domain::event::EventKind;
use crate::domain::task::{MESSAGE_LIMIT, MESSAGE_LIST_LIMIT};
use crate::domain::{BuildData, Message, ResultStatus, Task, TaskStatus, Timestamp};
use crate::store::codec::relative;
use crate::store::write::{Change, ChangeKind, NewMessage};

/// The most bytes of a message's text that are kept (api contract, "Sizes").
const MESSAGE_TEXT_LIMIT: usize = 8 << 10;

impl LockedRoot {
    /// Records the messages of a change about its subtask.
    pub(super) fn say_all(&mut self, change: &Change, rows: &mut Rows, places: &mut Vec<usize>) {
        let after = u64::from(change.task.result.message_count);
        let before = after.saturating_sub(change.messages.len() as u64);
        let state = state_before(change);
        for (message, place) in change.messages.iter().zip(before..) {
            if let Some(message) = bounded(message, place) {
                places.push(self.record(&change.task, state, message, rows));
            }
        }
    }

    /// Records what a change brings of build data about its subtask's node.
    pub(super) fn collect(&mut self, change: &Change, now: Timestamp, rows: &mut Rows) {
        let task = change.task.as_ref();
        // A write with build data of a task without a node is not legal.
        let Some(node_name) = &task.node_name else {
            return;
        };
        let state = state_before(change);
        for collected in &change.build_data {
            let told = BuildData {
                node_name: Arc::clone(node_name),
                task_id: task.task_id,
                collected_date: now,
                generator: Arc::from(collected.generator.as_str()),
                data_format: Arc::from(collected.data_format.as_str()),
                data_element: None,
            };
            let event = self.events.len();
            rows.build_data.push(BuildDataRow {
                root_task_id: self.task.task_id,
                event,
                data: BuildData {
                    data_element: Some(Arc::from(collected.data_element.as_str())),
                    ..told.clone()
                },
            });
            let kind = EventKind::BuildDataAdded(Box::new(told));
            self.push(task, task.revision, Some(state), kind);
            self.events[event].subject.after = state;
        }
    }

    /// Records a message about the root itself.
    pub(super) fn say(&mut self, message: &NewMessage, rows: &mut Rows) {
        let place = u64::from(self.task.result.message_count);
        self.say_at(place, message, rows);
    }

    pub(super) fn say_at(&mut self, place: u64, message: &NewMessage, rows: &mut Rows) {
        self.task.result.message_count = self.task.result.message_count.saturating_add(1);
        self.said_now += 1;
        if message.error {
            self.task.result.error_count = self.task.result.error_count.saturating_add(1);
        }
        self.changed = true;
        let Some(message) = bounded(message, place) else {
            return;
        };
        let about = self.task.clone();
        let state = self.state();
        let index = self.record(&about, state, message, rows);
        if let EventKind::MessageAdded(message) = &self.events[index].kind {
            self.said.push(message.as_ref().clone());
            if self.said.len() > MESSAGE_LIST_LIMIT {
                self.said.remove(0);
            }
        }
    }

    fn record(
        &mut self,
        about: &Task,
        state: (TaskStatus, ResultStatus),
        mut message: Message,
        rows: &mut Rows,
    ) -> usize {
        let event = self.events.len();
        message.sequence = relative(event);
        rows.messages.push(MessageRow {
            root_task_id: self.task.task_id,
            task_id: about.task_id,
            event,
            message: message.clone(),
        });
        self.push(
            about,
            about.revision,
            Some(state),
            EventKind::MessageAdded(Box::new(message)),
        );
        self.events[event].subject.after = state;
        event
    }

    /// The messages of the events at `places`.
    pub(super) fn recorded(&self, places: &[usize]) -> Vec<Message> {
        places
            .iter()
            .filter_map(|place| match &self.events[*place].kind {
                EventKind::MessageAdded(message) => Some(message.as_ref().clone()),
                EventKind::TaskCreated(_)
                | EventKind::StatusChanged { .. }
                | EventKind::SubtaskAdded(_)
                | EventKind::ResultChanged { .. }
                | EventKind::BuildDataAdded(_)
                | EventKind::TaskFinished(_)
                | EventKind::TaskPurged(_) => None,
            })
            .collect()
    }
}

/// The state in which a change's subtask is while it is spoken of: what comes with a move comes
/// before it.
fn state_before(change: &Change) -> (TaskStatus, ResultStatus) {
    let status = match &change.kind {
        ChangeKind::Move { from, .. } => *from,
        ChangeKind::Add | ChangeKind::Update => change.task.status,
    };
    (status, ResultStatus::Incomplete)
}

/// How many messages a change brings.
pub(super) fn said(change: &Change) -> u32 {
    u32::try_from(change.messages.len()).unwrap_or(u32::MAX)
}

/// The message at `place` among its task's, as it is kept: none beyond the limit, and the first
/// beyond it says so. Long text is cut at a character border and marked.
fn bounded(message: &NewMessage, place: u64) -> Option<Message> {
    if place > MESSAGE_LIMIT {
        return None;
    }
    let mut kept = Message {
        sequence: 0,
        ts: message.ts,
        message: message.message.clone(),
        error: message.error,
        context_type: message.context_type.to_owned(),
        context: message.context.clone(),
        extra: message.extra.clone(),
    };
    if place == MESSAGE_LIMIT {
        kept.message = format!("further messages are counted but not kept (after {MESSAGE_LIMIT})");
        kept.error = false;
        kept.extra = serde_json::Map::new();
    } else if kept.message.len() > MESSAGE_TEXT_LIMIT {
        let cut = kept.message.floor_char_boundary(MESSAGE_TEXT_LIMIT);
        let lost = kept.message.len() - cut;
        kept.message.truncate(cut);
        kept.extra.insert("truncated_bytes".to_owned(), lost.into());
    }
    Some(kept)
}

/// Appends messages of this commit to those read from the store, keeping the newest.
pub(in crate::store) fn append_messages(messages: &mut Vec<Message>, said: Vec<Message>) {
    messages.extend(said);
    let surplus = messages.len().saturating_sub(MESSAGE_LIST_LIMIT);
    messages.drain(..surplus);
}
