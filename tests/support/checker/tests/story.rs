//! The life of a small task, told event by event, and means to break it.

use drydock::domain::{Cause, ResultStatus, TaskStatus};
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    BuildData, BuildDataAdded, SnapshotComplete, Status, StatusChanged, StatusDetails,
    StatusMessage, Task, TaskAction, TaskEvent,
};

use super::super::watcher::{Beginning, Checker, Scope};

pub(super) const ROOT: &str = "root";

/// Tells the life of a root with two nodes and a step below each; `b`'s step fails.
struct Story {
    events: Vec<TaskEvent>,
    sequence: i64,
}

pub(super) fn task(task_id: &str, parent: Option<&str>, status: TaskStatus, revision: i64) -> Task {
    let (node_name, step) = match (task_id, parent) {
        (name, Some(ROOT)) => (name, ""),
        (_, Some(node)) => (node, "interrogate_oob"),
        (_, None) => ("", ""),
    };
    Task {
        task_id: task_id.to_owned(),
        root_task_id: ROOT.to_owned(),
        parent_task_id: parent.map(str::to_owned),
        action: TaskAction::VerifyNode.into(),
        status: status as i32,
        node_name: node_name.to_owned(),
        step: step.to_owned(),
        ordinal: parent.map(|_| i32::from(task_id == "b")),
        revision,
        target_node_count: Some(2),
        result: Some(Status {
            metadata: Some(prost_types::Struct::default()),
            status: ResultStatus::Incomplete as i32,
            details: Some(StatusDetails {
                error_count: Some(0),
                message_count: Some(0),
                ..StatusDetails::default()
            }),
            success_count: Some(0),
            failure_count: Some(0),
            ..Status::default()
        }),
        ..Task::default()
    }
}

impl Story {
    fn tell(&mut self, task: &Task, arm: Arm) {
        self.sequence += 3;
        self.events.push(TaskEvent {
            sequence: self.sequence,
            ts: Some(prost_types::Timestamp {
                seconds: self.sequence,
                nanos: 0,
            }),
            task_id: task.task_id.clone(),
            root_task_id: task.root_task_id.clone(),
            parent_task_id: task.parent_task_id.clone(),
            revision: task.revision,
            resume_token: format!("token {}", self.sequence),
            event: Some(arm),
            ..TaskEvent::default()
        });
    }

    fn moves(&mut self, task: &mut Task, status: TaskStatus, cause: Cause) {
        let previous_status = task.status;
        task.status = status as i32;
        task.revision += 1;
        let change = StatusChanged {
            previous_status,
            status: task.status,
            cause: cause as i32,
            task: Some(task.clone()),
            ..StatusChanged::default()
        };
        self.tell(task, Arm::StatusChanged(change));
    }

    fn starts(&mut self, task_id: &str, parent: &str) -> Task {
        let mut task = task(task_id, Some(parent), TaskStatus::Requested, 1);
        self.tell(&task, Arm::SubtaskAdded(task.clone()));
        self.moves(&mut task, TaskStatus::Queued, Cause::Executor);
        self.moves(&mut task, TaskStatus::Running, Cause::Executor);
        task
    }

    fn says(&mut self, task: &mut Task, error: bool) {
        let message = StatusMessage {
            message: "something".to_owned(),
            error: Some(error),
            sequence: self.sequence + 3,
            ..StatusMessage::default()
        };
        self.tell(task, Arm::MessageAdded(message));
        let details = task
            .result
            .as_mut()
            .and_then(|result| result.details.as_mut());
        let details = details.expect("details");
        details.message_count = details.message_count.map(|count| count + 1);
        details.error_count = details.error_count.map(|count| count + i32::from(error));
    }

    fn collects(&mut self, task: &Task) {
        let build_data = BuildData {
            node_name: task.node_name.clone(),
            task_id: task.task_id.clone(),
            collected_date: Some(prost_types::Timestamp::default()),
            generator: "redfish".to_owned(),
            data_format: "application/json".to_owned(),
            data_element: String::new(),
        };
        let build_data = Some(build_data);
        self.tell(task, Arm::BuildDataAdded(BuildDataAdded { build_data }));
    }

    fn ends(&mut self, task: &mut Task, successes: &[&str], failures: &[&str]) {
        self.moves(task, TaskStatus::Complete, Cause::Executor);
        let result = task.result.as_mut().expect("a result");
        result.successes = successes.iter().map(|name| (*name).to_owned()).collect();
        result.failures = failures.iter().map(|name| (*name).to_owned()).collect();
        result.success_count = i32::try_from(successes.len()).ok();
        result.failure_count = i32::try_from(failures.len()).ok();
        let outcome = match (successes, failures) {
            (_, []) => ResultStatus::Success,
            ([], _) => ResultStatus::Failure,
            (_, _) => ResultStatus::PartialSuccess,
        };
        result.status = outcome as i32;
        self.tell(task, Arm::TaskFinished(task.clone()));
    }
}

