//! From the stored messages back to the domain.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use uuid::Uuid;

use super::stored::{StoredDetail, StoredEvent, StoredKind, StoredMessage, StoredTask};
use super::{absolute, damaged};
use crate::domain::event::{Event, EventKind, RootFacts, Subject};
use crate::domain::{
    Action, BuildData, Cause, Detail, Message, Outcome, Reason, ResultStatus, StepKind, Task,
    TaskId, TaskStatus, Timestamp,
};
use crate::store::error::Error;
use crate::store::sql::corrupt;

/// Turns stored messages back, knowing where in the journal they stand.
pub(super) struct Reader<'a> {
    pub(super) first_sequence: i64,
    pub(super) facts: Option<&'a Arc<RootFacts>>,
}

impl Reader<'_> {
    pub(super) fn event(&self, stored: StoredEvent) -> Result<Event, Error> {
        let kind = match stored.kind.ok_or_else(|| corrupt("event", "kind"))? {
            StoredKind::TaskCreated(task) => EventKind::TaskCreated(Box::new(self.task(*task)?)),
            StoredKind::SubtaskAdded(task) => EventKind::SubtaskAdded(Box::new(self.task(*task)?)),
            StoredKind::TaskFinished(task) => EventKind::TaskFinished(Box::new(self.task(*task)?)),
            StoredKind::StatusChanged(change) => EventKind::StatusChanged {
                previous: read_status(change.previous)?,
                cause: narrow(change.cause, Cause::from_number, "cause")?,
                actor: Arc::from(change.actor),
                reason: Arc::from(change.reason),
                task: Box::new(
                    self.task(
                        *change
                            .task
                            .ok_or_else(|| corrupt("event", "missing task"))?,
                    )?,
                ),
            },
            StoredKind::ResultChanged(change) => EventKind::ResultChanged {
                status: read_result(change.status)?,
                reason: narrow(change.reason, Reason::from_number, "reason")?,
                message: Arc::from(change.message),
                success_count: change.success_count,
                failure_count: change.failure_count,
            },
            StoredKind::MessageAdded(message) => {
                EventKind::MessageAdded(Box::new(self.message(message)?))
            }
            StoredKind::BuildDataAdded(data) => EventKind::BuildDataAdded(Box::new(BuildData {
                node_name: stored
                    .node_name
                    .as_deref()
                    .map(Arc::from)
                    .ok_or_else(|| corrupt("build data", "absence of a node"))?,
                task_id: read_id(&stored.task_id)?,
                collected_date: read_time(data.collected_date)?,
                generator: Arc::from(data.generator),
                data_format: Arc::from(data.data_format),
                data_element: None,
            })),
            StoredKind::TaskPurged(purged) => EventKind::TaskPurged(read_time(purged)?),
        };
        Ok(Event {
            task_id: read_id(&stored.task_id)?,
            parent_task_id: stored.parent_task_id.as_deref().map(read_id).transpose()?,
            depth: read_depth(stored.depth)?,
            revision: stored.revision,
            subject: Subject {
                node_name: stored.node_name.map(Arc::from),
                created: read_time(stored.created)?,
                created_by: Arc::from(stored.created_by),
                before: if stored.status_before == 0 {
                    None
                } else {
                    Some((
                        read_status(stored.status_before)?,
                        read_result(stored.result_before)?,
                    ))
                },
                after: (
                    read_status(stored.status_after)?,
                    read_result(stored.result_after)?,
                ),
            },
            kind,
        })
    }

    pub(super) fn task(&self, stored: StoredTask) -> Result<Task, Error> {
        // Most tasks repeat their commit's facts: share those instead of keeping a copy each.
        let facts = self.facts.filter(|facts| {
            *facts.design_ref == *stored.design_ref && *facts.labels == stored.labels
        });
        let (design_ref, labels) = match facts {
            Some(facts) => (Arc::clone(&facts.design_ref), Arc::clone(&facts.labels)),
            None => (Arc::from(stored.design_ref), Arc::new(stored.labels)),
        };
        Ok(Task {
            task_id: read_id(&stored.task_id)?,
            root_task_id: read_id(&stored.root_task_id)?,
            parent_task_id: stored.parent_task_id.as_deref().map(read_id).transpose()?,
            depth: read_depth(stored.depth)?,
            ordinal: stored.ordinal,
            action: read_action(stored.action)?,
            status: read_status(stored.status)?,
            node_name: stored.node_name.map(Arc::from),
            step: read_step(stored.step)?,
            created: read_time(stored.created)?,
            created_by: Arc::from(stored.created_by),
            updated: read_time(stored.updated)?,
            started: stored.started.map(read_time).transpose()?,
            completed: stored.completed.map(read_time).transpose()?,
            heartbeat: stored.heartbeat.map(read_time).transpose()?,
            terminated: stored.terminated.map(read_time).transpose()?,
            terminated_by: stored.terminated_by.map(Arc::from),
            termination_reason: stored.termination_reason.map(Arc::from),
            timeout: Duration::from_micros(stored.timeout_us),
            revision: stored.revision,
            retry: stored.retry,
            retry_of_task_id: stored
                .retry_of_task_id
                .as_deref()
                .map(read_id)
                .transpose()?,
            correlation_id: stored.correlation_id.map(Arc::from),
            design_ref,
            labels,
            design_digest: stored.design_digest.map(Arc::from),
            result: Outcome {
                status: read_result(stored.result_status)?,
                reason: narrow(stored.result_reason, Reason::from_number, "reason")?,
                message: Arc::from(stored.result_message),
                succeeded: stored.succeeded,
                failed: stored.failed,
                error_count: stored.error_count,
                message_count: stored.message_count,
                running: stored.running_count,
            },
            subtask_count: stored.subtask_count,
            target_node_count: stored.target_node_count,
            current_step: read_step(stored.current_step)?,
            detail: stored
                .detail
                .map(|detail| self.detail(*detail).map(Box::new))
                .transpose()?,
        })
    }

    fn detail(&self, stored: StoredDetail) -> Result<Detail, Error> {
        let names = |names: Vec<String>| names.into_iter().map(Arc::from).collect();
        Ok(Detail {
            node_filter: if stored.node_filter.is_empty() {
                None
            } else {
                Some(from_json(&stored.node_filter)?)
            },
            subtask_ids: stored
                .subtask_ids
                .iter()
                .map(|id| read_id(id))
                .collect::<Result<_, _>>()?,
            target_nodes: names(stored.target_nodes),
            successes: names(stored.successes),
            failures: names(stored.failures),
            messages: stored
                .messages
                .into_iter()
                .map(|message| self.message(message))
                .collect::<Result<_, _>>()?,
        })
    }

    fn message(&self, stored: StoredMessage) -> Result<Message, Error> {
        // A relative one is the complement of its event's index: in a damaged row, of any number.
        let index = !stored.sequence;
        if index >= 0 && self.first_sequence.checked_add(index).is_none() {
            return Err(corrupt("message sequence", stored.sequence));
        }
        Ok(Message {
            sequence: absolute(self.first_sequence, stored.sequence),
            ts: read_time(stored.ts)?,
            message: stored.message,
            error: stored.error,
            context_type: stored.context_type,
            context: stored.context,
            extra: if stored.extra.is_empty() {
                serde_json::Map::new()
            } else {
                from_json(&stored.extra)?
            },
        })
    }
}

