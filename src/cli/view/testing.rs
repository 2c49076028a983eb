//! Events as a server sends them, for the tests of the view.

use crate::proto::v1::task_event::Event;
use crate::proto::v1::{
    ResultStatus, Status, StatusChanged, StatusMessage, Task, TaskAction, TaskEvent, TaskStatus,
};

/// When everything begins.
pub(super) const BEGAN_S: i64 = 1_767_225_600;

/// A deployment with so many nodes that runs.
pub(super) fn root(nodes: i32) -> Task {
    Task {
        task_id: "root".to_owned(),
        root_task_id: "root".to_owned(),
        action: TaskAction::DeployNode.into(),
        status: TaskStatus::Running.into(),
        started: at(0),
        target_node_count: Some(nodes),
        ..Task::default()
    }
}

/// A node of it.
pub(super) fn node(name: &str, ordinal: i32, status: TaskStatus) -> Task {
    Task {
        task_id: name.to_owned(),
        parent_task_id: Some("root".to_owned()),
        node_name: name.to_owned(),
        ordinal: Some(ordinal),
        status: status.into(),
        started: at(0),
        ..root(1)
    }
}

/// A step of a node, with its place among the node's steps.
pub(super) fn step(node_name: &str, name: &str, ordinal: i32, status: TaskStatus) -> Task {
    Task {
        task_id: format!("{node_name}/{name}"),
        parent_task_id: Some(node_name.to_owned()),
        step: name.to_owned(),
        ..node(node_name, ordinal, status)
    }
}

/// `task` as it ended.
pub(super) fn ended(task: Task, result: ResultStatus, message: &str) -> Task {
    Task {
        status: TaskStatus::Complete.into(),
        completed: at(9),
        result: Some(Status {
            status: result.into(),
            message: message.to_owned(),
            ..Status::default()
        }),
        ..task
    }
}

pub(super) fn snapshot(task: Task) -> TaskEvent {
    about(&task.clone(), Event::Snapshot(task))
}

pub(super) fn added(task: Task) -> TaskEvent {
    about(&task.clone(), Event::SubtaskAdded(task))
}

pub(super) fn changed(task: Task) -> TaskEvent {
    let change = StatusChanged {
        status: task.status,
        task: Some(task.clone()),
        ..StatusChanged::default()
    };
    about(&task, Event::StatusChanged(change))
}

pub(super) fn finished(task: Task) -> TaskEvent {
    about(&task.clone(), Event::TaskFinished(task))
}

pub(super) fn said(task: &Task, context_type: &str, message: &str) -> TaskEvent {
    let message = StatusMessage {
        message: message.to_owned(),
        context_type: context_type.to_owned(),
        ..StatusMessage::default()
    };
    about(task, Event::MessageAdded(message))
}

fn about(task: &Task, event: Event) -> TaskEvent {
    TaskEvent {
        task_id: task.task_id.clone(),
        root_task_id: task.root_task_id.clone(),
        parent_task_id: task.parent_task_id.clone(),
        event: Some(event),
        ..TaskEvent::default()
    }
}

fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: BEGAN_S + seconds,
        nanos: 0,
    })
}
