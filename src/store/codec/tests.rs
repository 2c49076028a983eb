//! What is written is read back, and damage is an error.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::event::{EventKind, Subject};
use crate::domain::node_filter::{FilterType, NodeFilter, NodeFilterSet};
use crate::domain::{
    Action, BuildData, Cause, Detail, Message, Outcome, Reason, ResultStatus, StepKind, TaskStatus,
};

fn labels() -> Arc<BTreeMap<String, String>> {
    Arc::new(BTreeMap::from([("team".to_owned(), "blue".to_owned())]))
}

fn message(sequence: i64) -> Message {
    Message {
        sequence,
        ts: crate::clock::now(),
        message: "no answer from 10.0.0.7 – tried twice".to_owned(),
        error: true,
        context_type: "node".to_owned(),
        context: "n1".to_owned(),
        extra: serde_json::Map::from_iter([("attempt".to_owned(), 2.into())]),
    }
}

fn task() -> Task {
    let root = TaskId::new_root();
    let now = crate::clock::now();
    Task {
        task_id: root.child(7),
        root_task_id: root,
        parent_task_id: Some(root),
        depth: 1,
        ordinal: 7,
        action: Action::DeployNode,
        status: TaskStatus::Complete,
        node_name: Some(Arc::from("n1")),
        step: None,
        created: now,
        created_by: Arc::from("drydock"),
        updated: now,
        started: Some(now),
        completed: Some(now),
        heartbeat: Some(now),
        terminated: Some(now),
        terminated_by: Some(Arc::from("anonymous")),
        termination_reason: Some(Arc::from("wrong rack")),
        timeout: Duration::from_micros(1_500_001),
        revision: 4,
        retry: 2,
        retry_of_task_id: Some(TaskId::new_root()),
        correlation_id: Some(Arc::from("c-1")),
        design_ref: Arc::from("file:///srv/site.yaml"),
        labels: labels(),
        design_digest: Some(Arc::from("ab")),
        result: Outcome {
            status: ResultStatus::Failure,
            reason: Reason::Timeout,
            message: Arc::from("did not end"),
            succeeded: 1,
            failed: 2,
            error_count: 3,
            message_count: 4,
            running: 5,
        },
        subtask_count: 4,
        target_node_count: 1,
        current_step: Some(StepKind::DeployNode),
        detail: Some(Box::new(Detail {
            node_filter: Some(NodeFilterSet {
                filter_set_type: FilterType::Union,
                filter_set: vec![NodeFilter {
                    filter_type: FilterType::Intersection,
                    node_names: vec!["n1".to_owned()],
                    node_tags: Vec::new(),
                    node_labels: BTreeMap::new(),
                    rack_names: Vec::new(),
                    rack_labels: BTreeMap::new(),
                }],
            }),
            subtask_ids: vec![root.child(7).child(0)],
            target_nodes: vec![Arc::from("n1")],
            successes: vec![Arc::from("n0")],
            failures: vec![Arc::from("n1")],
            messages: vec![message(12), message(relative(1))],
        })),
    }
}

fn events() -> Vec<Event> {
    let task = task();
    let kinds = [
        EventKind::TaskCreated(Box::new(task.clone())),
        EventKind::MessageAdded(Box::new(message(relative(1)))),
        EventKind::SubtaskAdded(Box::new(task.clone())),
        EventKind::StatusChanged {
            previous: TaskStatus::Running,
            cause: Cause::LeaseExpired,
            actor: Arc::from("drydock"),
            reason: Arc::from("ExecutorLost"),
            task: Box::new(task.clone()),
        },
        EventKind::ResultChanged {
            status: ResultStatus::PartialSuccess,
            reason: Reason::NodeFailures,
            message: Arc::from("1 of 2"),
            success_count: 1,
            failure_count: 1,
        },
        EventKind::TaskFinished(Box::new(task.clone())),
        EventKind::TaskPurged(task.created),
        EventKind::BuildDataAdded(Box::new(BuildData {
            node_name: Arc::from("n1"),
            task_id: task.task_id,
            collected_date: task.created,
            generator: Arc::from("redfish"),
            data_format: Arc::from("application/json"),
            data_element: None,
        })),
    ];
    let befores = [None, Some((TaskStatus::Running, ResultStatus::Incomplete))];
    kinds
        .into_iter()
        .zip(befores.into_iter().cycle())
        .map(|(kind, before)| Event {
            task_id: task.task_id,
            parent_task_id: task.parent_task_id,
            depth: 1,
            revision: 4,
            subject: Subject {
                node_name: task.node_name.clone(),
                created: task.created,
                created_by: task.created_by.clone(),
                before,
                after: (task.status, task.result.status),
            },
            kind,
        })
        .collect()
}

