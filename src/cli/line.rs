//! Events as lines: when, what, and what became of it.

use std::collections::HashMap;

use super::{moment, token};
use crate::proto::v1::task_event::Event;
use crate::proto::v1::{
    ResultStatus, StatusChanged, StatusMessage, Task, TaskAction, TaskEvent, TaskProgress,
    TaskStatus, TransitionCause,
};

/// Width of the column that says what an event is about: a usual node name and a long step.
const SUBJECT_WIDTH: usize = 32;

/// Writes the events of one stream. It remembers what tasks are called while they are open, as some events
/// only have their ids.
#[derive(Debug, Default)]
pub(super) struct Lines {
    names: HashMap<String, String>,
}

impl Lines {
    /// The line of an event; none for those that are no transition.
    pub(super) fn line(&mut self, event: &TaskEvent) -> Option<String> {
        let told = match event.event.as_ref()? {
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
            Event::SubtaskAdded(task) => {
                self.remember(task);
                "requested".to_owned()
            }
            Event::StatusChanged(change) => {
                if let Some(task) = &change.task {
                    self.remember(task);
                }
                changed(change)
            }
            Event::ResultChanged(change) => with_detail(
                format!("so far {}", token::of::<ResultStatus>(change.status)),
                &change.message,
            ),
            Event::MessageAdded(message) => said(message),
            Event::ProgressChanged(progress) => progressed(progress),
            Event::BuildDataAdded(added) => {
                let data = added.build_data.as_ref()?;
                format!("collected {} with {}", data.data_format, data.generator)
            }
            Event::TaskFinished(task) => {
                self.remember(task);
                finished(task)
            }
            Event::TaskPurged(_) => "purged".to_owned(),
            Event::SnapshotComplete(_) | Event::Heartbeat(_) => return None,
        };
        let name = self
            .names
            .get(&event.task_id)
            .map_or(event.task_id.as_str(), String::as_str);
        let when = moment::short(event.ts.as_ref());
        let line = format!("{when}  {name:SUBJECT_WIDTH$}  {told}");
        if matches!(event.event, Some(Event::TaskFinished(_))) {
            self.names.remove(&event.task_id);
        }
        Some(line)
    }

    fn remember(&mut self, task: &Task) {
        self.names.insert(task.task_id.clone(), name(task));
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

/// The end of a task: its result, in words.
pub(super) fn finished(task: &Task) -> String {
    let result = task.result.as_ref();
    let outcome = token::of::<ResultStatus>(result.map_or(0, |result| result.status));
    let reason = result.map_or("", |result| result.reason.as_str());
    let status = token::of::<TaskStatus>(task.status);
    let ended = if reason.is_empty() {
        format!("{status} with {outcome}")
    } else {
        format!("{status} with {outcome} ({reason})")
    };
    with_detail(ended, result.map_or("", |result| result.message.as_str()))
}

fn changed(change: &StatusChanged) -> String {
    let from = token::of::<TaskStatus>(change.previous_status);
    let to = token::of::<TaskStatus>(change.status);
    let mut told = format!("{from} -> {to}");
    let by = match change.cause() {
        // What the service does in the ordinary way needs no cause.
        TransitionCause::Executor | TransitionCause::Scheduler | TransitionCause::Unspecified => "",
        TransitionCause::Client => change.actor.as_str(),
        TransitionCause::Timeout => "timeout",
        TransitionCause::LeaseExpired => "loss of the executor",
        TransitionCause::Parent => "termination of the task above",
        TransitionCause::Admin => "an operator",
    };
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
mod tests {
    use super::*;
    use crate::proto::v1::{Heartbeat, Status};

    fn step(status: TaskStatus) -> Task {
        Task {
            task_id: "t".to_owned(),
            parent_task_id: Some("p".to_owned()),
            action: TaskAction::DeployNode.into(),
            node_name: "n01".to_owned(),
            step: "apply_node_storage".to_owned(),
            status: status.into(),
            ..Task::default()
        }
    }

    fn event(event: Event) -> TaskEvent {
        TaskEvent {
            task_id: "t".to_owned(),
            ts: Some(prost_types::Timestamp {
                seconds: 1_767_225_600,
                nanos: 123_000_000,
            }),
            event: Some(event),
            ..TaskEvent::default()
        }
    }

    #[test]
    fn a_transition_is_a_line() {
        let mut lines = Lines::default();
        let change = |previous: TaskStatus, status: TaskStatus, cause: TransitionCause| {
            event(Event::StatusChanged(StatusChanged {
                previous_status: previous.into(),
                status: status.into(),
                cause: cause.into(),
                actor: "anonymous".to_owned(),
                reason: String::new(),
                task: Some(step(status)),
            }))
        };
        assert_eq!(
            lines
                .line(&change(
                    TaskStatus::Queued,
                    TaskStatus::Running,
                    TransitionCause::Executor
                ))
                .as_deref(),
            Some("2026-01-01T00:00:00.123Z  n01/apply_node_storage            queued -> running")
        );
        assert_eq!(
            lines
                .line(&change(
                    TaskStatus::Running,
                    TaskStatus::Terminating,
                    TransitionCause::Client
                ))
                .as_deref(),
            Some(
                "2026-01-01T00:00:00.123Z  n01/apply_node_storage            running -> terminating by anonymous"
            )
        );
        let message = event(Event::MessageAdded(StatusMessage {
            message: "no\u{1b}[31m answer\n".to_owned(),
            error: Some(true),
            context_type: "node".to_owned(),
            context: "n01".to_owned(),
            ..StatusMessage::default()
        }));
        assert_eq!(
            lines.line(&message).as_deref(),
            Some(
                "2026-01-01T00:00:00.123Z  n01/apply_node_storage            error (node n01): no [31m answer "
            )
        );
    }

    #[test]
    fn an_end_tells_the_result() {
        let task = Task {
            result: Some(Status {
                status: ResultStatus::Failure.into(),
                reason: "NodeFailures".to_owned(),
                message: "the step failed".to_owned(),
                ..Status::default()
            }),
            ..step(TaskStatus::Complete)
        };
        let mut lines = Lines::default();
        assert_eq!(
            lines.line(&event(Event::TaskFinished(task))).as_deref(),
            Some(
                "2026-01-01T00:00:00.123Z  n01/apply_node_storage            complete with failure (NodeFailures): the step failed"
            )
        );
        assert!(lines.names.is_empty());
    }

    #[test]
    fn what_is_no_transition_has_no_line() {
        let mut lines = Lines::default();
        assert_eq!(lines.line(&event(Event::Heartbeat(Heartbeat {}))), None);
        assert_eq!(
            lines.line(&event(Event::Snapshot(step(TaskStatus::Complete)))),
            None
        );
        assert!(
            lines
                .line(&event(Event::Snapshot(step(TaskStatus::Running))))
                .is_some()
        );
    }
}
