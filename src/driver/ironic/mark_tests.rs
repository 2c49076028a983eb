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
fn a_request_that_was_never_sent_is_told_from_one_that_had_its_effect() {
    let deploy = call(StepKind::DeployNode);
    let extra = marked(&deploy, &node(BEFORE, None, json!({})), Verb::Active);
    for (updated, reservation, found) in [
        (BEFORE, None, Found::Absent),
        (BEFORE, Some("conductor"), Found::Present),
        (AFTER, None, Found::Present),
        (AFTER, Some("conductor"), Found::Present),
    ] {
        let node = node(updated, reservation, extra.clone());
        let mark = node.mark().unwrap().unwrap();
        assert!(mark.is_of(&deploy) && !mark.is_of(&call(StepKind::DeployNode)));
        assert_eq!(mark.found(&node), found, "{updated} {reservation:?}");
    }
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