fn facts() -> RootFacts {
    RootFacts {
        action: Action::DeployNode,
        design_ref: Arc::from("file:///srv/site.yaml"),
        labels: labels(),
    }
}

#[test]
fn a_commit_is_read_back_and_its_messages_get_their_sequences() {
    let progress = Progress {
        node_count: 12,
        succeeded: 1,
        failed: 2,
        running: 3,
        pending: 6,
        current_step: Some(StepKind::DeployNode),
    };
    let root = TaskId::new_root();
    let now = crate::clock::now();
    let mut expected = events();
    let payload = encode_commit(&facts(), progress, &expected).unwrap();
    let commit = decode_commit(root, 1000, now, &payload).unwrap();

    // The one message of this commit has index 1, so its sequence is 1001 wherever it is shown.
    for event in &mut expected {
        match &mut event.kind {
            EventKind::MessageAdded(message) => message.sequence = 1001,
            EventKind::TaskCreated(task)
            | EventKind::SubtaskAdded(task)
            | EventKind::TaskFinished(task)
            | EventKind::StatusChanged { task, .. } => {
                task.detail.as_mut().unwrap().messages[1].sequence = 1001;
            }
            EventKind::ResultChanged { .. }
            | EventKind::TaskPurged(_)
            | EventKind::BuildDataAdded(_) => {}
        }
    }
    assert_eq!(commit.events, expected);
    assert_eq!(commit.progress, progress);
    assert_eq!(*commit.facts, facts());
    assert_eq!(commit.last_sequence(), 1007);
}

#[test]
fn a_task_is_read_back() {
    let mut task = task();
    task.detail.as_mut().unwrap().messages[1].sequence = 13;
    assert_eq!(decode_task(&encode_task(&task).unwrap()).unwrap(), task);
}

#[test]
fn a_message_that_names_an_event_beyond_every_journal_is_damage() {
    let payload = |sequence| {
        let mut event = events().remove(0);
        event.kind = EventKind::MessageAdded(Box::new(message(sequence)));
        encode_commit(&facts(), Progress::default(), &[event]).unwrap()
    };
    let decode = |sequence| {
        let now = crate::clock::now();
        decode_commit(TaskId::new_root(), 1000, now, &payload(sequence))
    };
    for damaged in [i64::MIN, i64::MIN + 999] {
        let told = decode(damaged).unwrap_err();
        assert!(told.to_string().contains("message sequence"), "{told}");
    }
    for whole in [i64::MIN + 1000, relative(0), 0, i64::MAX] {
        assert!(decode(whole).is_ok(), "{whole}");
    }
}

#[test]
fn a_payload_that_claims_more_than_it_can_hold_is_damage() {
    let claims = |size: u32| [&[LZ4][..], &size.to_le_bytes(), &[0x10, b'a']].concat();
    for size in [511, 256 << 20, u32::MAX] {
        let now = crate::clock::now();
        let told = decode_commit(TaskId::new_root(), 1, now, &claims(size)).unwrap_err();
        assert!(told.to_string().contains("size"), "{told}");
    }
    // What repeats itself as much as LZ4 can tell is still read.
    let mut long = events().remove(0);
    let mut said = message(0);
    said.message = "x".repeat(1 << 20);
    long.kind = EventKind::MessageAdded(Box::new(said));
    let payload = encode_commit(&facts(), Progress::default(), &[long]).unwrap();
    let now = crate::clock::now();
    assert!(decode_commit(TaskId::new_root(), 1, now, &payload).is_ok());
}

proptest! {
    #[test]
    fn damage_is_an_error_and_never_a_panic(
        cut in 0usize..2000, flips in prop::collection::vec((0usize..4000, any::<u8>()), 0..8),
    ) {
        let mut payload = encode_commit(&facts(), Progress::default(), &events()).unwrap();
        let length = payload.len();
        for (place, value) in flips {
            payload[place % length] = value;
        }
        payload.truncate(length.saturating_sub(cut));
        let now = crate::clock::now();
        // Whatever it is, it is told: a flipped bit in a text may well still be a commit.
        let _told = decode_commit(TaskId::new_root(), 1, now, &payload);
    }
}
