//! The driver of BMCs that speak Redfish.
//!
//! Steps that read are `Observe`, steps that change something are `Converge`: each reads first, acts
//! on a difference and reads back, so that whoever comes next may begin it anew. A call does as much
//! as fits into its time; a poll goes on where the last call stopped.

mod bmc;
mod boot;
mod machine;
mod power;
mod refusal;
mod sample;
mod service;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::bmc::Bmc;
use self::power::Cycle;
use self::service::{Known, Service};
use super::http::{Client, TrustError, place};
use super::recent::Recent;
use super::turns::{Turn, Turns};
use super::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall};
use crate::domain::{Policy, StepKind};
use crate::secret::{Secret, SecretSource};

/// The out-of-band type of nodes that this driver serves.
pub const OOB_TYPE: &str = "redfish";

/// How soon a turn is asked for again that did not come. What was left of the call is not enough for
/// what is to be done.
const TURN_AGAIN: Duration = Duration::from_millis(250);

/// How often in a row a poll may meet an error that may pass: as often as a step is started.
const MAX_UNANSWERED: u32 = 4;

/// How the driver is set up.
#[derive(Clone, Debug)]
pub struct RedfishOptions {
    /// A PEM file of the authorities whose certificates are accepted; none: the system's.
    pub authorities: Option<PathBuf>,
    /// How long a node may take to shut down by itself before its power is cut; zero: not asked.
    pub graceful_shutdown: Duration,
    /// How long one call may take.
    pub call_timeout: Duration,
}

/// The Redfish driver.
#[derive(Debug)]
pub struct Redfish {
    options: RedfishOptions,
    client: Client,
    secrets: SecretSource,
    turns: Arc<Turns>,
    known: Known,
    cycles: Recent<Cycle>,
    /// How often in a row a poll of a step met an error that may pass.
    unanswered: Recent<u32>,
    /// Steps that were told to stop.
    stopped: Recent<()>,
}

impl Redfish {
    /// Sets the driver up. `turns` are those of all sites together.
    ///
    /// # Errors
    ///
    /// The authorities cannot be read.
    pub fn new(
        options: RedfishOptions,
        secrets: SecretSource,
        turns: Arc<Turns>,
    ) -> Result<Self, TrustError> {
        Ok(Self {
            client: Client::new(options.authorities.as_deref())?,
            options,
            secrets,
            turns,
            known: Known::default(),
            cycles: Recent::default(),
            unanswered: Recent::default(),
            stopped: Recent::default(),
        })
    }

    /// Does what there is time for.
    async fn go_on(&self, call: &StepCall) -> Result<Progress, DriverError> {
        // Before the executor's own limit, so that it is we who say what was waited for.
        let now = Instant::now();
        let deadline = now + self.options.call_timeout.mul_f64(0.9);
        if call.step == StepKind::ValidateOobServices {
            return self.validate(call, deadline).await;
        }
        let node = call.node().ok_or_else(|| unsupported(call))?;
        let bmc = Bmc::of(node)?;
        // Half of the time is for what is done once it is our turn.
        let Some(_turn) = self.turn(&bmc, now + (deadline - now) / 2).await else {
            return Ok(Progress::Running {
                poll_after: TURN_AGAIN,
                message: None,
            });
        };
        let password = self.password(&bmc).await?;
        let mut service = self.open(&bmc, &password, deadline).await?;
        match call.step {
            StepKind::InterrogateOob => machine::read(&mut service).await,
            StepKind::SetNodeBoot => boot::set_network(&mut service).await,
            StepKind::PowerCycleNode => self.power_cycle(call, &mut service).await,
            StepKind::ValidateOobServices
            | StepKind::ValidateNodeServices
            | StepKind::CreateNetworkTemplate
            | StepKind::ConfigureUserCredentials
            | StepKind::ConfigureNodeProvisioner
            | StepKind::IdentifyNode
            | StepKind::ConfigureHardware
            | StepKind::ApplyNodeNetworking
            | StepKind::ApplyNodeStorage
            | StepKind::ApplyNodePlatform
            | StepKind::DeployNode
            | StepKind::DestroyNode => Err(unsupported(call)),
        }
    }

    async fn power_cycle(
        &self,
        call: &StepCall,
        service: &mut Service<'_>,
    ) -> Result<Progress, DriverError> {
        let mut cycle = match self.cycles.get(call.task_id) {
            Some(cycle) => cycle,
            // Another process began it, and we are only to see to its end.
            None if power::is_on(service).await? => {
                return Err(DriverError::permanent(
                    ErrorKind::Cancelled,
                    "the node is on; whether it was off before is not known",
                ));
            }
            None => Cycle::abandoned(),
        };
        let outcome = power::go_on(service, &mut cycle, self.options.graceful_shutdown).await;
        match &outcome {
            Ok(Progress::Running { .. }) => self.cycles.put(call.task_id, cycle),
            Err(error) if error.transient || cycle.is_under_way() => {
                self.cycles.put(call.task_id, cycle);
            }
            Ok(Progress::Done(_)) | Err(_) => self.cycles.remove(call.task_id),
        }
        outcome
    }

