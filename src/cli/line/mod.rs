//! Events as lines: when, what, and what became of it.

use std::collections::HashMap;

use crate::cli::{moment, token};
use crate::proto::v1::task_event::Event;
use crate::proto::v1::{
    ResultStatus, StatusChanged, StatusMessage, Task, TaskAction, TaskEvent, TaskProgress,
    TaskStatus, TransitionCause,
};

/// Width of the column that says what an event is about, at first: a usual node name and a long step.
const SUBJECT_WIDTH: usize = 32;

/// What it grows to at the most where names are longer: beyond it, columns give way.
const MAX_SUBJECT_WIDTH: usize = 64;

/// Writes the events of one stream. It remembers what tasks are called while they are open, as some events
/// only have their ids.
///
/// One commit often has several events of a task: created, queued and running, or complete and its result.
/// They become one line, which is why the last one is held until it is known what follows.
#[derive(Debug)]
pub(super) struct Lines {
    names: HashMap<String, String>,
    /// Width of the column of names: it grows and does not shrink, so that lines stay below one another.
    width: usize,
    held: Option<Held>,
    /// Nodes that had succeeded and failed when progress was told last.
    told: Option<(i32, i32)>,
}

/// Transitions of one task in one commit.
#[derive(Debug)]
struct Held {
    task_id: String,
    ts: Option<prost_types::Timestamp>,
    last: TaskStatus,
    /// The transitions, joined by arrows.
    path: String,
    /// Who made the last one, and why.
    detail: String,
    head: String,
}

impl Held {
    fn line(&self) -> String {
        format!("{}{}{}", self.head, self.path, self.detail)
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            names: HashMap::new(),
            width: SUBJECT_WIDTH,
            held: None,
            told: None,
        }
    }
}

impl Lines {
    /// The lines that are complete with this event: none for those that are no transition.
    pub(super) fn lines(&mut self, event: &TaskEvent) -> Vec<String> {
        let Some(told) = &event.event else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        match told {
            Event::SubtaskAdded(task) => {
                self.remember(task);
                lines.extend(self.flush());
                self.hold(event, TaskStatus::Requested, "requested".to_owned(), "");
            }
            Event::StatusChanged(change) => {
                if let Some(task) = &change.task {
                    self.remember(task);
                }
                let to = token::of::<TaskStatus>(change.status);
                let path = match self.held_of(event, change.previous_status()) {
                    Some(held) => format!("{} -> {to}", held.path),
                    None => {
                        lines.extend(self.flush());
                        let from = token::of::<TaskStatus>(change.previous_status);
                        format!("{from} -> {to}")
                    }
                };
                self.hold(event, change.status(), path, &detail(change));
            }
            Event::TaskFinished(task) => {
                self.remember(task);
                let end = match self.held_of(event, task.status()) {
                    Some(held) => format!("{}{}", held.path, result(task)),
                    None => {
                        lines.extend(self.flush());
                        finished(task)
                    }
                };
                lines.push(self.head(event) + &end);
                self.names.remove(&event.task_id);
            }
            Event::Snapshot(_)
            | Event::SnapshotComplete(_)
            | Event::TaskCreated(_)
            | Event::ResultChanged(_)
            | Event::MessageAdded(_)
            | Event::ProgressChanged(_)
            | Event::BuildDataAdded(_)
            | Event::Heartbeat(_)
            | Event::TaskPurged(_) => {
                lines.extend(self.flush());
                if let Some(told) = self.single(told) {
                    lines.push(self.head(event) + &told);
                }
            }
        }
        lines
    }

    /// The line that is held, once nothing follows for now.
    pub(super) fn flush(&mut self) -> Option<String> {
        self.held.take().map(|held| held.line())
    }

    fn single(&mut self, told: &Event) -> Option<String> {
        Some(match told {
            // Of what was before the stream, only what still goes on is news.
            Event::Snapshot(task) => {
                if is_final(task) && task.parent_task_id.is_some() {
                    return None;
                }
                self.remember(task);
                format!("is {}", token::of::<TaskStatus>(task.status))
            }
            Event::TaskCreated(task) => {
                self.remember(task);
                format!("requested by {}", task.created_by)
            }
            Event::ResultChanged(change) => with_detail(
                format!("so far {}", token::of::<ResultStatus>(change.status)),
                &change.message,
            ),
            Event::MessageAdded(message) => said(message),
            Event::ProgressChanged(progress) => {
                let count = |count: Option<i32>| count.unwrap_or_default();
                let ended = (
                    count(progress.nodes_succeeded),
                    count(progress.nodes_failed),
                );
                // Nodes that begin have lines of their own.
                if self.told.replace(ended) == Some(ended) {
                    return None;
                }
                progressed(progress)
            }
            Event::BuildDataAdded(added) => {
                let data = added.build_data.as_ref()?;
                format!("collected {} with {}", data.data_format, data.generator)
            }
            Event::TaskPurged(_) => "purged".to_owned(),
            Event::SubtaskAdded(_)
            | Event::StatusChanged(_)
            | Event::TaskFinished(_)
            | Event::SnapshotComplete(_)
            | Event::Heartbeat(_) => return None,
        })
    }

