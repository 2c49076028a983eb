//! Facts about lines.

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

fn change(previous: TaskStatus, status: TaskStatus, cause: TransitionCause) -> TaskEvent {
    event(Event::StatusChanged(StatusChanged {
        previous_status: previous.into(),
        status: status.into(),
        cause: cause.into(),
        actor: "anonymous".to_owned(),
        reason: String::new(),
        task: Some(step(status)),
    }))
}

/// All lines of some events, without when and about what.
fn written(events: &[TaskEvent]) -> Vec<String> {
    let mut lines = Lines::default();
    let mut written: Vec<String> = events.iter().flat_map(|event| lines.lines(event)).collect();
    written.extend(lines.flush());
    assert!(lines.held.is_none());
    let head = "2026-01-01T00:00:00.123Z  n01/apply_node_storage            ";
    written
        .iter()
        .map(|line| line.strip_prefix(head).unwrap_or(line).to_owned())
        .collect()
}

#[test]
fn a_transition_is_a_line() {
    use TaskStatus::{Queued, Running, Terminating};
    let by_executor = change(Queued, Running, TransitionCause::Executor);
    assert_eq!(written(&[by_executor]), ["queued -> running"]);
    let by_client = change(Running, Terminating, TransitionCause::Client);
    assert_eq!(
        written(&[by_client]),
        ["running -> terminating by anonymous"]
    );
    let message = event(Event::MessageAdded(StatusMessage {
        message: "no\u{1b}[31m answer\n".to_owned(),
        error: Some(true),
        context_type: "node".to_owned(),
        context: "n01".to_owned(),
        ..StatusMessage::default()
    }));
    let mut lines = Lines::default();
    lines.remember(&step(Running));
    assert_eq!(
        lines.lines(&message),
        [
            "2026-01-01T00:00:00.123Z  n01/apply_node_storage            error (node n01): no [31m answer "
        ]
    );
}

#[test]
fn transitions_of_one_task_in_one_commit_are_one_line() {
    use TaskStatus::{Complete, Queued, Requested, Running};
    let task = Task {
        result: Some(Status {
            status: ResultStatus::Failure.into(),
            reason: "NodeFailures".to_owned(),
            message: "the step failed".to_owned(),
            ..Status::default()
        }),
        ..step(Complete)
    };
    let by_executor = |previous, status| change(previous, status, TransitionCause::Executor);
    let mut later = by_executor(Queued, Running);
    later.ts = None;
    assert_eq!(
        written(&[
            event(Event::SubtaskAdded(step(Requested))),
            by_executor(Requested, Queued),
            by_executor(Queued, Running),
            by_executor(Running, Complete),
            event(Event::TaskFinished(task)),
        ]),
        ["requested -> queued -> running -> complete with failure (NodeFailures): the step failed"]
    );
    assert_eq!(written(&[by_executor(Requested, Queued), later]).len(), 2);
}

#[test]
fn an_end_that_stands_alone_tells_the_result() {
    let mut lines = Lines::default();
    let end = event(Event::TaskFinished(step(TaskStatus::Complete)));
    assert_eq!(
        lines.lines(&end),
        ["2026-01-01T00:00:00.123Z  n01/apply_node_storage            complete with unspecified"]
    );
    assert!(lines.names.is_empty());
}

#[test]
fn what_is_no_transition_has_no_line() {
    assert!(written(&[event(Event::Heartbeat(Heartbeat {}))]).is_empty());
    assert!(written(&[event(Event::Snapshot(step(TaskStatus::Complete)))]).is_empty());
    let going_on = event(Event::Snapshot(step(TaskStatus::Running)));
    assert_eq!(written(&[going_on]), ["is running"]);
}

#[test]
fn progress_is_told_when_a_node_ended() {
    let progress = |running, succeeded| {
        event(Event::ProgressChanged(TaskProgress {
            nodes_running: Some(running),
            nodes_succeeded: Some(succeeded),
            ..TaskProgress::default()
        }))
    };
    let events = [progress(1, 0), progress(2, 0), progress(1, 1)];
    assert_eq!(written(&events).len(), 2);
}
