//! Tasks as the contract's messages have them.

use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, NullValue, Struct, Value};

use super::enums;
use super::show_filter::show_node_filter;
use super::size::{
    Budget, ENTRY_OVERHEAD, MESSAGE_LIST_BYTES, NAME_LIST_BYTES, NAME_OVERHEAD, TASK_BYTES,
};
use crate::domain::{BuildData, Detail, Message, Progress, Task, Timestamp};
use crate::proto::v1;
use crate::store::View;

/// What documents call a task and its outcome, and their version.
const TASK_KIND: &str = "Task";
const STATUS_KIND: &str = "Status";
const API_VERSION: &str = "v1";

/// A task, with its lists or without. A task that was read without them has none in either view.
pub(super) fn task(task: &Task, view: View) -> v1::Task {
    let detail = match view {
        View::Basic => None,
        View::Full => task.detail.as_deref(),
    };
    let mut shown = v1::Task {
        kind: TASK_KIND.to_owned(),
        api_version: API_VERSION.to_owned(),
        task_id: task.task_id.to_string(),
        action: enums::to_action(task.action).into(),
        design_ref: task.design_ref.to_string(),
        parent_task_id: task.parent_task_id.map(|id| id.to_string()),
        subtask_id_list: detail.map_or_else(Vec::new, |detail| {
            detail.subtask_ids.iter().map(ToString::to_string).collect()
        }),
        status: enums::to_task_status(task.status).into(),
        node_filter: None,
        created: Some(timestamp(task.created)),
        created_by: task.created_by.to_string(),
        updated: Some(timestamp(task.updated)),
        terminated: task.terminated.map(timestamp),
        terminated_by: text(task.terminated_by.as_deref()),
        result: Some(result(task, detail)),
        root_task_id: task.root_task_id.to_string(),
        node_name: text(task.node_name.as_deref()),
        step: text(task.step.map(|step| step.token())),
        ordinal: (!task.is_root()).then(|| count(task.ordinal)),
        target_nodes: detail.map_or_else(Vec::new, |detail| names(&detail.target_nodes)),
        started: task.started.map(timestamp),
        completed: task.completed.map(timestamp),
        heartbeat: task.heartbeat.map(timestamp),
        timeout: Some(duration(task.timeout)),
        progress: Some(progress(task.progress())),
        revision: task.revision,
        retry: Some(count(task.retry)),
        retry_of_task_id: task.retry_of_task_id.map(|id| id.to_string()),
        labels: task.labels.as_ref().clone(),
        termination_reason: text(task.termination_reason.as_deref()),
        correlation_id: text(task.correlation_id.as_deref()),
        design_digest: text(task.design_digest.as_deref()),
        subtask_count: Some(count(task.subtask_count)),
        target_node_count: Some(count(task.target_node_count)),
    };
    if let Some(filter) = detail.and_then(|detail| detail.node_filter.as_ref()) {
        let left = TASK_BYTES.saturating_sub(shown.encoded_len());
        shown.node_filter = Some(show_node_filter(filter, left));
    }
    shown
}

/// A task that was not stored: it has no id.
pub(super) fn rehearsed_task(rehearsed: &Task) -> v1::Task {
    v1::Task {
        task_id: String::new(),
        root_task_id: String::new(),
        ..task(rehearsed, View::Full)
    }
}

/// A message of a task.
pub(super) fn message(message: &Message) -> v1::StatusMessage {
    v1::StatusMessage {
        message: message.message.clone(),
        error: Some(message.error),
        context_type: message.context_type.clone(),
        context: message.context.clone(),
        ts: Some(timestamp(message.ts)),
        extra: Some(json_object(&message.extra)),
        sequence: message.sequence,
    }
}

/// Build data, with its element or without.
pub(super) fn build_data(data: &BuildData) -> v1::BuildData {
    v1::BuildData {
        node_name: data.node_name.to_string(),
        task_id: data.task_id.to_string(),
        collected_date: Some(timestamp(data.collected_date)),
        generator: data.generator.to_string(),
        data_format: data.data_format.to_string(),
        data_element: text(data.data_element.as_deref()),
    }
}

/// The counts of a task's nodes.
pub(super) fn progress(progress: Progress) -> v1::TaskProgress {
    v1::TaskProgress {
        node_count: Some(count(progress.node_count)),
        nodes_succeeded: Some(count(progress.succeeded)),
        nodes_failed: Some(count(progress.failed)),
        nodes_running: Some(count(progress.running)),
        nodes_pending: Some(count(progress.pending)),
        current_step: text(progress.current_step.map(|step| step.token())),
    }
}

/// A moment.
pub(super) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        // Below 10^9, but for a leap second, which no store writes.
        nanos: time.timestamp_subsec_nanos().min(999_999_999) as i32,
    }
}

/// A count. The contract's are 32 bits with a sign; none of ours comes near.
pub(super) fn count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn result(task: &Task, detail: Option<&Detail>) -> v1::Status {
    let outcome = &task.result;
    v1::Status {
        message: outcome.message.to_string(),
        reason: outcome.reason.token().to_owned(),
        status: enums::to_result_status(outcome.status).into(),
        details: Some(v1::StatusDetails {
            error_count: Some(count(outcome.error_count)),
            message_list: detail.map_or_else(Vec::new, |detail| newest(&detail.messages)),
            message_count: Some(count(outcome.message_count)),
        }),
        successes: detail.map_or_else(Vec::new, |detail| names(&detail.successes)),
        failures: detail.map_or_else(Vec::new, |detail| names(&detail.failures)),
        success_count: Some(count(task.success_count())),
        failure_count: Some(count(task.failure_count())),
        ..blank_status()
    }
}

/// A status that says nothing yet but what it is.
pub(super) fn blank_status() -> v1::Status {
    v1::Status {
        kind: STATUS_KIND.to_owned(),
        api_version: API_VERSION.to_owned(),
        metadata: Some(Struct::default()),
        ..v1::Status::default()
    }
}

/// The newest messages that fit, oldest first.
fn newest(messages: &[Message]) -> Vec<v1::StatusMessage> {
    let mut budget = Budget::of(MESSAGE_LIST_BYTES);
    let mut newest: Vec<v1::StatusMessage> = messages
        .iter()
        .rev()
        .map(message)
        .take_while(|message| budget.take(message.encoded_len() + ENTRY_OVERHEAD))
        .collect();
    newest.reverse();
    newest
}

/// The first names that fit.
fn names(names: &[std::sync::Arc<str>]) -> Vec<String> {
    let mut budget = Budget::of(NAME_LIST_BYTES);
    names
        .iter()
        .take_while(|name| budget.take(name.len() + NAME_OVERHEAD))
        .map(ToString::to_string)
        .collect()
}

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn duration(duration: std::time::Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // Below 10^9.
        nanos: duration.subsec_nanos() as i32,
    }
}

fn json_object(object: &serde_json::Map<String, serde_json::Value>) -> Struct {
    Struct {
        fields: object
            .iter()
            .map(|(key, value)| (key.clone(), json_value(value)))
            .collect(),
    }
}

fn json_value(value: &serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(NullValue::NullValue.into()),
        serde_json::Value::Bool(value) => Kind::BoolValue(*value),
        // Struct has no other numbers than these; every JSON number has a nearest one.
        serde_json::Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Kind::StringValue(text.clone()),
        serde_json::Value::Array(values) => Kind::ListValue(ListValue {
            values: values.iter().map(json_value).collect(),
        }),
        serde_json::Value::Object(object) => Kind::StructValue(json_object(object)),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
