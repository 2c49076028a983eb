//! Tasks for people: one in full, many in a table, a tree with its levels.

use std::collections::BTreeMap;

use super::line::{is_final, name, plain};
use super::table::Table;
use super::{moment, pair, token};
use crate::proto::v1::{ResultStatus, StatusMessage, Task, TaskAction, TaskStatus};

/// Most names of nodes that are shown of a list.
const MAX_NAMES: usize = 20;

/// Deepest level of a tree that is shown. Ours have three; a limit keeps a cycle from being followed.
const MAX_LEVELS: usize = 16;

/// One task, a line for each of its properties that is set.
pub(super) fn task(task: &Task) -> Vec<String> {
    let result = task.result.clone().unwrap_or_default();
    let time = |at: Option<&prost_types::Timestamp>| at.map(|at| moment::short(Some(at)));
    let properties = [
        ("task", Some(task.task_id.clone())),
        ("action", Some(token::of::<TaskAction>(task.action))),
        ("node", Some(task.node_name.clone())),
        ("step", Some(task.step.clone())),
        ("status", Some(token::of::<TaskStatus>(task.status))),
        ("result", Some(outcome(task))),
        ("message", Some(plain(&result.message))),
        ("design", Some(task.design_ref.clone())),
        ("parent", task.parent_task_id.clone()),
        ("retry of", task.retry_of_task_id.clone()),
        (
            "labels",
            (!task.labels.is_empty()).then(|| pair::text(&task.labels)),
        ),
        (
            "created",
            time(task.created.as_ref()).map(|at| format!("{at} by {}", task.created_by)),
        ),
        ("started", time(task.started.as_ref())),
        (
            "terminated",
            time(task.terminated.as_ref()).map(|at| {
                format!(
                    "{at} by {} {}",
                    task.terminated_by,
                    plain(&task.termination_reason)
                )
            }),
        ),
        ("completed", time(task.completed.as_ref())),
        (
            "nodes",
            some_names(&task.target_nodes, task.target_node_count),
        ),
        (
            "succeeded",
            some_names(&result.successes, result.success_count),
        ),
        ("failed", some_names(&result.failures, result.failure_count)),
        (
            "subtasks",
            task.subtask_count.map(|count| count.to_string()),
        ),
    ];
    let mut lines: Vec<String> = properties
        .into_iter()
        .filter_map(|(property, value)| Some((property, value?)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(property, value)| format!("{property:<11} {}", value.trim_end()))
        .collect();
    let details = result.details.unwrap_or_default();
    lines.extend(details.message_list.iter().map(message));
    lines
}

/// Tasks in a table.
pub(super) fn table(tasks: &[Task]) -> Vec<String> {
    let heading = [
        "TASK", "ACTION", "SUBJECT", "STATUS", "RESULT", "CREATED", "BY",
    ];
    let mut table = Table::new(heading);
    for task in tasks {
        let subject = match (&task.parent_task_id, task.target_node_count) {
            (Some(_), _) => name(task),
            // How many they are is known when the task starts.
            (None, None | Some(0)) => "-".to_owned(),
            (None, Some(1)) => "1 node".to_owned(),
            (None, Some(count)) => format!("{count} nodes"),
        };
        table.push([
            task.task_id.clone(),
            token::of::<TaskAction>(task.action),
            subject,
            token::of::<TaskStatus>(task.status),
            outcome(task),
            moment::short(task.created.as_ref()),
            task.created_by.clone(),
        ]);
    }
    table.lines().collect()
}

/// A tree of tasks, each below its parent.
pub(super) fn tree(init_task_id: &str, tasks: &BTreeMap<String, Task>) -> Vec<String> {
    let mut children: BTreeMap<&str, Vec<&Task>> = BTreeMap::new();
    for task in tasks.values() {
        if let Some(parent) = task.parent_task_id.as_deref() {
            children.entry(parent).or_default().push(task);
        }
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|task| task.ordinal);
    }
    let mut lines = Vec::new();
    if let Some(top) = tasks.get(init_task_id) {
        branch(top, 0, &children, &mut lines);
    }
    lines
}

fn branch(
    task: &Task,
    level: usize,
    children: &BTreeMap<&str, Vec<&Task>>,
    lines: &mut Vec<String>,
) {
    let indent = "  ".repeat(level);
    let status = token::of::<TaskStatus>(task.status);
    let result = outcome(task);
    lines.push(format!(
        "{indent}{}  {status}  {result}  {}",
        name(task),
        task.task_id
    ));
    if level < MAX_LEVELS {
        for child in children.get(task.task_id.as_str()).into_iter().flatten() {
            branch(child, level + 1, children, lines);
        }
    }
}

/// A message for people.
pub(super) fn message(message: &StatusMessage) -> String {
    let kind = if message.error.unwrap_or_default() {
        "error"
    } else {
        "info"
    };
    format!(
        "{}  {kind:5}  {} {}: {}",
        moment::short(message.ts.as_ref()),
        message.context_type,
        message.context,
        plain(&message.message)
    )
}

/// The first of a list of names, and how many more there are: `total` where the list itself was cut.
pub(super) fn some_names(names: &[String], total: Option<i32>) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let total = total
        .and_then(|total| usize::try_from(total).ok())
        .unwrap_or_default()
        .max(names.len());
    let shown = &names[..names.len().min(MAX_NAMES)];
    let text = shown.join(", ");
    Some(match total - shown.len() {
        0 => text,
        more => format!("{text} ... and {more} more"),
    })
}

fn outcome(task: &Task) -> String {
    let status = task.result.as_ref().map_or(0, |result| result.status);
    let reason = task
        .result
        .as_ref()
        .map_or("", |result| result.reason.as_str());
    if !is_final(task) && status <= i32::from(ResultStatus::Incomplete) {
        return "-".to_owned();
    }
    let status = token::of::<ResultStatus>(status);
    if reason.is_empty() {
        status
    } else {
        format!("{status} ({reason})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_names_is_cut_with_its_count() {
        let names: Vec<String> = (0..25).map(|n| format!("n{n}")).collect();
        let text = some_names(&names, Some(1200)).unwrap();
        assert!(text.starts_with("n0, n1, "));
        assert!(text.ends_with("n19 ... and 1180 more"), "{text}");
        assert_eq!(some_names(&names[..2], Some(2)).as_deref(), Some("n0, n1"));
        assert_eq!(some_names(&[], Some(0)), None);
    }

    #[test]
    fn a_tree_is_indented_and_in_order() {
        let task = |id: &str, parent: Option<&str>, node: &str, step: &str, ordinal| Task {
            task_id: id.to_owned(),
            parent_task_id: parent.map(str::to_owned),
            action: TaskAction::DestroyNode.into(),
            node_name: node.to_owned(),
            step: step.to_owned(),
            ordinal: Some(ordinal),
            status: TaskStatus::Running.into(),
            ..Task::default()
        };
        let tasks = [
            task("r", None, "", "", 0),
            task("y", Some("r"), "a", "", 0),
            task("x", Some("r"), "b", "", 1),
            task("z", Some("y"), "a", "destroy_node", 0),
        ];
        let tasks = tasks.map(|task| (task.task_id.clone(), task)).into();
        assert_eq!(
            tree("r", &tasks),
            [
                "destroy_node  running  -  r",
                "  a  running  -  y",
                "    a/destroy_node  running  -  z",
                "  b  running  -  x",
            ]
        );
    }
}