/// From the creation to the end, 28 events.
pub(super) fn good() -> Vec<TaskEvent> {
    let mut story = Story {
        events: Vec::new(),
        sequence: 4,
    };
    let mut root = task(ROOT, None, TaskStatus::Requested, 1);
    story.tell(&root, Arm::TaskCreated(root.clone()));
    story.moves(&mut root, TaskStatus::Queued, Cause::Client);
    story.moves(&mut root, TaskStatus::Running, Cause::Scheduler);
    story.says(&mut root, false);
    let mut a = story.starts("a", ROOT);
    let mut a1 = story.starts("a1", "a");
    let mut b = story.starts("b", ROOT);
    let mut b1 = story.starts("b1", "b");
    story.says(&mut b1, true);
    story.collects(&a1);
    story.ends(&mut a1, &["a"], &[]);
    story.ends(&mut a, &["a"], &[]);
    story.ends(&mut b1, &[], &["b"]);
    story.ends(&mut b, &[], &["b"]);
    story.ends(&mut root, &["a"], &["b"]);
    story.events
}

pub(super) fn read(events: &[TaskEvent]) -> Result<Checker, String> {
    let mut checker = Checker::new(Scope::Task(ROOT.to_owned()));
    checker.begin(Beginning::Resume);
    for event in events {
        checker.see(event).map_err(|broken| broken.0)?;
    }
    Ok(checker)
}

pub(super) fn place(events: &[TaskEvent], task_id: &str, wanted: fn(&Arm) -> bool) -> usize {
    events
        .iter()
        .position(|event| event.task_id == task_id && event.event.as_ref().is_some_and(wanted))
        .expect("the event")
}

pub(super) fn finish_of(events: &[TaskEvent], task_id: &str) -> usize {
    place(events, task_id, |arm| matches!(arm, Arm::TaskFinished(_)))
}

pub(super) fn running_of(events: &[TaskEvent], task_id: &str) -> usize {
    place(
        events,
        task_id,
        |arm| matches!(arm, Arm::StatusChanged(change) if change.status == TaskStatus::Running as i32),
    )
}

pub(super) fn change(event: &mut TaskEvent) -> &mut StatusChanged {
    match &mut event.event {
        Some(Arm::StatusChanged(change)) => change,
        other => panic!("not a change of status: {other:?}"),
    }
}

pub(super) fn finished(event: &mut TaskEvent) -> &mut Task {
    match &mut event.event {
        Some(Arm::TaskFinished(task)) => task,
        other => panic!("not an end: {other:?}"),
    }
}

/// Where what the step `a1` collected is told.
pub(super) fn collection(events: &[TaskEvent]) -> usize {
    place(events, "a1", |arm| matches!(arm, Arm::BuildDataAdded(_)))
}

pub(super) fn collected(events: &mut [TaskEvent]) -> &mut BuildData {
    let place = collection(events);
    match &mut events[place].event {
        Some(Arm::BuildDataAdded(added)) => added.build_data.as_mut().expect("build data"),
        other => panic!("not build data: {other:?}"),
    }
}

/// Puts an event elsewhere and renumbers, so that only the order itself is wrong.
pub(super) fn moved(events: &mut Vec<TaskEvent>, from: usize, to: usize) {
    let sequences: Vec<_> = events
        .iter()
        .map(|event| (event.sequence, event.ts))
        .collect();
    let event = events.remove(from);
    events.insert(to, event);
    for (event, (sequence, ts)) in events.iter_mut().zip(sequences) {
        (event.sequence, event.ts) = (sequence, ts);
        if let Some(Arm::MessageAdded(message)) = &mut event.event {
            message.sequence = sequence;
        }
    }
}

pub(super) fn snapshot(task: Task, sequence: i64) -> TaskEvent {
    TaskEvent {
        sequence,
        task_id: task.task_id.clone(),
        root_task_id: task.root_task_id.clone(),
        parent_task_id: task.parent_task_id.clone(),
        revision: task.revision,
        event: Some(Arm::Snapshot(task)),
        ..TaskEvent::default()
    }
}

pub(super) fn snapshots() -> Vec<TaskEvent> {
    let running = TaskStatus::Running;
    let complete = TaskEvent {
        sequence: 9,
        task_id: ROOT.to_owned(),
        root_task_id: ROOT.to_owned(),
        resume_token: "token 9".to_owned(),
        event: Some(Arm::SnapshotComplete(SnapshotComplete {
            task_count: Some(3),
        })),
        ..TaskEvent::default()
    };
    vec![
        snapshot(task(ROOT, None, running, 4), 9),
        snapshot(task("a", Some(ROOT), running, 3), 9),
        snapshot(task("b", Some(ROOT), TaskStatus::Queued, 2), 9),
        complete,
    ]
}
