use std::collections::BTreeSet;

use super::*;
use crate::domain::inventory::{Inventory, Node};
use crate::domain::{Action, InstanceId, Policy, StepKind, TaskId};
use crate::driver::manual::Manual;
use crate::driver::simulated::{Simulated, SimulatedOptions};
use crate::driver::{ErrorKind, Progress};

fn call(site: &str, oob_type: Option<&str>, step: StepKind) -> StepCall {
    let node = Node {
        name: "n1".to_owned(),
        rack: None,
        tags: BTreeSet::new(),
        labels: BTreeMap::new(),
        oob_type: oob_type.map(str::to_owned),
        ..Node::default()
    };
    StepCall {
        task_id: TaskId::new_root(),
        root_task_id: TaskId::new_root(),
        instance: InstanceId::new(),
        epoch: 1,
        attempt: 1,
        step,
        policy: Policy::Observe,
        advisory: false,
        action: Action::VerifyNode,
        site: Arc::from(site),
        node_name: (step != StepKind::ValidateOobServices).then(|| Arc::from("n1")),
        design: Arc::new(Inventory::new(None, vec![node], BTreeMap::new()).unwrap()),
    }
}

fn simulated() -> Arc<dyn Driver> {
    let options = SimulatedOptions {
        step_duration: std::time::Duration::ZERO,
        ledger: None,
    };
    Arc::new(Simulated::open(options).unwrap())
}

fn by_hand() -> SiteDrivers {
    SiteDrivers {
        oob: BTreeMap::from([("manual".to_owned(), Arc::new(Manual) as Arc<dyn Driver>)]),
        node: None,
    }
}

async fn outcome(registry: &Registry, call: &StepCall) -> Result<String, ErrorKind> {
    match registry.driver(call).start(call).await {
        Ok(Progress::Done(report)) => Ok(report.message.unwrap_or_default()),
        Ok(Progress::Running { .. }) => panic!("nothing here takes time"),
        Err(error) => Err(error.kind),
    }
}

#[tokio::test]
async fn without_drivers_everything_is_simulated() {
    let registry = Registry::new(simulated(), SiteDrivers::default(), []);
    for oob_type in [None, Some("redfish"), Some("simulated")] {
        for step in StepKind::ALL {
            let call = call("s", oob_type, step);
            assert_eq!(outcome(&registry, &call).await, Ok(String::new()), "{step}");
        }
    }
}

#[tokio::test]
async fn a_node_whose_type_has_no_driver_fails_alone() {
    let registry = Registry::new(simulated(), by_hand(), []);
    for (oob_type, expected) in [
        (Some("manual"), true),
        (Some("libvirt"), false),
        (None, false),
        (Some("simulated"), true),
    ] {
        let call = call("s", oob_type, StepKind::PowerCycleNode);
        let outcome = outcome(&registry, &call).await;
        assert_eq!(outcome.is_ok(), expected, "{oob_type:?} {outcome:?}");
    }
    let call = call("s", Some("libvirt"), StepKind::InterrogateOob);
    let error = registry.driver(&call).start(&call).await.unwrap_err();
    assert_eq!(
        error.message,
        "no driver for out-of-band type `libvirt`; this site has drivers for manual"
    );
    assert!(!error.transient && error.not_sent);
}

#[tokio::test]
async fn a_site_may_have_drivers_of_its_own() {
    let registry = Registry::new(
        simulated(),
        SiteDrivers::default(),
        [("harbour".to_owned(), by_hand())],
    );
    let here = call("harbour", Some("manual"), StepKind::SetNodeBoot);
    let told = outcome(&registry, &here).await.unwrap();
    assert!(told.contains("n1"), "{told}");
    let there = call("elsewhere", Some("manual"), StepKind::SetNodeBoot);
    assert_eq!(outcome(&registry, &there).await, Ok(String::new()));
}

#[tokio::test]
async fn a_site_is_validated_by_the_drivers_of_its_nodes() {
    let registry = Registry::new(simulated(), by_hand(), []);
    let told = |oob_type| {
        let registry = &registry;
        async move {
            let call = call("s", oob_type, StepKind::ValidateOobServices);
            outcome(registry, &call).await.unwrap()
        }
    };
    assert!(told(Some("manual")).await.starts_with("manual: "));
    assert_eq!(
        told(Some("libvirt")).await,
        "no driver for 1 of 1 nodes: n1"
    );
    assert_eq!(told(Some("simulated")).await, "");
}

#[test]
fn steps_of_the_provisioner_are_not_out_of_band() {
    let registry = Registry::new(simulated(), by_hand(), []);
    let call = call("s", Some("libvirt"), StepKind::DeployNode);
    assert!(registry.driver(&call).interruptible(call.step));
}

#[tokio::test]
async fn a_rehearsal_touches_nothing() {
    let registry = Registry::simulated(simulated());
    let call = call("s", Some("manual"), StepKind::PowerCycleNode);
    assert_eq!(outcome(&registry, &call).await, Ok(String::new()));
}
