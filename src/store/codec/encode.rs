//! From the domain to the stored messages.

use std::sync::Arc;

use super::damaged;
use super::stored::{
    StoredBuildData, StoredDetail, StoredEvent, StoredKind, StoredMessage, StoredResultChanged,
    StoredStatusChanged, StoredTask,
};
use crate::domain::event::{Event, EventKind};
use crate::domain::{Detail, Message, StepKind, Task, TaskId};
use crate::store::error::Error;

pub(super) fn event(event: &Event) -> Result<StoredEvent, Error> {
    let subject = &event.subject;
    let (status_before, result_before) = match subject.before {
        Some((status, result)) => (status as i32, result as i32),
        None => (0, 0),
    };
    let kind = match &event.kind {
        EventKind::TaskCreated(value) => StoredKind::TaskCreated(Box::new(task(value)?)),
        EventKind::SubtaskAdded(value) => StoredKind::SubtaskAdded(Box::new(task(value)?)),
        EventKind::TaskFinished(value) => StoredKind::TaskFinished(Box::new(task(value)?)),
        EventKind::StatusChanged {
            previous,
            cause,
            actor,
            reason,
            task: value,
        } => StoredKind::StatusChanged(Box::new(StoredStatusChanged {
            previous: *previous as i32,
            cause: *cause as i32,
            actor: actor.to_string(),
            reason: reason.to_string(),
            task: Some(Box::new(task(value)?)),
        })),
        EventKind::ResultChanged {
            status,
            reason,
            message,
            success_count,
            failure_count,
        } => StoredKind::ResultChanged(StoredResultChanged {
            status: *status as i32,
            reason: *reason as i32,
            message: message.to_string(),
            success_count: *success_count,
            failure_count: *failure_count,
        }),
        EventKind::MessageAdded(value) => StoredKind::MessageAdded(message(value)?),
        EventKind::BuildDataAdded(value) => StoredKind::BuildDataAdded(StoredBuildData {
            collected_date: value.collected_date.timestamp_micros(),
            generator: value.generator.to_string(),
            data_format: value.data_format.to_string(),
        }),
        EventKind::TaskPurged(purged) => StoredKind::TaskPurged(purged.timestamp_micros()),
    };
    Ok(StoredEvent {
        task_id: event.task_id.0.as_bytes().to_vec(),
        parent_task_id: event.parent_task_id.map(id_bytes),
        depth: u32::from(event.depth),
        revision: event.revision,
        node_name: text(subject.node_name.as_ref()),
        created: subject.created.timestamp_micros(),
        created_by: subject.created_by.to_string(),
        status_before,
        result_before,
        status_after: subject.after.0 as i32,
        result_after: subject.after.1 as i32,
        kind: Some(kind),
    })
}

pub(super) fn task(task: &Task) -> Result<StoredTask, Error> {
    Ok(StoredTask {
        task_id: id_bytes(task.task_id),
        root_task_id: id_bytes(task.root_task_id),
        parent_task_id: task.parent_task_id.map(id_bytes),
        depth: u32::from(task.depth),
        ordinal: task.ordinal,
        action: task.action as i32,
        status: task.status as i32,
        node_name: text(task.node_name.as_ref()),
        step: step_number(task.step),
        created: task.created.timestamp_micros(),
        created_by: task.created_by.to_string(),
        updated: task.updated.timestamp_micros(),
        started: task.started.map(|time| time.timestamp_micros()),
        completed: task.completed.map(|time| time.timestamp_micros()),
        heartbeat: task.heartbeat.map(|time| time.timestamp_micros()),
        terminated: task.terminated.map(|time| time.timestamp_micros()),
        terminated_by: text(task.terminated_by.as_ref()),
        termination_reason: text(task.termination_reason.as_ref()),
        timeout_us: u64::try_from(task.timeout.as_micros()).unwrap_or(u64::MAX),
        revision: task.revision,
        retry: task.retry,
        retry_of_task_id: task.retry_of_task_id.map(id_bytes),
        correlation_id: text(task.correlation_id.as_ref()),
        design_ref: task.design_ref.to_string(),
        labels: task.labels.as_ref().clone(),
        design_digest: text(task.design_digest.as_ref()),
        result_status: task.result.status as i32,
        result_reason: task.result.reason as i32,
        result_message: task.result.message.to_string(),
        succeeded: task.result.succeeded,
        failed: task.result.failed,
        error_count: task.result.error_count,
        message_count: task.result.message_count,
        running_count: task.result.running,
        subtask_count: task.subtask_count,
        target_node_count: task.target_node_count,
        current_step: step_number(task.current_step),
        detail: task
            .detail
            .as_deref()
            .map(|value| detail(value).map(Box::new))
            .transpose()?,
    })
}

fn detail(detail: &Detail) -> Result<StoredDetail, Error> {
    let names = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect();
    Ok(StoredDetail {
        node_filter: match &detail.node_filter {
            Some(filter) => to_json(filter)?,
            None => String::new(),
        },
        subtask_ids: detail.subtask_ids.iter().copied().map(id_bytes).collect(),
        target_nodes: names(&detail.target_nodes),
        successes: names(&detail.successes),
        failures: names(&detail.failures),
        messages: detail
            .messages
            .iter()
            .map(message)
            .collect::<Result<_, _>>()?,
    })
}

pub(super) fn message(message: &Message) -> Result<StoredMessage, Error> {
    Ok(StoredMessage {
        sequence: message.sequence,
        ts: message.ts.timestamp_micros(),
        message: message.message.clone(),
        error: message.error,
        context_type: message.context_type.clone(),
        context: message.context.clone(),
        extra: if message.extra.is_empty() {
            String::new()
        } else {
            to_json(&message.extra)?
        },
    })
}

fn id_bytes(id: TaskId) -> Vec<u8> {
    id.0.as_bytes().to_vec()
}

fn text(value: Option<&Arc<str>>) -> Option<String> {
    value.map(ToString::to_string)
}

pub(super) fn step_number(step: Option<StepKind>) -> i32 {
    step.map_or(0, |step| step as i32)
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| damaged("document", &error))
}
