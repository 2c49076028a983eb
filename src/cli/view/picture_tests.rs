//! Facts about what a person sees.

use super::model::{Connection, Model};
use super::picture::{Frame, closing, picture};
use super::summary::summary;
use super::testing::{BEGAN_S, added, changed, ended, finished, node, root, said, snapshot, step};
use super::text::{Glyphs, Line, columns};
use crate::cli::program::Program;
use crate::proto::v1::{ResultStatus, Task, TaskStatus};

fn frame(width: usize, height: usize) -> Frame<'static> {
    Frame {
        width,
        height,
        now_us: (BEGAN_S + 3) * 1_000_000,
        glyphs: Glyphs::ASCII,
        foot: "ctrl-C leaves",
    }
}

fn text(lines: &[Line]) -> Vec<String> {
    lines.iter().map(Line::text).collect()
}

fn small() -> Model {
    let running = TaskStatus::Running;
    let mut model = Model::new("root");
    for event in [
        snapshot(root(4)),
        said(&root(4), "site", "deploy_node on 4 of 4 nodes"),
        added(node("alder", 0, running)),
        finished(ended(
            node("alder", 0, running),
            ResultStatus::Success,
            "done",
        )),
        added(node("birch", 1, running)),
        changed(step("birch", "apply_node_platform", 2, running)),
        said(
            &step("birch", "apply_node_platform", 2, running),
            "node",
            "attempt 1 failed: no link",
        ),
        added(node("cedar", 2, running)),
        finished(failed_step("cedar", "no disk")),
        finished(failed_node("cedar", 2)),
    ] {
        model.learn(&event);
    }
    model
}

fn failed_step(name: &str, why: &str) -> Task {
    ended(
        step(name, "deploy_node", 3, TaskStatus::Running),
        ResultStatus::Failure,
        &format!("deploy_node: {why}"),
    )
}

fn failed_node(name: &str, ordinal: i32) -> Task {
    ended(
        node(name, ordinal, TaskStatus::Running),
        ResultStatus::Failure,
        "deploy_node failed",
    )
}

#[test]
fn a_small_task_is_shown_whole() {
    assert_eq!(
        text(&picture(&small(), &frame(80, 24))),
        [
            "deploy_node  running  3.0 s  root",
            "##########..........  2/4 nodes  1 succeeded  1 failed  1 running  1 waiting",
            "deploy_node on 4 of 4 nodes",
            "|- alder  ##########  done",
            "|- birch  #####.....  apply_node_platform  3.0 s  - attempt 1 failed: no link",
            "|- cedar  ########..  failed in deploy_node: no disk",
            "`- and 1 waiting",
            "",
            "ctrl-C leaves",
        ]
    );
}

#[test]
fn a_narrow_terminal_cuts_lines_instead_of_wrapping_them() {
    let model = small();
    for width in 1..100 {
        for height in 1..12 {
            let lines = text(&picture(&model, &frame(width, height)));
            assert!(lines.len() <= height, "{width}x{height}: {lines:?}");
            for line in &lines {
                assert!(columns(line) <= width, "{width}x{height}: {line}");
            }
        }
    }
    let lines = text(&picture(&model, &frame(40, 10)));
    assert_eq!(lines[4], "|- birch  ###..  apply_node_platform  3~");
}

#[test]
fn where_not_all_fit_failures_and_what_runs_are_shown_and_the_rest_counted() {
    let mut model = Model::new("root");
    model.learn(&snapshot(root(100)));
    for index in 0..60 {
        let name = format!("n{index:02}");
        model.learn(&added(node(&name, index, TaskStatus::Running)));
        match index {
            0..20 => {
                model.learn(&finished(failed_step(&name, "no disk")));
                model.learn(&finished(failed_node(&name, index)));
            }
            20..40 => {
                let done = ended(
                    node(&name, index, TaskStatus::Running),
                    ResultStatus::Success,
                    "done",
                );
                model.learn(&finished(done));
            }
            _ => {}
        }
    }
    let lines = text(&picture(&model, &frame(80, 12)));
    let names: Vec<&str> = lines[3..9]
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(names, ["n17", "n18", "n19", "n40", "n41", "n42"]);
    assert_eq!(
        lines[9],
        "`- and 17 failed, 17 running, 20 done, 40 waiting"
    );
    // What does not fit is told in words at the end, not shown in part.
    assert_eq!(closing(&model, &frame(80, 12)).len(), 2);
}

#[test]
fn a_lost_connection_shows_until_there_is_another_one() {
    let mut model = small();
    model.connected(Connection::Lost {
        why: "the server is draining\n  more".to_owned(),
        since_us: BEGAN_S * 1_000_000,
    });
    let lines = text(&picture(&model, &frame(80, 24)));
    assert_eq!(
        lines[2],
        "Connection lost for 3.0 s, trying again: the server is draining"
    );
    model.connected(Connection::Up);
    let lines = text(&picture(&model, &frame(80, 24)));
    assert_eq!(lines[2], "deploy_node on 4 of 4 nodes");
}

#[test]
fn the_end_is_told_in_words_with_the_next_command() {
    let mut model = small();
    for (name, ordinal, why) in [("elm", 3, "no disk"), ("fir", 4, "no power")] {
        model.learn(&added(node(name, ordinal, TaskStatus::Running)));
        model.learn(&finished(failed_step(name, why)));
        model.learn(&finished(failed_node(name, ordinal)));
    }
    assert!(summary(&model, None).is_empty());
    let mut end = ended(
        root(5),
        ResultStatus::PartialSuccess,
        "2 of 5 nodes succeeded, 3 failed",
    );
    end.result.as_mut().unwrap().failure_count = Some(3);
    model.learn(&finished(end));
    let told = summary(&model, Some(&Program::for_server("http://h:7")));
    assert_eq!(
        told[..6],
        [
            "Complete with partial_success after 9.0 s: 2 of 5 nodes succeeded, 3 failed",
            "",
            "  cedar, elm failed in deploy_node: no disk",
            "  fir failed in deploy_node: no power",
            "",
            "To try the nodes that failed again:",
        ]
    );
    assert!(told[6].ends_with("task retry root --watch --server http://h:7"));
}

#[test]
fn a_task_that_failed_as_a_whole_tells_why() {
    let mut end = ended(root(0), ResultStatus::Failure, "the design has 1 errors");
    end.result.as_mut().unwrap().details = Some(crate::proto::v1::StatusDetails {
        message_list: vec![crate::proto::v1::StatusMessage {
            message: "no such profile".to_owned(),
            error: Some(true),
            context_type: "document".to_owned(),
            context: "BaremetalNode/a".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    });
    let mut model = Model::new("root");
    model.learn(&finished(end));
    assert_eq!(
        summary(&model, None)[2],
        "  document BaremetalNode/a: no such profile"
    );
}
