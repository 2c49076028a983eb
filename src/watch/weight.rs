//! About how much memory a commit takes: what bounds of memory are counted in.

use std::mem::size_of;

use crate::domain::{BuildData, Commit, Detail, Event, EventKind, Message, Task, TaskId};

/// A short shared string with its counters: ids and names, which are all about this long.
const NAME: usize = 48;

/// About how many bytes the commit takes. Strings that tasks of a tree share are not counted.
pub(super) fn of_commit(commit: &Commit) -> usize {
    size_of::<Commit>() + commit.events.iter().map(of_event).sum::<usize>()
}

/// About how many bytes the event takes.
pub(super) fn of_event(event: &Event) -> usize {
    let kind = match &event.kind {
        EventKind::TaskCreated(task)
        | EventKind::SubtaskAdded(task)
        | EventKind::TaskFinished(task) => of_task(task),
        EventKind::StatusChanged { reason, task, .. } => reason.len() + of_task(task),
        EventKind::ResultChanged { message, .. } => message.len(),
        EventKind::MessageAdded(message) => of_message(message),
        EventKind::BuildDataAdded(data) => {
            size_of::<BuildData>() + NAME + data.generator.len() + data.data_format.len()
        }
        EventKind::TaskPurged(_) => 0,
    };
    size_of::<Event>() + NAME + kind
}

fn of_task(task: &Task) -> usize {
    let reason = task.termination_reason.as_ref();
    size_of::<Task>()
        + NAME
        + task.result.message.len()
        + reason.map_or(0, |reason| reason.len())
        + task.detail.as_deref().map_or(0, of_detail)
}

fn of_detail(detail: &Detail) -> usize {
    let names = detail.target_nodes.len() + detail.successes.len() + detail.failures.len();
    let filters = detail.node_filter.as_ref().map_or(0, |set| {
        let names = set.filter_set.iter().map(|filter| {
            filter.node_names.len()
                + filter.node_tags.len()
                + filter.node_labels.len()
                + filter.rack_names.len()
                + filter.rack_labels.len()
        });
        names.sum::<usize>()
    });
    size_of::<Detail>()
        + size_of::<TaskId>() * detail.subtask_ids.len()
        + NAME * (names + filters)
        + detail.messages.iter().map(of_message).sum::<usize>()
}

fn of_message(message: &Message) -> usize {
    let extra = message
        .extra
        .iter()
        .map(|(key, value)| NAME + key.len() + of_value(value));
    size_of::<Message>()
        + message.message.len()
        + message.context_type.len()
        + message.context.len()
        + extra.sum::<usize>()
}

fn of_value(value: &serde_json::Value) -> usize {
    let inner = match value {
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => 0,
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(values) => values.iter().map(of_value).sum(),
        serde_json::Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| NAME + key.len() + of_value(value))
            .sum(),
    };
    size_of::<serde_json::Value>() + inner
}
