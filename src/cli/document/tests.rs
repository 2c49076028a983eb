//! Golden documents, in and out.

use prost_types::value::Kind;
use serde_json::{Value, json};

use super::*;
use crate::proto::v1::{
    FilterType, NodeFilter, NodeFilterSet, ResultStatus, Status, StatusDetails, StatusMessage,
    Task, TaskAction, TaskStatus,
};

/// The worked example of the node filter: it selects `a` and `c` of the three nodes it comes with.
const WORKED_EXAMPLE: &str = r#"{
  "action": "verify_node",
  "design_ref": "file:///designs/site.yaml",
  "node_filter": {
    "filter_set": [
      {"filter_type": "intersection", "node_labels": {"color": "yellow", "type": "physical"}},
      {"filter_type": "intersection", "node_names": ["a"]}
    ],
    "filter_set_type": "union"
  }
}"#;

fn labels(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn worked_filter() -> NodeFilterSet {
    NodeFilterSet {
        filter_set_type: FilterType::Union.into(),
        filter_set: vec![
            NodeFilter {
                filter_type: FilterType::Intersection.into(),
                node_labels: labels(&[("color", "yellow"), ("type", "physical")]),
                ..NodeFilter::default()
            },
            NodeFilter {
                filter_type: FilterType::Intersection.into(),
                node_names: vec!["a".to_owned()],
                ..NodeFilter::default()
            },
        ],
    }
}

#[test]
fn the_worked_example_is_read() {
    let request = parse(WORKED_EXAMPLE).unwrap();
    assert_eq!(request.action(), TaskAction::VerifyNode);
    assert_eq!(request.design_ref, "file:///designs/site.yaml");
    assert_eq!(request.node_filter, Some(worked_filter()));
    assert_eq!(request.request_id, "");
    assert!(!request.validate_only);
}

#[test]
fn a_document_with_every_key_is_read() {
    let request = parse(
        r#"{
          "action": "deploy_nodes",
          "design_ref": "deckhand+http://deckhand/api/v1.0/revisions/1/rendered-documents",
          "node_filter": {
            "filter_set_type": "intersection",
            "filter_set": [{
              "filter_type": "union",
              "node_names": [], "node_tags": ["t"], "node_labels": {},
              "rack_names": ["r"], "rack_labels": {"row": "1"}
            }]
          }
        }"#,
    )
    .unwrap();
    assert_eq!(request.action(), TaskAction::DeployNode);
    let filter = &request.node_filter.unwrap().filter_set[0];
    assert_eq!(filter.node_tags, ["t"]);
    assert_eq!(filter.rack_names, ["r"]);
    assert_eq!(filter.rack_labels, labels(&[("row", "1")]));
}

