//! Tests of [`super`].

use std::sync::Arc;

use super::*;
use crate::domain::{Action, Commit, Event, EventKind, Progress, ResultStatus, RootFacts, Subject};
use crate::watch::{Published, Scope};

fn task() -> Task {
    crate::tasks::tests::task(Action::VerifyNode)
}

fn frames(watched: Option<TaskId>) -> Frames {
    let scope = Scope::Task {
        task_id: task().task_id,
        max_depth: None,
    };
    Frames {
        tokens: TokenMint::new(&scope, 7),
        watched,
        top: Top::default(),
        ts: task().created,
    }
}

fn sent(frame: &EventFrame) -> v1::TaskEvent {
    v1::TaskEvent::decode(frame.encode_to_vec().as_slice()).expect("a whole event")
}

fn snapshot(task: Task) -> Item {
    Item::Snapshot {
        task: Box::new(task),
        sequence: 41,
    }
}

fn complete() -> Item {
    Item::SnapshotComplete {
        sequence: 41,
        task_count: 2,
    }
}

fn published() -> Arc<Published> {
    let task = task();
    Published::shared(Arc::new(Commit {
        root_task_id: task.task_id,
        first_sequence: 100,
        ts: task.created,
        facts: Arc::new(RootFacts {
            action: task.action,
            design_ref: task.design_ref.clone(),
            labels: task.labels.clone(),
        }),
        progress: Progress::default(),
        events: ["a", "b"]
            .map(|message| Event {
                task_id: task.task_id,
                parent_task_id: None,
                depth: 0,
                revision: 3,
                subject: Subject {
                    node_name: None,
                    created: task.created,
                    created_by: task.created_by.clone(),
                    before: None,
                    after: (task.status, ResultStatus::Incomplete),
                },
                kind: EventKind::ResultChanged {
                    status: ResultStatus::Failure,
                    reason: crate::domain::Reason::NodeFailures,
                    message: Arc::from(message),
                    success_count: 0,
                    failure_count: 1,
                },
            })
            .into(),
    }))
}

#[test]
fn snapshots_have_no_token_and_their_end_names_the_watched_task() {
    let root = task();
    let child = Task {
        task_id: root.task_id.child(0),
        parent_task_id: Some(root.task_id),
        revision: 9,
        ..root.clone()
    };
    let mut frames = frames(Some(root.task_id));
    let first = sent(&frames.frame(snapshot(root.clone())));
    assert_eq!(first.sequence, 41);
    assert_eq!(first.task_id, root.task_id.to_string());
    assert_eq!(first.revision, root.revision);
    assert_eq!(first.resume_token, "");
    let second = sent(&frames.frame(snapshot(child)));
    assert_eq!(second.parent_task_id, Some(root.task_id.to_string()));

    let end = sent(&frames.frame(complete()));
    assert_eq!(end.task_id, root.task_id.to_string());
    assert_eq!(end.root_task_id, root.task_id.to_string());
    assert_eq!(end.revision, root.revision);
    assert_eq!(end.resume_token, frames.tokens.token(41));
    assert_eq!(
        end.event,
        Some(Arm::SnapshotComplete(v1::SnapshotComplete {
            task_count: Some(2)
        }))
    );
}

#[test]
fn the_end_of_many_snapshots_is_about_no_task() {
    let mut frames = frames(None);
    frames.frame(snapshot(task()));
    let end = sent(&frames.frame(complete()));
    assert_eq!((end.task_id.as_str(), end.root_task_id.as_str()), ("", ""));
    assert_ne!(end.resume_token, "");
}

#[test]
fn an_event_has_its_own_sequence_and_token() {
    let mut frames = frames(None);
    let published = published();
    for (index, replay) in [(0, false), (1, true)] {
        let event = sent(&frames.frame(Item::Event {
            published: published.clone(),
            index,
            replay,
        }));
        let sequence = 100 + index as i64;
        assert_eq!(event.sequence, sequence);
        assert_eq!(event.replay, replay);
        assert_eq!(event.resume_token, frames.tokens.token(sequence));
        assert!(matches!(event.event, Some(Arm::ResultChanged(_))));
    }
}

#[test]
fn progress_has_no_token_and_a_heartbeat_has_one_and_no_task() {
    let root = task();
    let mut frames = frames(Some(root.task_id));
    frames.frame(snapshot(root.clone()));
    let progress = sent(&frames.frame(Item::Progress {
        task_id: root.task_id,
        sequence: 50,
        revision: 7,
        progress: Progress::default(),
    }));
    assert_eq!(
        (progress.sequence, progress.resume_token.as_str()),
        (50, "")
    );
    assert_eq!(progress.revision, 7);

    let heartbeat = sent(&frames.frame(Item::Heartbeat { sequence: 60 }));
    assert_eq!((heartbeat.sequence, heartbeat.task_id.as_str()), (60, ""));
    assert_eq!(heartbeat.resume_token, frames.tokens.token(60));
}
