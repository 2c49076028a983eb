//! The stored form of events: protobuf messages of our own, compressed a commit at a time.
//!
//! It is not the public contract: the contract may grow while rows written years ago must still
//! be read. Field numbers are never reused; readers skip fields they do not know. The events of a
//! commit repeat their tasks, which compression takes back almost whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use prost::Message as _;
use uuid::Uuid;

use super::error::Error;
use super::sql::corrupt;
use crate::domain::event::{Commit, Event, EventKind, RootFacts, Subject};
use crate::domain::{
    Action, Cause, Detail, Message, Outcome, Progress, Reason, ResultStatus, StepKind, Task,
    TaskId, TaskStatus, Timestamp,
};

/// The first byte of a payload: how the rest is stored.
const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// Payloads below this are not worth compressing, bytes.
const COMPRESS_FROM: usize = 512;

/// The most a payload may unfold to, bytes: a commit's writes are bounded, a damaged row is not.
const MAX_PAYLOAD: usize = 256 << 20;

#[derive(Clone, PartialEq, prost::Message)]
struct StoredCommit {
    #[prost(int32, tag = "1")]
    action: i32,
    #[prost(string, tag = "2")]
    design_ref: String,
    #[prost(btree_map = "string, string", tag = "3")]
    labels: BTreeMap<String, String>,
    #[prost(message, optional, tag = "4")]
    progress: Option<StoredProgress>,
    #[prost(message, repeated, tag = "5")]
    events: Vec<StoredEvent>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct StoredProgress {
    #[prost(uint32, tag = "1")]
    node_count: u32,
    #[prost(uint32, tag = "2")]
    succeeded: u32,
    #[prost(uint32, tag = "3")]
    failed: u32,
    #[prost(uint32, tag = "4")]
    running: u32,
    #[prost(uint32, tag = "5")]
    pending: u32,
    #[prost(int32, tag = "6")]
    current_step: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredEvent {
    #[prost(bytes = "vec", tag = "1")]
    task_id: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "2")]
    parent_task_id: Option<Vec<u8>>,
    #[prost(uint32, tag = "3")]
    depth: u32,
    #[prost(int64, tag = "4")]
    revision: i64,
    #[prost(string, optional, tag = "5")]
    node_name: Option<String>,
    #[prost(int64, tag = "6")]
    created: i64,
    #[prost(string, tag = "7")]
    created_by: String,
    /// Status and result before (0: the task did not exist) and after.
    #[prost(int32, tag = "8")]
    status_before: i32,
    #[prost(int32, tag = "9")]
    result_before: i32,
    #[prost(int32, tag = "10")]
    status_after: i32,
    #[prost(int32, tag = "11")]
    result_after: i32,
    #[prost(oneof = "StoredKind", tags = "20, 21, 22, 23, 24, 25")]
    kind: Option<StoredKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum StoredKind {
    #[prost(message, tag = "20")]
    TaskCreated(Box<StoredTask>),
    #[prost(message, tag = "21")]
    StatusChanged(Box<StoredStatusChanged>),
    #[prost(message, tag = "22")]
    SubtaskAdded(Box<StoredTask>),
    #[prost(message, tag = "23")]
    ResultChanged(StoredResultChanged),
    #[prost(message, tag = "24")]
    MessageAdded(StoredMessage),
    #[prost(message, tag = "25")]
    TaskFinished(Box<StoredTask>),
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredStatusChanged {
    #[prost(int32, tag = "1")]
    previous: i32,
    #[prost(int32, tag = "2")]
    cause: i32,
    #[prost(string, tag = "3")]
    actor: String,
    #[prost(string, tag = "4")]
    reason: String,
    #[prost(message, optional, boxed, tag = "5")]
    task: Option<Box<StoredTask>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredResultChanged {
    #[prost(int32, tag = "1")]
    status: i32,
    #[prost(int32, tag = "2")]
    reason: i32,
    #[prost(string, tag = "3")]
    message: String,
    #[prost(uint32, tag = "4")]
    success_count: u32,
    #[prost(uint32, tag = "5")]
    failure_count: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredMessage {
    /// The sequence of its event; when that event is in the same commit, -1 - its index there.
    #[prost(sint64, tag = "1")]
    sequence: i64,
    #[prost(int64, tag = "2")]
    ts: i64,
    #[prost(string, tag = "3")]
    message: String,
    #[prost(bool, tag = "4")]
    error: bool,
    #[prost(string, tag = "5")]
    context_type: String,
    #[prost(string, tag = "6")]
    context: String,
    /// JSON; empty for an empty object.
    #[prost(string, tag = "7")]
    extra: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredTask {
    #[prost(bytes = "vec", tag = "1")]
    task_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    root_task_id: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "3")]
    parent_task_id: Option<Vec<u8>>,
    #[prost(uint32, tag = "4")]
    depth: u32,
    #[prost(uint32, tag = "5")]
    ordinal: u32,
    #[prost(int32, tag = "6")]
    action: i32,
    #[prost(int32, tag = "7")]
    status: i32,
    #[prost(string, optional, tag = "8")]
    node_name: Option<String>,
    #[prost(int32, tag = "9")]
    step: i32,
    #[prost(int64, tag = "10")]
    created: i64,
    #[prost(string, tag = "11")]
    created_by: String,
    #[prost(int64, tag = "12")]
    updated: i64,
    #[prost(int64, optional, tag = "13")]
    started: Option<i64>,
    #[prost(int64, optional, tag = "14")]
    completed: Option<i64>,
    #[prost(int64, optional, tag = "15")]
    heartbeat: Option<i64>,
    #[prost(int64, optional, tag = "16")]
    terminated: Option<i64>,
    #[prost(string, optional, tag = "17")]
    terminated_by: Option<String>,
    #[prost(string, optional, tag = "18")]
    termination_reason: Option<String>,
    #[prost(uint64, tag = "19")]
    timeout_us: u64,
    #[prost(int64, tag = "20")]
    revision: i64,
    #[prost(uint32, tag = "21")]
    retry: u32,
    #[prost(bytes = "vec", optional, tag = "22")]
    retry_of_task_id: Option<Vec<u8>>,
    #[prost(string, optional, tag = "23")]
    correlation_id: Option<String>,
    #[prost(string, tag = "24")]
    design_ref: String,
    #[prost(btree_map = "string, string", tag = "25")]
    labels: BTreeMap<String, String>,
    #[prost(string, optional, tag = "26")]
    design_digest: Option<String>,
    #[prost(int32, tag = "27")]
    result_status: i32,
    #[prost(int32, tag = "28")]
    result_reason: i32,
    #[prost(string, tag = "29")]
    result_message: String,
    #[prost(uint32, tag = "30")]
    succeeded: u32,
    #[prost(uint32, tag = "31")]
    failed: u32,
    #[prost(uint32, tag = "32")]
    error_count: u32,
    #[prost(uint32, tag = "33")]
    message_count: u32,
    #[prost(uint32, tag = "34")]
    subtask_count: u32,
    #[prost(uint32, tag = "35")]
    target_node_count: u32,
    #[prost(int32, tag = "36")]
    current_step: i32,
    #[prost(message, optional, boxed, tag = "37")]
    detail: Option<Box<StoredDetail>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredDetail {
    /// JSON; empty for none.
    #[prost(string, tag = "1")]
    node_filter: String,
    #[prost(bytes = "vec", repeated, tag = "2")]
    subtask_ids: Vec<Vec<u8>>,
    #[prost(string, repeated, tag = "3")]
    target_nodes: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    successes: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    failures: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    messages: Vec<StoredMessage>,
}

/// The stored form of a commit's events. Sequences are left out: they follow from the row, which
/// is numbered last. A message of this very commit carries -1 - its event's index.
pub(super) fn encode_commit(
    facts: &RootFacts,
    progress: Progress,
    events: &[Event],
) -> Result<Vec<u8>, Error> {
    let stored = StoredCommit {
        action: facts.action as i32,
        design_ref: facts.design_ref.to_string(),
        labels: facts.labels.as_ref().clone(),
        progress: Some(StoredProgress {
            node_count: progress.node_count,
            succeeded: progress.succeeded,
            failed: progress.failed,
            running: progress.running,
            pending: progress.pending,
            current_step: step_number(progress.current_step),
        }),
        events: events.iter().map(event).collect::<Result<_, _>>()?,
    };
    let plain = stored.encode_to_vec();
    let mut payload = Vec::with_capacity(plain.len() + 1);
    if plain.len() < COMPRESS_FROM {
        payload.push(PLAIN);
        payload.extend_from_slice(&plain);
    } else {
        payload.push(LZ4);
        payload.extend_from_slice(&lz4_flex::compress_prepend_size(&plain));
    }
    Ok(payload)
}

/// The commit of a journal row.
pub(super) fn decode_commit(
    root_task_id: TaskId,
    first_sequence: i64,
    ts: Timestamp,
    payload: &[u8],
) -> Result<Commit, Error> {
    let plain;
    let bytes = match payload.split_first() {
        Some((&PLAIN, rest)) => rest,
        Some((&LZ4, rest)) => {
            let (size, compressed) = lz4_flex::block::uncompressed_size(rest)
                .map_err(|error| damaged("journal row", &error))?;
            if size > MAX_PAYLOAD {
                return Err(corrupt("journal row", "size"));
            }
            plain = lz4_flex::block::decompress(compressed, size)
                .map_err(|error| damaged("journal row", &error))?;
            plain.as_slice()
        }
        Some(_) | None => return Err(corrupt("journal row", "form")),
    };
    let stored = StoredCommit::decode(bytes).map_err(|error| damaged("journal row", &error))?;
    let facts = Arc::new(RootFacts {
        action: read_action(stored.action)?,
        design_ref: Arc::from(stored.design_ref),
        labels: Arc::new(stored.labels),
    });
    let progress = stored.progress.unwrap_or_default();
    let reader = Reader {
        first_sequence,
        facts: Some(&facts),
    };
    Ok(Commit {
        root_task_id,
        first_sequence,
        ts,
        progress: Progress {
            node_count: progress.node_count,
            succeeded: progress.succeeded,
            failed: progress.failed,
            running: progress.running,
            pending: progress.pending,
            current_step: read_step(progress.current_step)?,
        },
        events: stored
            .events
            .into_iter()
            .map(|stored| reader.event(stored))
            .collect::<Result<_, _>>()?,
        facts: Arc::clone(&facts),
    })
}

/// The stored form of one task, for spools.
pub(crate) fn encode_task(value: &Task) -> Result<Vec<u8>, Error> {
    Ok(task(value)?.encode_to_vec())
}

/// The task of [`encode_task`]'s bytes.
pub(crate) fn decode_task(bytes: &[u8]) -> Result<Task, Error> {
    let stored = StoredTask::decode(bytes).map_err(|error| damaged("task", &error))?;
    Reader {
        first_sequence: 0,
        facts: None,
    }
    .task(stored)
}

fn event(event: &Event) -> Result<StoredEvent, Error> {
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

fn task(task: &Task) -> Result<StoredTask, Error> {
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

fn message(message: &Message) -> Result<StoredMessage, Error> {
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

/// Turns stored messages back, knowing where in the journal they stand.
struct Reader<'a> {
    first_sequence: i64,
    facts: Option<&'a Arc<RootFacts>>,
}

impl Reader<'_> {
    fn event(&self, stored: StoredEvent) -> Result<Event, Error> {
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

    fn task(&self, stored: StoredTask) -> Result<Task, Error> {
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

/// A message's sequence, from one that may be relative to its commit.
pub(super) const fn absolute(first_sequence: i64, sequence: i64) -> i64 {
    if sequence < 0 {
        first_sequence - 1 - sequence
    } else {
        sequence
    }
}

/// The sequence of a message whose event is at `index` of a commit that has no number yet.
pub(super) const fn relative(index: usize) -> i64 {
    -1 - index as i64
}

fn id_bytes(id: TaskId) -> Vec<u8> {
    id.0.as_bytes().to_vec()
}

fn text(value: Option<&Arc<str>>) -> Option<String> {
    value.map(ToString::to_string)
}

fn step_number(step: Option<StepKind>) -> i32 {
    step.map_or(0, |step| step as i32)
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

fn read_action(number: i32) -> Result<Action, Error> {
    narrow(number, Action::from_number, "action")
}

fn read_status(number: i32) -> Result<TaskStatus, Error> {
    narrow(number, TaskStatus::from_number, "status")
}

fn read_result(number: i32) -> Result<ResultStatus, Error> {
    narrow(number, ResultStatus::from_number, "result")
}

fn read_step(number: i32) -> Result<Option<StepKind>, Error> {
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

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| damaged("document", &error))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| damaged("document", &error))
}

fn damaged(what: &'static str, error: &dyn std::fmt::Display) -> Error {
    Error::Corrupt {
        what,
        problem: error.to_string(),
    }
}
