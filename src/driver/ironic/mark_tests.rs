//! What a mark says of its request, by itself and in every history of a node that we can think of.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::domain::inventory::Inventory;
use crate::domain::{Action, InstanceId, Policy, TaskId};

const BEFORE: &str = "2026-11-22T15:07:01.599982+00:00";
const AFTER: &str = "2026-11-22T15:07:06.605521+00:00";

fn call(step: StepKind) -> StepCall {
    StepCall {
        task_id: TaskId::new_root(),
        root_task_id: TaskId::new_root(),
        instance: InstanceId::new(),
        epoch: 1,
        attempt: 1,
        step,
        policy: Policy::Guarded,
        advisory: false,
        action: Action::DeployNode,
        site: Arc::from("s"),
        node_name: Some(Arc::from("n1")),
        design: Arc::new(Inventory::new(None, Vec::new(), BTreeMap::new()).unwrap()),
    }
}

fn node(updated: &str, reservation: Option<&str>, extra: Value) -> Node {
    let node = json!({
        "uuid": "u", "name": "n1", "provision_state": "available", "extra": extra,
        "provision_updated_at": updated, "reservation": reservation,
    });
    serde_json::from_value(node).unwrap()
}

fn marked(call: &StepCall, on: &Node, verb: Verb) -> Value {
    let mark = Mark::before(call, on, verb).unwrap();
    let operation = mark.operation().unwrap();
    assert_eq!(operation["path"], "/extra/drydock");
    json!({"drydock": operation["value"]})
}

#[test]
fn a_mark_of_a_version_that_noted_no_state_is_judged_by_its_moment() {
    let deploy = call(StepKind::DeployNode);
    let task = deploy.task_id.to_string();
    let mark = json!({"task": task, "step": "deploy_node", "verb": "active", "since": BEFORE, "deployment": task});
    for (updated, absent) in [(BEFORE, true), (AFTER, false)] {
        let mut node = node(updated, None, json!({"drydock": mark}));
        node.instance_uuid = Some(task.clone());
        if !absent {
            node.provision_state = State::Active;
        }
        let found = found(&deploy, &node).unwrap();
        assert_eq!(found == Found::Absent, absent);
    }
}

#[test]
fn a_mark_is_left_in_a_moment_of_its_own() {
    let deploy = call(StepKind::DeployNode);
    for (since, updated, told) in [
        (
            Some("2026-11-22T15:07:01+00:00"),
            "2026-11-22T15:07:01+00:00",
            false,
        ),
        (
            Some("2026-11-22T15:07:01+00:00"),
            "2026-11-22T15:07:02+00:00",
            true,
        ),
        (Some(BEFORE), "2026-11-22T15:07:01.600001+00:00", true),
        (None, "2026-11-22T15:07:01+00:00", true),
    ] {
        let mut node = node(BEFORE, None, json!({}));
        node.provision_updated_at = since.map(str::to_owned);
        let mark = Mark::before(&deploy, &node, Verb::Active).unwrap();
        node.updated_at = Some(updated.to_owned());
        assert_eq!(
            mark.has_a_moment_of_its_own(&node),
            told,
            "{since:?} {updated}"
        );
    }
}

#[test]
fn a_claim_without_its_mark_is_not_taken_for_nothing() {
    let deploy = call(StepKind::DeployNode);
    let mut node = node(BEFORE, None, json!({}));
    assert_eq!(found(&deploy, &node).unwrap(), Found::Absent);
    node.instance_uuid = Some(deploy.task_id.to_string());
    assert!(!found(&deploy, &node).unwrap_err().transient);
}

#[test]
fn a_deployment_stays_ours_until_another_begins() {
    let deploy = call(StepKind::DeployNode);
    let task = deploy.task_id.to_string();
    let extra = marked(&deploy, &node(BEFORE, None, json!({})), Verb::Active);
    let destroy = call(StepKind::DestroyNode);
    let mut deployed = node(AFTER, None, extra);
    deployed.instance_uuid = Some(task.clone());
    assert!(deployed.has_deployment_of_ours());

    let extra = marked(&destroy, &deployed, Verb::Deleted);
    let mut releasing = node(AFTER, None, extra);
    releasing.instance_uuid = Some(task);
    assert!(releasing.has_deployment_of_ours());
    releasing.instance_uuid = Some("another".to_owned());
    assert!(!releasing.has_deployment_of_ours());
    releasing.instance_uuid = None;
    assert!(!releasing.has_deployment_of_ours());
}

#[test]
fn what_is_no_mark_of_ours_is_an_error_and_never_absent() {
    for other in [json!({"drydock": "x"}), json!({"drydock": {"task": 1}})] {
        assert!(node(BEFORE, None, other).mark().is_err());
    }
    assert_eq!(
        node(BEFORE, None, json!({"other": 1})).mark().unwrap(),
        None
    );
}
