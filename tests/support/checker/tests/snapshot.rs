//! Snapshots, whole and broken.

use drydock::domain::TaskStatus;
use drydock::proto::v1::TaskEvent;

use super::super::watcher::{Beginning, Checker, Scope};
use super::live::Case;
use super::story::{ROOT, good, snapshot, snapshots, task};

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
