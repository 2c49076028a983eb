//! A good history is accepted; each way of breaking it is rejected, with the rule.

use drydock::domain::{Cause, ResultStatus, TaskStatus};
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    BuildData, BuildDataAdded, Heartbeat, SnapshotComplete, Status, StatusChanged, StatusDetails,
    StatusMessage, Task, TaskAction, TaskEvent, TaskProgress, TaskPurged,
};

use super::same::difference;
use super::watcher::{Beginning, Checker, End, Scope};

const ROOT: &str = "root";

/// Tells the life of a root with two nodes and a step below each; `b`'s step fails.
struct Story {
    events: Vec<TaskEvent>,
    sequence: i64,
}

fn task(task_id: &str, parent: Option<&str>, status: TaskStatus, revision: i64) -> Task {
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
fn good() -> Vec<TaskEvent> {
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

fn read(events: &[TaskEvent]) -> Result<Checker, String> {
    let mut checker = Checker::new(Scope::Task(ROOT.to_owned()));
    checker.begin(Beginning::Resume);
    for event in events {
        checker.see(event).map_err(|broken| broken.0)?;
    }
    Ok(checker)
}

fn place(events: &[TaskEvent], task_id: &str, wanted: fn(&Arm) -> bool) -> usize {
    events
        .iter()
        .position(|event| event.task_id == task_id && event.event.as_ref().is_some_and(wanted))
        .expect("the event")
}

fn finish_of(events: &[TaskEvent], task_id: &str) -> usize {
    place(events, task_id, |arm| matches!(arm, Arm::TaskFinished(_)))
}

fn running_of(events: &[TaskEvent], task_id: &str) -> usize {
    place(
        events,
        task_id,
        |arm| matches!(arm, Arm::StatusChanged(change) if change.status == TaskStatus::Running as i32),
    )
}

fn change(event: &mut TaskEvent) -> &mut StatusChanged {
    match &mut event.event {
        Some(Arm::StatusChanged(change)) => change,
        other => panic!("not a change of status: {other:?}"),
    }
}

fn finished(event: &mut TaskEvent) -> &mut Task {
    match &mut event.event {
        Some(Arm::TaskFinished(task)) => task,
        other => panic!("not an end: {other:?}"),
    }
}

fn collected(events: &mut [TaskEvent]) -> (&mut TaskEvent, usize) {
    let place = place(events, "a1", |arm| matches!(arm, Arm::BuildDataAdded(_)));
    (&mut events[place], place)
}

fn build_data(event: &mut TaskEvent) -> &mut BuildData {
    match &mut event.event {
        Some(Arm::BuildDataAdded(added)) => added.build_data.as_mut().expect("build data"),
        other => panic!("not build data: {other:?}"),
    }
}

/// Puts an event elsewhere and renumbers, so that only the order itself is wrong.
fn moved(events: &mut Vec<TaskEvent>, from: usize, to: usize) {
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

#[test]
fn a_good_history_is_accepted_to_its_end() {
    let mut checker = read(&good()).expect("a good history");
    assert!(checker.is_over());
    checker.end(End::Ok).expect("OK after the end");
}

#[test]
fn a_good_history_may_be_cut_anywhere() {
    let events = good();
    for cut in 0..=events.len() {
        let mut checker = read(&events[..cut]).expect("a beginning");
        checker.end(End::Cut).expect("a cut");
        if cut < events.len() {
            checker.begin(Beginning::Resume);
            for event in &events[cut..] {
                checker.see(event).expect("the rest");
            }
        }
        checker.end(End::Ok).expect("OK after the end");
    }
}

/// A way to break a history, and what the checker must say of it.
type Case = (&'static str, fn(&mut Vec<TaskEvent>), &'static str);

const BROKEN: &[Case] = &[
    (
        "a gap: a change of status is missing",
        |events| drop(events.remove(running_of(events, "a1"))),
        "it leaves running, the task was queued",
    ),
    (
        "a gap: an addition is missing",
        |events| {
            drop(events.remove(place(events, "b1", |arm| {
                matches!(arm, Arm::SubtaskAdded(_))
            })))
        },
        "the task was not added before",
    ),
    (
        "a gap: a message is missing",
        |events| {
            drop(events.remove(place(events, "b1", |arm| {
                matches!(arm, Arm::MessageAdded(_))
            })))
        },
        "it counts Some(1) messages, 0 were sent",
    ),
    (
        "a duplicate",
        |events| events.insert(9, events[8].clone()),
        "does not follow",
    ),
    (
        "a duplicate under a new sequence",
        |events| {
            let again = place(events, "b", |arm| matches!(arm, Arm::SubtaskAdded(_)));
            let mut event = events[again].clone();
            event.sequence += 1;
            events.insert(again + 1, event);
        },
        "its parent has a subtask 1 already",
    ),
    (
        "two events in the wrong order",
        |events| moved(events, 6, 5),
        "it leaves queued, the task was requested",
    ),
    (
        "sequences that fall",
        |events| {
            let sequence = events[5].sequence;
            events[6].sequence = sequence - 1;
        },
        "does not follow",
    ),
    (
        "times that fall",
        |events| events[12].ts = events[3].ts,
        "its ts falls",
    ),
    (
        "a child before its parent",
        |events| {
            let parent = place(events, "a", |arm| matches!(arm, Arm::SubtaskAdded(_)));
            let child = place(events, "a1", |arm| matches!(arm, Arm::SubtaskAdded(_)));
            moved(events, child, parent);
        },
        "its parent was not added before",
    ),
    (
        "a parent's end before its child's",
        |events| {
            let (child, parent) = (finish_of(events, "b1"), finish_of(events, "b"));
            moved(events, child, parent);
        },
        "1 tasks below it are not over",
    ),
    (
        "a missing end",
        |events| drop(events.remove(finish_of(events, "a1"))),
        "1 tasks below it are not over",
    ),
    (
        "an illegal move",
        |events| {
            let at = running_of(events, "a1");
            let change = change(&mut events[at]);
            change.status = TaskStatus::Terminating as i32;
            change.task.as_mut().expect("a task").status = change.status;
        },
        "may not go queued -> terminating by executor",
    ),
    (
        "a cause that is not allowed",
        |events| {
            let at = running_of(events, ROOT);
            change(&mut events[at]).cause = Cause::Client as i32;
        },
        "Root may not go queued -> running by client",
    ),
    (
        "a wrong previous status",
        |events| {
            let at = running_of(events, "b");
            change(&mut events[at]).previous_status = TaskStatus::Requested as i32;
        },
        "it leaves requested, the task was queued",
    ),
    (
        "a revision that stays",
        |events| {
            let at = running_of(events, "b");
            events[at].revision = 2;
            change(&mut events[at])
                .task
                .as_mut()
                .expect("a task")
                .revision = 2;
        },
        "revision 2 does not follow 2",
    ),
    (
        "another revision inside than outside",
        |events| events[5].revision = 7,
        "its task is",
    ),
    (
        "something after the end",
        |events| {
            let mut event = events[3].clone();
            event.sequence = 1000;
            events.push(event);
        },
        "after the end of the watched task",
    ),
    (
        "something of a task that is over",
        |events| {
            let message = place(events, "b1", |arm| matches!(arm, Arm::MessageAdded(_)));
            let end = finish_of(events, "b1");
            let mut event = events[message].clone();
            event.sequence = events[end].sequence + 1;
            event.ts = events[end].ts;
            if let Some(Arm::MessageAdded(message)) = &mut event.event {
                message.sequence = event.sequence;
            }
            events.insert(end + 1, event);
        },
        "the task is over",
    ),
    (
        "build data of a task that is over",
        |events| {
            let (_, place) = collected(events);
            let end = finish_of(events, "a1");
            moved(events, place, end);
        },
        "the task is over",
    ),
    (
        "build data that another task collected",
        |events| build_data(collected(events).0).task_id = "b1".to_owned(),
        "it was collected by b1",
    ),
    (
        "build data of nothing",
        |events| build_data(collected(events).0).generator.clear(),
        "it does not say of what, by what or when",
    ),
    (
        "build data with its element",
        |events| build_data(collected(events).0).data_element = "{}".to_owned(),
        "it has the element",
    ),
    (
        "a missing token",
        |events| events[7].resume_token.clear(),
        "it has no resume_token",
    ),
    (
        "a result that its nodes do not make",
        |events| {
            let task = finished(events.last_mut().expect("the end"));
            task.result.as_mut().expect("a result").status = ResultStatus::Success as i32;
        },
        "make PartialSuccess",
    ),
    (
        "counts that its nodes do not make",
        |events| {
            let task = finished(events.last_mut().expect("the end"));
            let result = task.result.as_mut().expect("a result");
            result.successes.push("c".to_owned());
            result.success_count = Some(2);
        },
        "its nodes had 1 and 1",
    ),
    (
        "a node that succeeded and failed",
        |events| {
            let task = finished(events.last_mut().expect("the end"));
            task.result.as_mut().expect("a result").failures = vec!["a".to_owned()];
        },
        "node a succeeded and failed",
    ),
    (
        "a list that does not have its count",
        |events| {
            let task = finished(events.last_mut().expect("the end"));
            task.result.as_mut().expect("a result").successes.clear();
        },
        "0 successes are listed, 1 counted",
    ),
    (
        "a replay of what was not told",
        |events| events.last_mut().expect("the end").replay = true,
        "the end is replayed of a task that was not over",
    ),
    (
        "a start below a root that is to stop",
        |events| {
            let at = place(events, "b", |arm| matches!(arm, Arm::SubtaskAdded(_)));
            let mut root = task(ROOT, None, TaskStatus::Terminating, 9);
            root.status = TaskStatus::Terminating as i32;
            let mut event = events[at].clone();
            event.task_id = ROOT.to_owned();
            event.parent_task_id = None;
            event.revision = 9;
            event.sequence -= 1;
            event.event = Some(Arm::StatusChanged(StatusChanged {
                previous_status: TaskStatus::Running as i32,
                status: TaskStatus::Terminating as i32,
                cause: Cause::Client as i32,
                task: Some(root),
                ..StatusChanged::default()
            }));
            event.ts = events[at - 1].ts;
            events.insert(at, event);
        },
        "its parent is terminating",
    ),
];

#[test]
fn every_broken_history_is_rejected_with_its_rule() {
    let mut wrong = Vec::new();
    for (what, break_it, rule) in BROKEN {
        let mut events = good();
        break_it(&mut events);
        match read(&events) {
            Ok(_) => wrong.push(format!("accepted: {what}")),
            Err(broken) if broken.contains(rule) => {}
            Err(broken) => wrong.push(format!("{what}: {broken}")),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn ok_before_the_end_is_rejected() {
    let events = good();
    let mut checker = read(&events[..events.len() - 1]).expect("a beginning");
    assert!(checker.end(End::Ok).is_err());
}

fn snapshot(task: Task, sequence: i64) -> TaskEvent {
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

fn snapshots() -> Vec<TaskEvent> {
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

const BROKEN_SNAPSHOTS: &[Case] = &[
    (
        "a child before its parent",
        |events| events.swap(0, 1),
        "before the snapshot of its parent",
    ),
    (
        "a count that is not so",
        |events| drop(events.remove(1)),
        "2 were sent",
    ),
    (
        "a snapshot of another moment",
        |events| events[2].sequence = 8,
        "do not have one sequence",
    ),
    (
        "a task twice",
        |events| events.insert(2, events[1].clone()),
        "has a snapshot already",
    ),
    (
        "an end of another moment",
        |events| events[3].sequence = 10,
        "does not have the sequence of the snapshots",
    ),
    (
        "an event among snapshots",
        |events| events.insert(1, good()[3].clone()),
        "before snapshot_complete",
    ),
    (
        "a token on a snapshot",
        |events| events[0].resume_token = "token".to_owned(),
        "it has a resume_token",
    ),
    (
        "a parent that is over before its child",
        |events| {
            events[0] = snapshot(task(ROOT, None, TaskStatus::Complete, 4), 9);
        },
        "one below it is not",
    ),
    (
        "an event from before the snapshot",
        |events| events.push(good()[0].clone()),
        "does not follow 9",
    ),
];

#[test]
fn snapshots_are_checked() {
    let begin = |events: &[TaskEvent]| {
        let mut checker = Checker::new(Scope::Task(ROOT.to_owned()));
        checker.begin(Beginning::Snapshot);
        events.iter().try_for_each(|event| checker.see(event))
    };
    begin(&snapshots()).expect("a good snapshot");
    for (what, break_it, rule) in BROKEN_SNAPSHOTS {
        let mut events = snapshots();
        break_it(&mut events);
        match begin(&events) {
            Ok(()) => panic!("accepted: {what}"),
            Err(broken) => assert!(broken.0.contains(rule), "{what}: {broken}"),
        }
    }
}

#[test]
fn a_heartbeat_overtakes_nothing() {
    let events = good();
    let mut checker = read(&events[..5]).expect("a beginning");
    let heartbeat = TaskEvent {
        sequence: events[6].sequence,
        event: Some(Arm::Heartbeat(Heartbeat {})),
        resume_token: "token".to_owned(),
        ..TaskEvent::default()
    };
    checker.see(&heartbeat).expect("a heartbeat");
    assert!(checker.see(&events[5]).is_err());
}

#[test]
fn progress_is_of_no_earlier_revision() {
    let events = good();
    let mut checker = read(&events[..5]).expect("a beginning");
    let root = events[0].clone();
    let progress = |revision| TaskEvent {
        sequence: events[4].sequence,
        revision,
        resume_token: String::new(),
        event: Some(Arm::ProgressChanged(TaskProgress::default())),
        ..root.clone()
    };
    checker.see(&progress(i64::MAX)).expect("progress");
    let refused = checker.see(&progress(0)).expect_err("no revision");
    assert!(refused.0.contains("revision"), "{refused}");
}

#[test]
fn histories_differ_by_what_was_committed_alone() {
    let events = good();
    let mut other = events.clone();
    other[2].resume_token = "another".to_owned();
    other.insert(
        3,
        TaskEvent {
            sequence: 13,
            event: Some(Arm::ProgressChanged(TaskProgress::default())),
            ..TaskEvent::default()
        },
    );
    let end = other.last().expect("the end").clone();
    other.push(TaskEvent {
        replay: true,
        ..end.clone()
    });
    assert_eq!(difference(&events, &other), None);
    other.push(end);
    assert!(difference(&events, &other).is_some_and(|text| text.starts_with("event 27 ")));
    other.truncate(other.len() - 3);
    assert!(difference(&events, &other).is_some_and(|text| text.starts_with("event 26 ")));
    let mut other = events.clone();
    other.swap(4, 5);
    assert!(difference(&events, &other).is_some_and(|text| text.starts_with("event 4 ")));
}

/// A way to break what is told of a purge, and what the checker must say of it.
type PurgeCase = (&'static str, fn(&mut Vec<TaskEvent>), &'static str);

const BROKEN_PURGES: &[PurgeCase] = &[
    (
        "the root is not over",
        |events| {
            let end = finish_of(events, ROOT);
            let last = events.len() - 1;
            moved(events, last, end);
        },
        "the task is purged before its end",
    ),
    (
        "a subtask alone",
        |events| {
            let purge = events.last_mut().expect("the purge");
            purge.task_id = "a".to_owned();
            purge.parent_task_id = Some(ROOT.to_owned());
            purge.revision = 4;
        },
        "a subtask is purged without its tree",
    ),
    (
        "another revision",
        |events| events.last_mut().expect("the purge").revision += 1,
        "the purge changed the task's revision",
    ),
    (
        "without its moment",
        |events| {
            let purge = events.last_mut().expect("the purge");
            purge.event = Some(Arm::TaskPurged(TaskPurged::default()));
        },
        "it does not say when the task was purged",
    ),
    (
        "twice",
        |events| {
            let mut again = events.last().expect("the purge").clone();
            again.sequence += 1;
            events.push(again);
        },
        "the task was not added before",
    ),
    (
        "something is told of the tree after it",
        |events| {
            let mut said =
                events[place(events, "b1", |arm| matches!(arm, Arm::MessageAdded(_)))].clone();
            let last = events.last().expect("the purge");
            (said.sequence, said.ts) = (last.sequence + 1, last.ts);
            if let Some(Arm::MessageAdded(message)) = &mut said.event {
                message.sequence = said.sequence;
            }
            events.push(said);
        },
        "the task was not added before",
    ),
    (
        "out of order",
        |events| events.last_mut().expect("the purge").sequence = 1,
        "does not follow",
    ),
];

/// The good history with the purge of the tree after it.
fn purged() -> Vec<TaskEvent> {
    let mut events = good();
    let end = events.last().expect("the end").clone();
    let sequence = end.sequence + 3;
    events.push(TaskEvent {
        sequence,
        resume_token: format!("token {sequence}"),
        event: Some(Arm::TaskPurged(TaskPurged { purged: end.ts })),
        ..end
    });
    events
}

fn read_fleet(events: &[TaskEvent]) -> Result<Checker, String> {
    let mut checker = Checker::new(Scope::Fleet);
    checker.begin(Beginning::Resume);
    for event in events {
        checker.see(event).map_err(|broken| broken.0)?;
    }
    Ok(checker)
}

#[test]
fn the_purge_of_a_finished_tree_is_accepted_where_the_fleet_is_watched() {
    let checker = read_fleet(&purged()).expect("a good history");
    assert!(checker.tasks.is_empty());
    let broken = read(&purged()).expect_err("a watched task ends, and nothing follows");
    assert!(
        broken.contains("after the end of the watched task"),
        "{broken}"
    );
}

#[test]
fn every_broken_purge_is_rejected_with_its_rule() {
    let mut wrong = Vec::new();
    for (what, break_it, rule) in BROKEN_PURGES {
        let mut events = purged();
        break_it(&mut events);
        match read_fleet(&events) {
            Ok(_) => wrong.push(format!("accepted: {what}")),
            Err(broken) if broken.contains(rule) => {}
            Err(broken) => wrong.push(format!("{what}: {broken}")),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
