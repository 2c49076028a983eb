//! Events as the contract's messages have them, but for their resume token.

use bytes::Bytes;
use prost::Message as _;

use super::{convert, enums};
use crate::domain::{Commit, EventKind};
use crate::proto::v1;
use crate::proto::v1::task_event::Event as Arm;
use crate::store::View;

/// The encoded event at `index` of a commit, the same for every stream. Empty if there is no such event.
pub(super) fn encode(commit: &Commit, index: usize) -> Bytes {
    event(commit, index).map_or_else(Bytes::new, |event| event.encode_to_vec().into())
}

/// The event at `index` of a commit.
pub(super) fn event(commit: &Commit, index: usize) -> Option<v1::TaskEvent> {
    let event = commit.events.get(index)?;
    Some(v1::TaskEvent {
        sequence: sequence(commit, index),
        ts: Some(convert::timestamp(commit.ts)),
        task_id: event.task_id.to_string(),
        root_task_id: commit.root_task_id.to_string(),
        parent_task_id: event.parent_task_id.map(|id| id.to_string()),
        revision: event.revision,
        event: Some(arm(&event.kind)),
        ..v1::TaskEvent::default()
    })
}

/// The sequence of the event at `index` of a commit.
pub(super) fn sequence(commit: &Commit, index: usize) -> i64 {
    // An index into memory is below 2^63.
    commit.first_sequence + index as i64
}

fn arm(kind: &EventKind) -> Arm {
    match kind {
        EventKind::TaskCreated(task) => Arm::TaskCreated(convert::task(task, View::Full)),
        EventKind::StatusChanged {
            previous,
            cause,
            actor,
            reason,
            task,
        } => Arm::StatusChanged(v1::StatusChanged {
            previous_status: enums::to_task_status(*previous).into(),
            status: enums::to_task_status(task.status).into(),
            cause: enums::to_cause(*cause).into(),
            actor: actor.to_string(),
            reason: reason.to_string(),
            task: Some(convert::task(task, View::Basic)),
        }),
        EventKind::SubtaskAdded(task) => Arm::SubtaskAdded(convert::task(task, View::Basic)),
        EventKind::ResultChanged {
            status,
            reason,
            message,
            success_count,
            failure_count,
        } => Arm::ResultChanged(v1::ResultChanged {
            status: enums::to_result_status(*status).into(),
            reason: reason.token().to_owned(),
            message: message.to_string(),
            success_count: Some(convert::count(*success_count)),
            failure_count: Some(convert::count(*failure_count)),
        }),
        EventKind::MessageAdded(message) => Arm::MessageAdded(convert::message(message)),
        EventKind::BuildDataAdded(data) => Arm::BuildDataAdded(v1::BuildDataAdded {
            build_data: Some(convert::build_data(data)),
        }),
        EventKind::TaskFinished(task) => Arm::TaskFinished(convert::task(task, View::Full)),
        EventKind::TaskPurged(purged) => Arm::TaskPurged(v1::TaskPurged {
            purged: Some(convert::timestamp(*purged)),
        }),
    }
}
