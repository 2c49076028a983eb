//! The end of a task in words: what came of it, what failed and why, and what to do next.

use std::collections::BTreeMap;

use super::model::Model;
use super::picture::span;
use super::row::{Failure, outcome, outcome_token};
use crate::cli::line::plain;
use crate::cli::program::Program;
use crate::cli::token;
use crate::proto::v1::{ResultStatus, Task, TaskStatus};

/// Most kinds of failures that are told; a site with more has something in common that is told too.
const MAX_KINDS: usize = 20;

/// Most names on the line of a failure.
const FEW: usize = 3;

/// Most names of those that have a failure in common.
const MAX_NAMES: usize = 10;

/// Most messages of the task itself that are told: those that say why it failed as a whole.
const MAX_MESSAGES: usize = 5;

/// The summary of a task that is final, in lines; nothing of one that is not. Without a `program` nothing
/// is said of what to do next.
pub(in crate::cli) fn summary(model: &Model, program: Option<&Program>) -> Vec<String> {
    let Some(task) = model.finished() else {
        return Vec::new();
    };
    let mut lines = vec![verdict(model, task)];
    let failures = failures(model);
    if !failures.is_empty() {
        lines.push(String::new());
        lines.extend(failures);
    }
    lines.extend(program.into_iter().flat_map(|program| next(task, program)));
    lines
}

fn verdict(model: &Model, task: &Task) -> String {
    let took = model
        .elapsed_us(0)
        .map(|us| format!(" after {}", span(us)))
        .unwrap_or_default();
    let message = task
        .result
        .as_ref()
        .map_or("", |result| result.message.as_str());
    let detail = if message.is_empty() {
        String::new()
    } else {
        format!(": {}", plain(message))
    };
    format!(
        "{} with {}{took}{detail}",
        capital(&token::of::<TaskStatus>(task.status)),
        outcome_token(task)
    )
}

fn failures(model: &Model) -> Vec<String> {
    let mut kinds: BTreeMap<Failure, Vec<String>> = BTreeMap::new();
    for row in model.failed() {
        let failure = row.failure.clone().unwrap_or_default();
        kinds.entry(failure).or_default().push(row.name.clone());
    }
    if kinds.is_empty() {
        return of_the_task(&model.task);
    }
    let left_out = kinds.len().saturating_sub(MAX_KINDS);
    let mut lines: Vec<String> = kinds
        .into_iter()
        .take(MAX_KINDS)
        .flat_map(|(failure, names)| kind(&failure, names))
        .collect();
    if left_out > 0 {
        lines.push(format!("  and {left_out} more kinds of failures"));
    }
    lines
}

/// Failures of one kind: on one line where few have it, with a count where many do.
fn kind(failure: &Failure, mut names: Vec<String>) -> Vec<String> {
    names.sort();
    let all = names.len();
    let what = |who: &str| {
        if failure.step.is_empty() || failure.step == who {
            format!("  {who} failed: {}", failure.why)
        } else {
            format!("  {who} failed in {}: {}", failure.step, failure.why)
        }
    };
    if all <= FEW {
        return vec![what(&names.join(", "))];
    }
    let more = all.saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    let mut named = format!("    {}", names.join(", "));
    if more > 0 {
        named.push_str(&format!(" and {more} more"));
    }
    vec![what(&all.to_string()), named]
}

/// Why a task failed of which no part did.
fn of_the_task(task: &Task) -> Vec<String> {
    let details = task
        .result
        .as_ref()
        .and_then(|result| result.details.as_ref());
    let messages = details.map_or(&[][..], |details| &details.message_list);
    let errors = messages
        .iter()
        .filter(|message| message.error.unwrap_or_default());
    errors
        .rev()
        .take(MAX_MESSAGES)
        .map(|message| {
            format!(
                "  {} {}: {}",
                message.context_type,
                message.context,
                plain(&message.message)
            )
        })
        .collect()
}

fn next(task: &Task, program: &Program) -> Vec<String> {
    let root = &task.root_task_id;
    let Some((what, scope)) = again(task) else {
        return Vec::new();
    };
    vec![
        String::new(),
        format!("To try {what} again:"),
        format!(
            "  {}",
            program.call(&format!("task retry {root}{scope} --watch"))
        ),
        "To read all that was said:".to_owned(),
        format!(
            "  {}",
            program.call(&format!("task messages {root} --subtasks"))
        ),
    ]
}

/// What is worth another try, and the flag that says so.
fn again(task: &Task) -> Option<(&'static str, &'static str)> {
    let result = task.result.clone().unwrap_or_default();
    let is_through = task.status() == TaskStatus::Complete;
    match outcome(task) {
        ResultStatus::Success if is_through => None,
        // A step, or a part of a tree, is only tried again with all of it.
        _ if !task.step.is_empty() || task.parent_task_id.is_some() => Some(("what failed", "")),
        _ if result.failure_count.unwrap_or_default() > 0 && is_through => {
            Some(("the nodes that failed", ""))
        }
        _ if task.target_node_count.unwrap_or_default() > 0 => Some((
            "the nodes that did not succeed",
            " --scope unfinished-nodes",
        )),
        _ => Some(("all of it", " --scope all-nodes")),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
        .unwrap_or_default()
}
