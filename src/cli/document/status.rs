//! Status documents: what became of a task, with every key that the original's have.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use serde_json::{Map, Value, json};

use crate::cli::{moment, token};
use crate::proto::v1::{
    FilterType, Link, NodeFilter, NodeFilterSet, ResultStatus, Status, StatusDetails,
    StatusMessage, Task, TaskAction, TaskStatus,
};

/// Deepest nesting of a message's `extra` that is shown. The server's are flat, and a limit keeps a
/// foreign one from exhausting the stack.
const MAX_DEPTH: usize = 32;

/// The status document of one task.
pub(in crate::cli) fn task(task: &Task) -> Value {
    json!({
        "Kind": task.kind,
        "apiVersion": task.api_version,
        "task_id": task.task_id,
        "action": token::of::<TaskAction>(task.action),
        "design_ref": task.design_ref,
        "parent_task_id": task.parent_task_id,
        "subtask_id_list": task.subtask_id_list,
        "status": token::of::<TaskStatus>(task.status),
        "node_filter": task.node_filter.as_ref().map(filter_set),
        "created": time(task.created.as_ref()),
        "created_by": task.created_by,
        "updated": time(task.updated.as_ref()),
        "terminated": time(task.terminated.as_ref()),
        "terminated_by": non_empty(&task.terminated_by),
        "result": result(&task.result.clone().unwrap_or_default()),
    })
}

/// The status documents of a tree by their ids, and which is the top one.
pub(in crate::cli) fn tree(init_task_id: &str, tasks: &BTreeMap<String, Task>) -> Value {
    let mut object = Map::new();
    object.insert("init_task_id".to_owned(), json!(init_task_id));
    for (task_id, one) in tasks {
        object.insert(task_id.clone(), task(one));
    }
    Value::Object(object)
}

fn filter_set(set: &NodeFilterSet) -> Value {
    json!({
        "filter_set_type": token::of::<FilterType>(set.filter_set_type),
        "filter_set": set.filter_set.iter().map(filter).collect::<Vec<_>>(),
    })
}

fn filter(filter: &NodeFilter) -> Value {
    json!({
        "filter_type": token::of::<FilterType>(filter.filter_type),
        "node_names": filter.node_names,
        "node_tags": filter.node_tags,
        "node_labels": filter.node_labels,
        "rack_names": filter.rack_names,
        "rack_labels": filter.rack_labels,
    })
}

fn result(result: &Status) -> Value {
    json!({
        "Kind": result.kind,
        "apiVersion": result.api_version,
        "metadata": structure(result.metadata.as_ref(), 0),
        "message": result.message,
        "reason": result.reason,
        "status": token::of::<ResultStatus>(result.status),
        "details": details(&result.details.clone().unwrap_or_default()),
        "successes": result.successes,
        "failures": result.failures,
        "links": result.links.iter().map(link).collect::<Vec<_>>(),
    })
}

fn details(details: &StatusDetails) -> Value {
    json!({
        "errorCount": details.error_count.unwrap_or_default(),
        "messageList": details.message_list.iter().map(message).collect::<Vec<_>>(),
    })
}

fn message(message: &StatusMessage) -> Value {
    json!({
        "message": message.message,
        "error": message.error.unwrap_or_default(),
        "context_type": message.context_type,
        "context": message.context,
        "ts": time(message.ts.as_ref()),
        "extra": structure(message.extra.as_ref(), 0),
    })
}

fn link(link: &Link) -> Value {
    json!({"rel": link.rel, "href": link.href})
}

fn time(moment: Option<&prost_types::Timestamp>) -> Option<String> {
    moment.and_then(moment::document)
}

fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn structure(fields: Option<&prost_types::Struct>, depth: usize) -> Value {
    let fields = fields.into_iter().flat_map(|fields| &fields.fields);
    let object: Map<String, Value> = fields
        .map(|(key, field)| (key.clone(), value(field, depth + 1)))
        .collect();
    Value::Object(object)
}

fn value(field: &prost_types::Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    match &field.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::NumberValue(number)) => number_value(*number),
        Some(Kind::StringValue(text)) => json!(text),
        Some(Kind::BoolValue(value)) => json!(value),
        Some(Kind::StructValue(fields)) => structure(Some(fields), depth),
        Some(Kind::ListValue(list)) => list
            .values
            .iter()
            .map(|field| value(field, depth + 1))
            .collect(),
    }
}

/// A `Struct` knows only floats; a whole number is written as one.
fn number_value(number: f64) -> Value {
    /// Whole numbers up to here are exact in a float.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= MAX_EXACT {
        json!(number as i64)
    } else {
        json!(number)
    }
}
