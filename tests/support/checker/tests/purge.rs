//! Purges of a finished tree, good and broken.

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{TaskEvent, TaskPurged};

use super::super::watcher::{Beginning, Checker, Scope};
use super::story::{ROOT, finish_of, good, moved, place, read};

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
