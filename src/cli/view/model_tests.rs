//! Facts about what is learnt from events.

use super::model::{Connection, Model, Totals};
use super::row::{Row, State};
use super::testing::{BEGAN_S, added, changed, ended, finished, node, root, said, snapshot, step};
use crate::proto::v1::{ResultStatus, TaskEvent, TaskProgress, TaskStatus};

fn learnt(events: &[TaskEvent]) -> Model {
    let mut model = Model::new("root");
    for event in events {
        model.learn(event);
    }
    model
}

fn row<'a>(model: &'a Model, name: &str) -> &'a Row {
    model.rows().find(|row| row.name == name).unwrap()
}

#[test]
fn a_node_goes_through_its_steps() {
    let running = TaskStatus::Running;
    let mut model = learnt(&[
        snapshot(root(2)),
        added(node("a", 0, TaskStatus::Requested)),
    ]);
    assert_eq!(row(&model, "a").state, State::Waiting);
    assert_eq!(model.totals().waiting, 2);

    model.learn(&changed(node("a", 0, running)));
    model.learn(&changed(step("a", "apply_node_storage", 1, running)));
    model.learn(&said(
        &step("a", "apply_node_storage", 1, running),
        "node",
        "attempt 1 failed",
    ));
    let node_a = row(&model, "a");
    assert_eq!((node_a.state, node_a.steps_done), (State::Running, 1));
    assert_eq!(node_a.step, "apply_node_storage");
    assert_eq!(node_a.note, "attempt 1 failed");

    model.learn(&changed(step("a", "apply_node_platform", 2, running)));
    assert_eq!(row(&model, "a").note, "");
    model.learn(&finished(ended(
        node("a", 0, running),
        ResultStatus::Success,
        "done",
    )));
    let expected = Totals {
        all: 2,
        waiting: 1,
        succeeded: 1,
        ..Totals::default()
    };
    assert_eq!(model.totals(), expected);
    assert!(model.finished().is_none());
}

#[test]
fn a_failure_is_that_of_the_step_whichever_is_told_first() {
    let failed_step = ended(
        step("a", "deploy_node", 3, TaskStatus::Running),
        ResultStatus::Failure,
        "deploy_node: no disk",
    );
    let failed_node = ended(
        node("a", 0, TaskStatus::Running),
        ResultStatus::Failure,
        "deploy_node failed",
    );
    // As in a snapshot, and as it happens.
    for events in [
        [
            snapshot(root(1)),
            snapshot(failed_node.clone()),
            snapshot(failed_step.clone()),
        ],
        [
            snapshot(root(1)),
            added(node("a", 0, TaskStatus::Running)),
            finished(failed_step.clone()),
        ],
    ] {
        let mut model = learnt(&events);
        model.learn(&finished(failed_node.clone()));
        let failure = row(&model, "a").failure.clone().unwrap();
        assert_eq!(failure.step, "deploy_node");
        assert_eq!(failure.why, "no disk");
        assert_eq!(model.totals().failed, 1);
        assert_eq!(model.failed().count(), 1);
    }
}

#[test]
fn a_snapshot_that_begins_anew_replaces_what_was_known() {
    let mut model = learnt(&[
        snapshot(root(2)),
        snapshot(node("a", 0, TaskStatus::Running)),
        snapshot(node("b", 1, TaskStatus::Running)),
    ]);
    model.connected(Connection::Lost {
        why: "gone".to_owned(),
        since_us: BEGAN_S * 1_000_000,
    });
    model.learn(&snapshot(root(2)));
    model.learn(&snapshot(node("b", 1, TaskStatus::Running)));
    assert_eq!(model.connection, Connection::Up);
    assert_eq!(model.totals().running, 1);
    assert_eq!(model.rows().len(), 1);
}

#[test]
fn a_large_task_is_counted_without_remembering_all_of_it() {
    let mut model = learnt(&[snapshot(root(5_000))]);
    for index in 0..5_000 {
        let name = format!("n{index:05}");
        let node = node(&name, index, TaskStatus::Running);
        model.learn(&added(node.clone()));
        let result = if index % 1_000 == 999 {
            ResultStatus::Failure
        } else {
            ResultStatus::Success
        };
        // As a server tells it: the change of status has the result already.
        model.learn(&changed(ended(node.clone(), result, "")));
        model.learn(&finished(ended(node, result, "")));
    }
    assert!(model.rows().len() < 1_010, "{}", model.rows().len());
    let totals = model.totals();
    assert_eq!((totals.succeeded, totals.failed), (4_995, 5));
    assert_eq!(totals.all, 5_000);
    let latest = model.failed().next().unwrap();
    assert_eq!(latest.name, "n04999");
}

#[test]
fn without_subtasks_the_service_counts() {
    let mut model = learnt(&[snapshot(root(10))]);
    let progress = TaskProgress {
        node_count: Some(10),
        nodes_succeeded: Some(3),
        nodes_failed: Some(1),
        nodes_running: Some(2),
        nodes_pending: Some(4),
        ..TaskProgress::default()
    };
    model.learn(&TaskEvent {
        event: Some(crate::proto::v1::task_event::Event::ProgressChanged(
            progress,
        )),
        ..said(&root(10), "", "")
    });
    let totals = model.totals();
    assert_eq!((totals.all, totals.succeeded, totals.waiting), (10, 3, 4));
}

#[test]
fn a_subtask_that_is_watched_has_its_steps_as_rows() {
    let mut model = Model::new("a");
    model.learn(&snapshot(node("a", 0, TaskStatus::Running)));
    model.learn(&added(step(
        "a",
        "apply_node_networking",
        0,
        TaskStatus::Running,
    )));
    let totals = model.totals();
    assert_eq!((totals.all, totals.running), (4, 1));
    assert_eq!(row(&model, "a/apply_node_networking").state, State::Running);
}
