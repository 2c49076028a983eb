use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::domain::inventory::{Inventory, Node};
use crate::domain::{Action, InstanceId, TaskId};

fn call(step: StepKind, policy: Policy, labels: &[(&str, &str)]) -> StepCall {
    let node = Node {
        name: "n1".to_owned(),
        rack: None,
        tags: BTreeSet::new(),
        labels: labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        oob_type: Some("simulated".to_owned()),
        ..Node::default()
    };
    StepCall {
        task_id: TaskId::new_root(),
        root_task_id: TaskId::new_root(),
        instance: InstanceId::new(),
        epoch: 1,
        attempt: 1,
        step,
        policy,
        advisory: false,
        action: Action::DeployNode,
        site: Arc::from("s"),
        node_name: Some(Arc::from("n1")),
        design: Arc::new(Inventory::new(None, vec![node], BTreeMap::new()).unwrap()),
    }
}

fn driver(step_duration: Duration) -> Simulated {
    Simulated::open(SimulatedOptions {
        step_duration,
        ledger: None,
    })
    .unwrap()
}

#[tokio::test]
async fn an_instant_step_is_done_when_its_start_returns() {
    let call = call(StepKind::InterrogateOob, Policy::Observe, &[]);
    let progress = driver(Duration::ZERO).start(&call).await.unwrap();
    assert_eq!(progress, Progress::Done(StepReport::default()));
}

#[tokio::test]
async fn a_guarded_step_is_found_after_a_restart_and_polled_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let lasting = |step_duration| SimulatedOptions {
        step_duration,
        ledger: Some(directory.path().join("ledger")),
    };
    let call = call(StepKind::DeployNode, Policy::Guarded, &[]);
    // Nobody waits for it: it must last for longer than a busy machine takes to look.
    let before = Simulated::open(lasting(Duration::from_secs(3600))).unwrap();
    assert_eq!(before.find(&call).await.unwrap(), Mark::Absent);
    assert!(matches!(
        before.start(&call).await.unwrap(),
        Progress::Running { .. }
    ));
    drop(before);

    let after = Simulated::open(lasting(Duration::from_millis(20))).unwrap();
    assert_eq!(after.find(&call).await.unwrap(), Mark::Present);
    while let Progress::Running { poll_after, .. } = after.poll(&call).await.unwrap() {
        tokio::time::sleep(poll_after).await;
    }
    assert_eq!(after.find(&call).await.unwrap(), Mark::Present);
    drop(after);
    let text = std::fs::read_to_string(directory.path().join("ledger")).unwrap();
    let events: Vec<LineEvent> = text
        .lines()
        .map(|line| serde_json::from_str::<Line>(line).unwrap().event)
        .collect();
    assert_eq!(
        events,
        [
            LineEvent::Start,
            LineEvent::Adopt,
            LineEvent::End,
            LineEvent::Adopt
        ]
    );
}

#[tokio::test]
async fn labels_make_a_step_fail_falter_and_declare_less() {
    let driver = driver(Duration::ZERO);
    let fails = call(
        StepKind::DeployNode,
        Policy::Guarded,
        &[(FAIL, "deploy_node")],
    );
    let error = driver.start(&fails).await.unwrap_err();
    assert!(!error.transient);
    let other = call(
        StepKind::ApplyNodeStorage,
        Policy::Converge,
        &[(FAIL, "deploy_node")],
    );
    assert!(driver.start(&other).await.is_ok());

    let flaky = call(
        StepKind::DeployNode,
        Policy::Guarded,
        &[(FLAKY, "deploy_node=2")],
    );
    for _ in 0..2 {
        assert!(driver.start(&flaky).await.unwrap_err().transient);
        assert_eq!(driver.find(&flaky).await.unwrap(), Mark::Absent);
    }
    assert!(driver.start(&flaky).await.is_ok());

    let once = call(
        StepKind::DeployNode,
        Policy::Guarded,
        &[(POLICY, "deploy_node=once")],
    );
    assert_eq!(driver.policy(&once), Policy::Once);
}

#[tokio::test]
async fn an_unknown_node_hides_from_the_advisory_step_alone() {
    let driver = driver(Duration::ZERO);
    let mut hidden = call(
        StepKind::IdentifyNode,
        Policy::Observe,
        &[(UNKNOWN, "true")],
    );
    hidden.advisory = true;
    let Progress::Done(report) = driver.start(&hidden).await.unwrap() else {
        panic!("still running");
    };
    assert!(!report.found);
    hidden.advisory = false;
    let Progress::Done(report) = driver.start(&hidden).await.unwrap() else {
        panic!("still running");
    };
    assert!(report.found);
}

#[tokio::test]
async fn a_hanging_step_hangs_until_it_is_cancelled() {
    let driver = driver(Duration::ZERO);
    let hangs = call(
        StepKind::DeployNode,
        Policy::Guarded,
        &[(HANG, "deploy_node")],
    );
    assert!(matches!(
        driver.start(&hangs).await,
        Ok(Progress::Running { .. })
    ));
    assert!(matches!(
        driver.poll(&hangs).await,
        Ok(Progress::Running { .. })
    ));
    driver.cancel(&hangs).await.unwrap();
    assert_eq!(
        driver.poll(&hangs).await.unwrap_err().kind,
        ErrorKind::Cancelled
    );
}
