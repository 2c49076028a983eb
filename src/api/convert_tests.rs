//! Tests of [`super`]: the whole of a task in both views, and that the largest fits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::size::MAX_MESSAGE;
use super::*;
use crate::domain::node_filter::{FilterType, NodeFilter, NodeFilterSet};
use crate::domain::task::{LIST_LIMIT, MESSAGE_LIST_LIMIT};
use crate::domain::{Action, Outcome, Reason, ResultStatus, StepKind, TaskId, TaskStatus};

fn arcs(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn node_filter(node_names: Vec<String>) -> NodeFilterSet {
    NodeFilterSet {
        filter_set_type: FilterType::Union,
        filter_set: vec![NodeFilter {
            filter_type: FilterType::Intersection,
            node_names,
            node_tags: strings(&["tag"]),
            node_labels: BTreeMap::from([("color".to_owned(), "blue".to_owned())]),
            rack_names: strings(&["rack1"]),
            rack_labels: BTreeMap::new(),
        }],
    }
}

fn said(text: &str) -> Message {
    let extra = json!({"truncated_bytes": 3, "list": [true, null, "x", {"a": 1.5}]});
    Message {
        sequence: 17,
        ts: crate::tasks::tests::task(Action::DeployNode).created,
        message: text.to_owned(),
        error: true,
        context_type: "node".to_owned(),
        context: "n2".to_owned(),
        extra: extra.as_object().cloned().unwrap_or_default(),
    }
}

/// A task with something in every field.
fn full() -> Task {
    let queued = crate::tasks::tests::task(Action::DeployNode);
    let later = queued.created + Duration::from_micros(1_500_000);
    Task {
        status: TaskStatus::Terminating,
        updated: later,
        started: Some(later),
        completed: Some(later),
        heartbeat: Some(later),
        terminated: Some(later),
        terminated_by: Some(Arc::from("anonymous")),
        termination_reason: Some(Arc::from("enough")),
        timeout: Duration::new(90, 5_000),
        revision: 5,
        retry: 2,
        retry_of_task_id: Some(TaskId(uuid::Uuid::from_u128(9))),
        correlation_id: Some(Arc::from("c-1")),
        labels: Arc::new(BTreeMap::from([("team".to_owned(), "a".to_owned())])),
        design_digest: Some(Arc::from("abcd")),
        result: Outcome {
            status: ResultStatus::PartialSuccess,
            reason: Reason::NodeFailures,
            message: Arc::from("1 of 3 nodes failed"),
            succeeded: 1,
            failed: 1,
            error_count: 1,
            message_count: 4,
            running: 1,
        },
        subtask_count: 3,
        target_node_count: 4,
        current_step: Some(StepKind::ApplyNodeStorage),
        detail: Some(Box::new(Detail {
            node_filter: Some(node_filter(strings(&["n1", "n2"]))),
            subtask_ids: vec![TaskId(uuid::Uuid::from_u128(3))],
            target_nodes: arcs(&["n1", "n2", "n3", "n4"]),
            successes: arcs(&["n1"]),
            failures: arcs(&["n2"]),
            messages: vec![said("disk missing")],
        })),
        ..queued
    }
}

/// [`full`] as the FULL view has it, field by field.
fn full_shown() -> v1::Task {
    let created = prost_types::Timestamp {
        seconds: 1_767_323_045,
        nanos: 6_000,
    };
    let later = prost_types::Timestamp {
        seconds: 1_767_323_046,
        nanos: 500_006_000,
    };
    let value = |kind| Value { kind: Some(kind) };
    let extra = BTreeMap::from([
        ("truncated_bytes".to_owned(), value(Kind::NumberValue(3.0))),
        (
            "list".to_owned(),
            value(Kind::ListValue(ListValue {
                values: vec![
                    value(Kind::BoolValue(true)),
                    value(Kind::NullValue(0)),
                    value(Kind::StringValue("x".to_owned())),
                    value(Kind::StructValue(Struct {
                        fields: BTreeMap::from([("a".to_owned(), value(Kind::NumberValue(1.5)))]),
                    })),
                ],
            })),
        ),
    ]);
    v1::Task {
        kind: "Task".to_owned(),
        api_version: "v1".to_owned(),
        task_id: "0198f3a0-0000-7000-8000-000000000001".to_owned(),
        action: v1::TaskAction::DeployNode.into(),
        design_ref: "file:///designs/site.yaml".to_owned(),
        parent_task_id: None,
        subtask_id_list: strings(&["00000000-0000-0000-0000-000000000003"]),
        status: v1::TaskStatus::Terminating.into(),
        node_filter: Some(v1::NodeFilterSet {
            filter_set_type: v1::FilterType::Union.into(),
            filter_set: vec![v1::NodeFilter {
                filter_type: v1::FilterType::Intersection.into(),
                node_names: strings(&["n1", "n2"]),
                node_tags: strings(&["tag"]),
                node_labels: BTreeMap::from([("color".to_owned(), "blue".to_owned())]),
                rack_names: strings(&["rack1"]),
                rack_labels: BTreeMap::new(),
            }],
        }),
        created: Some(created),
        created_by: "anonymous".to_owned(),
        updated: Some(later),
        terminated: Some(later),
        terminated_by: "anonymous".to_owned(),
        result: Some(v1::Status {
            kind: "Status".to_owned(),
            api_version: "v1".to_owned(),
            metadata: Some(Struct::default()),
            message: "1 of 3 nodes failed".to_owned(),
            reason: "NodeFailures".to_owned(),
            status: v1::ResultStatus::PartialSuccess.into(),
            details: Some(v1::StatusDetails {
                error_count: Some(1),
                message_list: vec![v1::StatusMessage {
                    message: "disk missing".to_owned(),
                    error: Some(true),
                    context_type: "node".to_owned(),
                    context: "n2".to_owned(),
                    ts: Some(created),
                    extra: Some(Struct { fields: extra }),
                    sequence: 17,
                }],
                message_count: Some(4),
            }),
            successes: strings(&["n1"]),
            failures: strings(&["n2"]),
            success_count: Some(1),
            failure_count: Some(1),
            links: Vec::new(),
        }),
        root_task_id: "0198f3a0-0000-7000-8000-000000000001".to_owned(),
        node_name: String::new(),
        step: String::new(),
        ordinal: None,
        target_nodes: strings(&["n1", "n2", "n3", "n4"]),
        started: Some(later),
        completed: Some(later),
        heartbeat: Some(later),
        timeout: Some(prost_types::Duration {
            seconds: 90,
            nanos: 5_000,
        }),
        progress: Some(v1::TaskProgress {
            node_count: Some(4),
            nodes_succeeded: Some(1),
            nodes_failed: Some(1),
            nodes_running: Some(1),
            nodes_pending: Some(1),
            current_step: "apply_node_storage".to_owned(),
        }),
        revision: 5,
        retry: Some(2),
        retry_of_task_id: Some("00000000-0000-0000-0000-000000000009".to_owned()),
        labels: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
        termination_reason: "enough".to_owned(),
        correlation_id: "c-1".to_owned(),
        design_digest: "abcd".to_owned(),
        subtask_count: Some(3),
        target_node_count: Some(4),
    }
}

#[test]
fn the_full_view_has_every_field() {
    assert_eq!(task(&full(), View::Full), full_shown());
}

#[test]
fn the_basic_view_leaves_out_six_fields_and_keeps_their_counts() {
    let mut expected = full_shown();
    expected.node_filter = None;
    expected.subtask_id_list.clear();
    expected.target_nodes.clear();
    if let Some(result) = &mut expected.result {
        result.successes.clear();
        result.failures.clear();
        if let Some(details) = &mut result.details {
            details.message_list.clear();
        }
    }
    assert_eq!(task(&full(), View::Basic), expected);
}

#[test]
fn silence_is_empty_or_unset_and_result_is_always_there() {
    let shown = task(&crate::tasks::tests::task(Action::VerifySite), View::Full);
    assert_eq!(shown.terminated, None);
    assert_eq!(
        (shown.started, shown.completed, shown.heartbeat),
        (None, None, None)
    );
    assert_eq!(
        (shown.terminated_by.as_str(), shown.design_digest.as_str()),
        ("", "")
    );
    assert_eq!(
        (shown.parent_task_id, shown.ordinal, shown.retry_of_task_id),
        (None, None, None)
    );
    assert_eq!(
        (shown.retry, shown.subtask_count, shown.target_node_count),
        (Some(0), Some(0), Some(0))
    );
    assert_eq!(shown.node_filter, None);
    let result = shown.result.expect("always set");
    assert_eq!(result.metadata, Some(Struct::default()));
    assert_eq!(result.status(), v1::ResultStatus::Incomplete);
    let details = result.details.expect("always set");
    assert_eq!(
        (details.error_count, details.message_count),
        (Some(0), Some(0))
    );
}

#[test]
fn a_subtask_tells_its_place() {
    let subtask = Task {
        parent_task_id: Some(TaskId(uuid::Uuid::from_u128(1))),
        depth: 2,
        ordinal: 0,
        node_name: Some(Arc::from("n1")),
        step: Some(StepKind::SetNodeBoot),
        ..full()
    };
    let shown = task(&subtask, View::Basic);
    assert_eq!(shown.ordinal, Some(0));
    assert_eq!(shown.node_name, "n1");
    assert_eq!(shown.step, "set_node_boot");
}

#[test]
fn a_rehearsed_task_has_no_id() {
    let shown = rehearsed_task(&full());
    assert_eq!(
        (shown.task_id.as_str(), shown.root_task_id.as_str()),
        ("", "")
    );
    assert_eq!(shown.target_nodes.len(), 4);
}

/// A task with every list at its limit and every entry at its longest.
fn largest(filter: NodeFilterSet) -> Task {
    let names: Vec<Arc<str>> = (0..LIST_LIMIT)
        .map(|n| Arc::from(format!("{n:0>253}")))
        .collect();
    let task = full();
    Task {
        design_ref: Arc::from("r".repeat(2048)),
        termination_reason: Some(Arc::from("t".repeat(1024))),
        labels: Arc::new(
            (0..32)
                .map(|n| (format!("{n:0>63}"), "v".repeat(253)))
                .collect(),
        ),
        detail: Some(Box::new(Detail {
            node_filter: Some(filter),
            subtask_ids: vec![task.task_id; LIST_LIMIT],
            target_nodes: names.clone(),
            successes: names.clone(),
            failures: names,
            messages: vec![said(&"m".repeat(8 * 1024)); MESSAGE_LIST_LIMIT],
        })),
        ..task
    }
}

#[test]
fn the_largest_task_fits_and_shows_every_criterion() {
    let many: BTreeMap<String, String> = (0..1_000)
        .map(|n| (format!("{n:0>63}"), "v".repeat(253)))
        .collect();
    let long: Vec<String> = (0..1_000).map(|n| format!("{n:0>253}")).collect();
    let widest = NodeFilterSet {
        filter_set_type: FilterType::Union,
        filter_set: vec![
            NodeFilter {
                filter_type: FilterType::Intersection,
                node_names: long.clone(),
                node_tags: long.clone(),
                node_labels: many.clone(),
                rack_names: long,
                rack_labels: many,
            };
            100
        ],
    };
    let shown = task(&largest(widest), View::Full);
    assert!(
        shown.encoded_len() <= MAX_MESSAGE,
        "{}",
        shown.encoded_len()
    );
    for filter in shown.node_filter.expect("a filter").filter_set {
        assert!(!filter.node_names.is_empty() && !filter.node_tags.is_empty());
        assert!(!filter.node_labels.is_empty() && !filter.rack_names.is_empty());
        assert!(!filter.rack_labels.is_empty());
    }
}

#[test]
fn a_filter_of_ten_thousand_names_is_shown_whole() {
    let names: Vec<String> = (0..10_000).map(|n| format!("node-{n:05}.site")).collect();
    let mut task_with = full();
    if let Some(detail) = &mut task_with.detail {
        detail.node_filter = Some(node_filter(names.clone()));
    }
    let shown = task(&task_with, View::Full).node_filter.expect("a filter");
    assert_eq!(shown.filter_set[0].node_names, names);
}

#[test]
fn the_newest_messages_are_kept() {
    let messages: Vec<Message> = (0..100_i64)
        .map(|sequence| Message {
            sequence,
            ..said(&"m".repeat(8 * 1024))
        })
        .collect();
    let kept = newest(&messages);
    assert!((20..40).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().map(|message| message.sequence), Some(99));
    assert!(kept.is_sorted_by_key(|message| message.sequence));
}
