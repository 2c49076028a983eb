//! A good history is accepted, wherever it is cut; each way of breaking it is rejected, with the rule.

use drydock::domain::{Cause, ResultStatus, TaskStatus};
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{Heartbeat, StatusChanged, TaskEvent, TaskProgress};

use super::super::same::difference;
use super::super::watcher::{Beginning, End};
use super::story::{
    ROOT, change, collected, collection, finish_of, finished, good, moved, place, read, running_of,
    task,
};

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
pub(super) type Case = (&'static str, fn(&mut Vec<TaskEvent>), &'static str);

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
            let (place, end) = (collection(events), finish_of(events, "a1"));
            moved(events, place, end);
        },
        "the task is over",
    ),
    (
        "build data that another task collected",
        |events| collected(events).task_id = "b1".to_owned(),
        "it was collected by b1",
    ),
    (
        "build data of nothing",
        |events| collected(events).generator.clear(),
        "it does not say of what, by what or when",
    ),
    (
        "build data with its element",
        |events| collected(events).data_element = "{}".to_owned(),
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
    assert!(difference(&events, &other).is_some_and(|text| text.starts_with("event 28 ")));
    other.truncate(other.len() - 3);
    assert!(difference(&events, &other).is_some_and(|text| text.starts_with("event 27 ")));
    let mut other = events.clone();
    other.swap(4, 5);
    assert!(difference(&events, &other).is_some_and(|text| text.starts_with("event 4 ")));
}