#[test]
fn no_filter_and_a_null_filter_are_alike() {
    for filter in ["", r#", "node_filter": null"#] {
        let text = format!(r#"{{"action": "verify_site", "design_ref": "x"{filter}}}"#);
        assert_eq!(parse(&text).unwrap().node_filter, None);
    }
}

#[test]
fn an_unknown_key_or_token_is_named() {
    let with = |key: &str| format!(r#"{{"action": "verify_node", "design_ref": "x", {key}}}"#);
    for (text, named) in [
        (with(r#""node_filters": {}"#), "node_filters"),
        (
            with(r#""node_filter": {"filter_set": [{"node_name": ["a"]}]}"#),
            "node_name",
        ),
        (
            with(r#""node_filter": {"filter_set_type": "any", "filter_set": []}"#),
            "node_filter.filter_set_type",
        ),
        (
            with(r#""node_filter": {"filter_set": [{}, {"filter_type": "Union"}]}"#),
            "node_filter.filter_set[1].filter_type",
        ),
        (
            r#"{"action": "relabel_nodes", "design_ref": "x"}"#.to_owned(),
            "relabel_nodes",
        ),
        (r#"{"action": "verify_node"}"#.to_owned(), "design_ref"),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(named), "{named} not in {error}");
    }
}

#[test]
fn a_status_document_can_be_submitted_again() {
    let task = finished_task();
    let request = parse(&super::task(&task).to_string()).unwrap();
    assert_eq!(request.action, task.action);
    assert_eq!(request.design_ref, task.design_ref);
    assert_eq!(request.node_filter, task.node_filter);
}

fn at(seconds: i64, nanos: i32) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos })
}

fn finished_task() -> Task {
    Task {
        kind: "Task".to_owned(),
        api_version: "v1".to_owned(),
        task_id: "0198f3a0-0000-7000-8000-000000000001".to_owned(),
        action: TaskAction::VerifyNode.into(),
        design_ref: "file:///designs/site.yaml".to_owned(),
        subtask_id_list: vec!["0198f3a0-0000-8000-8000-000000000002".to_owned()],
        status: TaskStatus::Complete.into(),
        node_filter: Some(worked_filter()),
        created: at(1_767_225_600, 1_000),
        created_by: "anonymous".to_owned(),
        updated: at(1_767_225_601, 500_000_000),
        result: Some(Status {
            kind: "Status".to_owned(),
            api_version: "v1".to_owned(),
            metadata: Some(prost_types::Struct::default()),
            message: "1 of 2 nodes succeeded".to_owned(),
            reason: "NodeFailures".to_owned(),
            status: ResultStatus::PartialSuccess.into(),
            details: Some(StatusDetails {
                error_count: Some(1),
                message_list: vec![StatusMessage {
                    message: "no answer".to_owned(),
                    error: Some(true),
                    context_type: "node".to_owned(),
                    context: "c".to_owned(),
                    ts: at(1_767_225_601, 0),
                    extra: Some(prost_types::Struct {
                        fields: [(
                            "truncated_bytes".to_owned(),
                            prost_types::Value {
                                kind: Some(Kind::NumberValue(12.0)),
                            },
                        )]
                        .into(),
                    }),
                    sequence: 9,
                }],
                message_count: Some(1),
            }),
            successes: vec!["a".to_owned()],
            failures: vec!["c".to_owned()],
            success_count: Some(1),
            failure_count: Some(1),
            links: vec![],
        }),
        ..Task::default()
    }
}

#[test]
fn the_status_document_has_every_key() {
    assert_eq!(
        task(&finished_task()),
        json!({
            "Kind": "Task",
            "apiVersion": "v1",
            "task_id": "0198f3a0-0000-7000-8000-000000000001",
            "action": "verify_node",
            "design_ref": "file:///designs/site.yaml",
            "parent_task_id": null,
            "subtask_id_list": ["0198f3a0-0000-8000-8000-000000000002"],
            "status": "complete",
            "node_filter": {
                "filter_set_type": "union",
                "filter_set": [
                    {
                        "filter_type": "intersection",
                        "node_names": [], "node_tags": [],
                        "node_labels": {"color": "yellow", "type": "physical"},
                        "rack_names": [], "rack_labels": {},
                    },
                    {
                        "filter_type": "intersection",
                        "node_names": ["a"], "node_tags": [], "node_labels": {},
                        "rack_names": [], "rack_labels": {},
                    },
                ],
            },
            "created": "2026-01-01T00:00:00.000001Z",
            "created_by": "anonymous",
            "updated": "2026-01-01T00:00:01.500000Z",
            "terminated": null,
            "terminated_by": null,
            "result": {
                "Kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "message": "1 of 2 nodes succeeded",
                "reason": "NodeFailures",
                "status": "partial_success",
                "details": {
                    "errorCount": 1,
                    "messageList": [{
                        "message": "no answer",
                        "error": true,
                        "context_type": "node",
                        "context": "c",
                        "ts": "2026-01-01T00:00:01.000000Z",
                        "extra": {"truncated_bytes": 12},
                    }],
                },
                "successes": ["a"],
                "failures": ["c"],
                "links": [],
            },
        })
    );
}

#[test]
fn an_empty_task_has_the_same_keys() {
    fn keys(value: &Value) -> Vec<&String> {
        value
            .as_object()
            .map(|object| object.keys().collect())
            .unwrap_or_default()
    }
    let full = task(&finished_task());
    let empty = task(&Task::default());
    assert_eq!(keys(&full), keys(&empty));
    assert_eq!(keys(&full["result"]), keys(&empty["result"]));
    assert_eq!(
        keys(&full["result"]["details"]),
        keys(&empty["result"]["details"])
    );
    assert_eq!(empty["node_filter"], Value::Null);
    assert_eq!(empty["subtask_id_list"], json!([]));
    assert_eq!(empty["created"], Value::Null);
    assert_eq!(empty["result"]["details"]["messageList"], json!([]));
}

#[test]
fn a_tree_is_keyed_by_id() {
    let task = finished_task();
    let document = tree(
        &task.task_id,
        &[(task.task_id.clone(), task.clone())].into(),
    );
    assert_eq!(document["init_task_id"], task.task_id.as_str());
    assert_eq!(document[&task.task_id], super::task(&task));
}