    fn head(&self, event: &TaskEvent) -> String {
        let name = self
            .names
            .get(&event.task_id)
            .map_or(event.task_id.as_str(), String::as_str);
        let when = moment::short(event.ts.as_ref());
        format!("{when}  {name:width$}  ", width = self.width)
    }

    fn hold(&mut self, event: &TaskEvent, last: TaskStatus, path: String, detail: &str) {
        self.held = Some(Held {
            task_id: event.task_id.clone(),
            ts: event.ts,
            last,
            path,
            detail: detail.to_owned(),
            head: self.head(event),
        });
    }

    /// Takes what is held, if it is of the same task and commit and ended in `status`.
    fn held_of(&mut self, event: &TaskEvent, status: TaskStatus) -> Option<Held> {
        self.held.take_if(|held| {
            held.task_id == event.task_id && held.ts == event.ts && held.last == status
        })
    }

    fn remember(&mut self, task: &Task) {
        let name = name(task);
        let wide = name.chars().count().min(MAX_SUBJECT_WIDTH);
        self.width = self.width.max(wide);
        self.names.insert(task.task_id.clone(), name);
    }
}

/// What a task is called: its node and step, or its action.
pub(super) fn name(task: &Task) -> String {
    match (task.node_name.as_str(), task.step.as_str()) {
        ("", "") => token::of::<TaskAction>(task.action),
        ("", step) => step.to_owned(),
        (node, "") => node.to_owned(),
        (node, step) => format!("{node}/{step}"),
    }
}

/// Whether a task has reached its end.
pub(super) fn is_final(task: &Task) -> bool {
    matches!(task.status(), TaskStatus::Complete | TaskStatus::Terminated)
}

/// The end of a task: its status and its result, in words.
fn finished(task: &Task) -> String {
    token::of::<TaskStatus>(task.status) + &result(task)
}

fn result(task: &Task) -> String {
    let result = task.result.as_ref();
    let outcome = token::of::<ResultStatus>(result.map_or(0, |result| result.status));
    let reason = result.map_or("", |result| result.reason.as_str());
    let ended = if reason.is_empty() {
        format!(" with {outcome}")
    } else {
        format!(" with {outcome} ({reason})")
    };
    with_detail(ended, result.map_or("", |result| result.message.as_str()))
}

/// Who made a change, and why.
fn detail(change: &StatusChanged) -> String {
    let by = match change.cause() {
        // What the service does in the ordinary way needs no cause.
        TransitionCause::Executor | TransitionCause::Scheduler | TransitionCause::Unspecified => "",
        TransitionCause::Client => change.actor.as_str(),
        TransitionCause::Timeout => "timeout",
        TransitionCause::LeaseExpired => "loss of the executor",
        TransitionCause::Parent => "termination of the task above",
        TransitionCause::Admin => "an operator",
    };
    let mut told = String::new();
    if !by.is_empty() {
        told.push_str(" by ");
        told.push_str(by);
    }
    with_detail(told, &change.reason)
}

fn said(message: &StatusMessage) -> String {
    let kind = if message.error.unwrap_or_default() {
        "error"
    } else {
        "message"
    };
    format!(
        "{kind} ({} {}): {}",
        message.context_type,
        message.context,
        plain(&message.message)
    )
}

fn progressed(progress: &TaskProgress) -> String {
    let count = |count: Option<i32>| count.unwrap_or_default();
    format!(
        "{} of {} nodes succeeded, {} failed, {} running",
        count(progress.nodes_succeeded),
        count(progress.node_count),
        count(progress.nodes_failed),
        count(progress.nodes_running),
    )
}

fn with_detail(told: String, detail: &str) -> String {
    if detail.is_empty() {
        told
    } else {
        format!("{told}: {}", plain(detail))
    }
}

/// Text of a device or a caller on one line, without what could steer a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
