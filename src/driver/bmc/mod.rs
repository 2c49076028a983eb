//! Drivers of management controllers: what they have in common, whatever protocol they speak.
//!
//! Steps that read are `Observe`, steps that change something are `Converge`: each reads first, acts
//! on a difference and reads back, so that whoever comes next may begin it anew. A call does as much
//! as fits into its time; a poll goes on where the last call stopped.

mod access;
mod optional;
mod power;
mod protocol;
mod sample;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

pub(super) use self::access::{Access, unusable};
pub(super) use self::optional::optional;
use self::power::{Cycle, Manner};
pub(super) use self::protocol::{Bmc, Change, Power, Protocol, Session};
use super::device_error::without_secrets;
use super::recent::Recent;
use super::turns::{Turn, Turns};
use super::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall};
use crate::domain::inventory::Node;
use crate::domain::{Policy, StepKind, plan};
use crate::secret::{Secret, SecretSource};

/// How soon a turn is asked for again that did not come. What was left of the call is not enough for
/// what is to be done.
const TURN_AGAIN: Duration = Duration::from_millis(250);

/// How soon a power cycle that met an error in the middle is gone on with.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// How often in a row a poll may meet an error that may pass: as often as a step is started.
const MAX_UNANSWERED: u32 = 4;

/// The epoch of whoever has a tree first.
const FIRST_EPOCH: i64 = 1;

/// What is set up alike for all protocols.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long a node may take to shut down by itself before its power is cut; zero: not asked.
    pub(super) graceful_shutdown: Duration,
    /// How long one call may take.
    pub(super) call_timeout: Duration,
}

/// The driver of controllers that speak one protocol.
#[derive(Debug)]
pub(super) struct Bmcs<P> {
    protocol: P,
    limits: Limits,
    secrets: SecretSource,
    turns: Arc<Turns>,
    /// When this process began.
    since: Instant,
    cycles: Recent<Cycle>,
    /// How often in a row a poll of a step met an error that may pass.
    unanswered: Recent<u32>,
    /// Steps that were told to stop.
    stopped: Recent<()>,
}

impl<P: Protocol> Bmcs<P> {
    /// Sets the driver up. `turns` are those of all sites together.
    pub(super) fn new(
        protocol: P,
        limits: Limits,
        secrets: SecretSource,
        turns: Arc<Turns>,
    ) -> Self {
        Self {
            protocol,
            limits,
            secrets,
            turns,
            since: Instant::now(),
            cycles: Recent::default(),
            unanswered: Recent::default(),
            stopped: Recent::default(),
        }
    }

    /// Does what there is time for.
    async fn go_on(&self, call: &StepCall) -> Result<Progress, DriverError> {
        // Before the executor's own limit, so that it is we who say what was waited for.
        let now = Instant::now();
        let deadline = now + self.limits.call_timeout.mul_f64(0.9);
        if call.step == StepKind::ValidateOobServices {
            return self.validate(call, deadline).await;
        }
        let node = call.node().ok_or_else(|| unsupported(call))?;
        let bmc = self.protocol.bmc(node)?;
        if call.step == StepKind::PowerCycleNode
            && let Some(left) = self.left_of_predecessor(call)
        {
            return Ok(Progress::Running {
                poll_after: left,
                message: None,
            });
        }
        // Half of the time is for what is done once it is our turn.
        let Some(_turn) = self.turn(&bmc, now + (deadline - now) / 2).await else {
            return Ok(Progress::Running {
                poll_after: TURN_AGAIN,
                message: None,
            });
        };
        let password = self.password(&bmc, node).await?;
        let mut session = self.protocol.open(&bmc, &password, deadline).await?;
        let answer = match call.step {
            StepKind::InterrogateOob => session.interrogate().await,
            StepKind::SetNodeBoot => session.set_network_boot().await,
            StepKind::PowerCycleNode => self.power_cycle(call, session.as_mut(), deadline).await,
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
        };
        without_secrets(answer, &session.secrets())
    }

    /// How long to leave a node's power alone, as a process that had the tree before may have been
    /// killed a moment ago in the middle of a call: what it left behind could otherwise switch the
    /// node off after we have switched it on.
    fn left_of_predecessor(&self, call: &StepCall) -> Option<Duration> {
        let left = P::OUTLIVES.saturating_sub(self.since.elapsed());
        (call.epoch > FIRST_EPOCH && !left.is_zero()).then_some(left)
    }

    async fn power_cycle(
        &self,
        call: &StepCall,
        session: &mut (dyn Session + '_),
        deadline: Instant,
    ) -> Result<Progress, DriverError> {
        let mut cycle = match self.cycles.get(call.task_id) {
            Some(cycle) => cycle,
            // Another process began it, and we are only to see to its end.
            None if session.power().await? == Power::On => {
                return Err(DriverError::permanent(
                    ErrorKind::Cancelled,
                    "the node is on; whether it was off before is not known",
                ));
            }
            None => Cycle::abandoned(),
        };
        let now = Instant::now();
        let until = now + deadline.saturating_duration_since(now) / 2;
        let mut steps = plan::steps(call.action).iter();
        let manner = Manner {
            graceful: self.limits.graceful_shutdown,
            // Nobody has cycled the power of a tree that never had another owner.
            from_network: call.epoch > FIRST_EPOCH
                && steps.any(|step| step.kind == StepKind::SetNodeBoot),
        };
        let outcome = power::go_on(session, &mut cycle, manner, until).await;
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

    async fn turn(&self, bmc: &P::Bmc, until: Instant) -> Option<Turn> {
        self.turns.at(&bmc.place(), until).await
    }

    async fn password(&self, bmc: &P::Bmc, node: &Node) -> Result<Secret, DriverError> {
        let read = self.secrets.read_for_design(bmc.credential(), &node.name);
        Ok(read.await?)
    }
}

#[async_trait]
impl<P: Protocol> Driver for Bmcs<P> {
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
        match self.go_on(call).await {
            // The poll goes on with it: a start that fails for good would leave the node off.
            Err(error) if !error.transient && self.not_left_off(call, error.clone()).transient => {
                Ok(Progress::Running {
                    poll_after: AFTER_TROUBLE,
                    message: Some(error.message),
                })
            }
            answer => answer,
        }
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

#[cfg(test)]
mod tests;
