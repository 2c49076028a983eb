//! Turns, giving up and stopping, with controllers that are nowhere.

use std::collections::BTreeMap;

use super::*;
use crate::domain::inventory::Inventory;
use crate::domain::site::Oob;
use crate::domain::{Action, InstanceId, SecretReference, TaskId};

/// A protocol that reaches nothing, and whose dead may act for a while.
struct Silent;

struct Nowhere(SecretReference);

#[async_trait]
impl Protocol for Silent {
    const OOB_TYPE: &'static str = "silent";
    const OUTLIVES: Duration = Duration::from_secs(10);
    type Bmc = Nowhere;

    fn bmc(&self, node: &Node) -> Result<Nowhere, DriverError> {
        Access::to(node).map(|access| Nowhere(access.credential.clone()))
    }

    async fn open<'a>(
        &'a self,
        bmc: &'a Nowhere,
        _password: &'a Secret,
        _deadline: Instant,
    ) -> Result<Box<dyn Session + 'a>, DriverError> {
        Err(DriverError::passing(ErrorKind::Unreachable, bmc.place()).before_sending())
    }
}

impl Bmc for Nowhere {
    fn place(&self) -> String {
        "nowhere".to_owned()
    }

    fn credential(&self) -> &SecretReference {
        &self.0
    }
}

/// A driver that gives up soon, and a call for a node.
fn setting(step: StepKind) -> (Bmcs<Silent>, StepCall, tempfile::TempDir) {
    let secrets = tempfile::tempdir().unwrap();
    std::fs::write(secrets.path().join("bmc"), "hunter2").unwrap();
    let limits = Limits {
        graceful_shutdown: Duration::ZERO,
        call_timeout: Duration::from_millis(200),
    };
    let source = SecretSource::new(Some(secrets.path().to_owned()));
    let driver = Bmcs::new(Silent, limits, source, Arc::new(Turns::new(1)));
    let node = Node {
        name: "n1".to_owned(),
        oob_type: Some(Silent::OOB_TYPE.to_owned()),
        oob: Arc::new(Oob {
            address: Some("127.0.0.1:1".to_owned()),
            account: Some("operator".to_owned()),
            credential: Some("secret://bmc".parse().unwrap()),
            ..Oob::default()
        }),
        ..Node::default()
    };
    let call = StepCall {
        task_id: TaskId::new_root(),
        root_task_id: TaskId::new_root(),
        instance: InstanceId::new(),
        epoch: 1,
        attempt: 1,
        step,
        policy: Policy::Converge,
        advisory: false,
        action: Action::PrepareNode,
        site: Arc::from("s"),
        node_name: Some(Arc::from("n1")),
        design: Arc::new(Inventory::new(None, vec![node], BTreeMap::new()).unwrap()),
    };
    (driver, call, secrets)
}

#[tokio::test]
async fn a_step_without_a_turn_waits_and_has_not_begun() {
    let (driver, call, _secrets) = setting(StepKind::PowerCycleNode);
    let bmc = driver.protocol.bmc(call.node().unwrap()).unwrap();
    let turn = driver.turn(&bmc, Instant::now()).await.unwrap();
    for waiting in [driver.start(&call).await, driver.poll(&call).await] {
        assert!(
            matches!(waiting, Ok(Progress::Running { .. })),
            "{waiting:?}"
        );
    }
    drop(turn);
    let error = driver.poll(&call).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "it is gone on with");
    assert!(error.transient && error.not_sent);
}

#[tokio::test]
async fn a_step_that_only_waited_gives_up_like_any_other() {
    let (driver, call, _secrets) = setting(StepKind::SetNodeBoot);
    for _ in 1..MAX_UNANSWERED {
        assert!(driver.poll(&call).await.unwrap_err().transient);
    }
    assert!(!driver.poll(&call).await.unwrap_err().transient);
}

#[tokio::test]
async fn a_stopped_step_says_so_once() {
    let (driver, call, _secrets) = setting(StepKind::InterrogateOob);
    driver.cancel(&call).await.unwrap();
    let error = driver.poll(&call).await.unwrap_err();
    assert_eq!((error.kind, error.transient), (ErrorKind::Cancelled, false));
    assert!(driver.interruptible(call.step));
    assert!(!driver.interruptible(StepKind::PowerCycleNode));
}

#[tokio::test(start_paused = true)]
async fn a_successor_waits_for_what_a_killed_process_may_have_left_behind() {
    let (driver, call, _secrets) = setting(StepKind::PowerCycleNode);
    let second = StepCall {
        epoch: 2,
        ..call.clone()
    };
    let Ok(Progress::Running { poll_after, .. }) = driver.start(&second).await else {
        panic!("it has not begun");
    };
    assert_eq!(poll_after, Silent::OUTLIVES);
    assert!(
        driver.poll(&call).await.is_err(),
        "the first waits for nobody"
    );
    tokio::time::advance(poll_after).await;
    assert!(driver.poll(&second).await.is_err());
}