fn read_id(bytes: &[u8]) -> Result<TaskId, Error> {
    Uuid::from_slice(bytes)
        .map(TaskId)
        .map_err(|error| damaged("id", &error))
}

fn read_time(micros: i64) -> Result<Timestamp, Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| corrupt("time", micros))
}

fn read_depth(depth: u32) -> Result<u8, Error> {
    u8::try_from(depth).map_err(|_| corrupt("depth", depth))
}

pub(super) fn read_action(number: i32) -> Result<Action, Error> {
    narrow(number, Action::from_number, "action")
}

fn read_status(number: i32) -> Result<TaskStatus, Error> {
    narrow(number, TaskStatus::from_number, "status")
}

fn read_result(number: i32) -> Result<ResultStatus, Error> {
    narrow(number, ResultStatus::from_number, "result")
}

pub(super) fn read_step(number: i32) -> Result<Option<StepKind>, Error> {
    if number == 0 {
        return Ok(None);
    }
    narrow(number, StepKind::from_number, "step").map(Some)
}

fn narrow<T>(
    number: i32,
    read: impl FnOnce(i16) -> Option<T>,
    what: &'static str,
) -> Result<T, Error> {
    i16::try_from(number)
        .ok()
        .and_then(read)
        .ok_or_else(|| corrupt(what, number))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| damaged("document", &error))
}