    /// A node that is being switched off and on is not left off because something failed for a moment
    /// that is lasting elsewhere, such as a password that is exchanged: it is asked again until the
    /// step's time is over.
    fn not_left_off(&self, call: &StepCall, error: DriverError) -> DriverError {
        let cycle = self.cycles.get(call.task_id);
        let transient = error.transient || cycle.is_some_and(|cycle| cycle.is_under_way());
        DriverError { transient, ..error }
    }

    /// A step that only waited for its turn before gives up as one does that never had to wait: a
    /// poll that may pass would be asked again for all of the step's time. A power cycle has begun
    /// something and takes all of it.
    fn count(
        &self,
        call: &StepCall,
        answer: Result<Progress, DriverError>,
    ) -> Result<Progress, DriverError> {
        match answer {
            Err(error) if error.transient && self.interruptible(call.step) => {
                let times = self.unanswered.get(call.task_id).unwrap_or_default() + 1;
                if times >= MAX_UNANSWERED {
                    self.unanswered.remove(call.task_id);
                    return Err(DriverError {
                        transient: false,
                        ..error
                    });
                }
                self.unanswered.put(call.task_id, times);
                Err(error)
            }
            other => {
                self.unanswered.remove(call.task_id);
                other
            }
        }
    }

    async fn turn(&self, bmc: &Bmc, until: Instant) -> Option<Turn> {
        self.turns.at(&place(&bmc.endpoint), until).await
    }

    async fn password(&self, bmc: &Bmc) -> Result<Secret, DriverError> {
        let read = self.secrets.read_for_design(&bmc.credential, &bmc.node);
        Ok(read.await?)
    }

    async fn open<'a>(
        &'a self,
        bmc: &'a Bmc,
        password: &'a Secret,
        deadline: Instant,
    ) -> Result<Service<'a>, DriverError> {
        Service::open(&self.client, &self.known, bmc, password, deadline).await
    }
}

#[async_trait]
impl Driver for Redfish {
    fn policy(&self, call: &StepCall) -> Policy {
        call.policy
    }

    /// A power cycle is not: stopped half-way it would leave the node off.
    fn interruptible(&self, step: StepKind) -> bool {
        step != StepKind::PowerCycleNode
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        // At once: a poll may come although there was no turn yet.
        if call.step == StepKind::PowerCycleNode && self.cycles.get(call.task_id).is_none() {
            self.cycles.put(call.task_id, Cycle::new());
        }
        self.go_on(call).await
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        // Between two calls nothing goes on: what is not gone on with has stopped.
        if self.stopped.get(call.task_id).is_some() {
            self.stopped.remove(call.task_id);
            return Err(DriverError::permanent(
                ErrorKind::Cancelled,
                format!("{} was stopped", call.step),
            ));
        }
        let answer = self.go_on(call).await;
        let answer = answer.map_err(|error| self.not_left_off(call, error));
        self.count(call, answer)
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        Err(DriverError::permanent(
            ErrorKind::Unsupported,
            format!("{} leaves no mark on a BMC", call.step),
        ))
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        self.stopped.put(call.task_id, ());
        Ok(())
    }
}

fn unsupported(call: &StepCall) -> DriverError {
    DriverError::permanent(
        ErrorKind::Unsupported,
        format!("{} is no out-of-band step of a node", call.step),
    )
    .before_sending()
}

fn no_turn(bmc: &Bmc) -> DriverError {
    DriverError::passing(
        ErrorKind::Busy,
        format!(
            "BMC {} was not asked: others were, for longer than it could be waited for",
            place(&bmc.endpoint)
        ),
    )
    .before_sending()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::inventory::{Inventory, Node};
    use crate::domain::site::Oob;
    use crate::domain::{Action, InstanceId, TaskId};

    /// A driver that gives up soon, and a call for a node whose BMC is nowhere.
    fn setting(step: StepKind) -> (Redfish, StepCall, tempfile::TempDir) {
        let secrets = tempfile::tempdir().unwrap();
        std::fs::write(secrets.path().join("bmc"), "hunter2").unwrap();
        let options = RedfishOptions {
            authorities: None,
            graceful_shutdown: Duration::ZERO,
            call_timeout: Duration::from_millis(200),
        };
        let source = SecretSource::new(Some(secrets.path().to_owned()));
        let driver = Redfish::new(options, source, Arc::new(Turns::new(1))).unwrap();
        let node = Node {
            name: "n1".to_owned(),
            oob_type: Some(OOB_TYPE.to_owned()),
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
        let bmc = Bmc::of(call.node().unwrap()).unwrap();
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
}
