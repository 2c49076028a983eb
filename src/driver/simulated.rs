//! The simulated driver: machines that exist in a ledger only, for rehearsals and tests.
//!
//! Labels of a node make its machine fail, falter, hang or hide (api contract, section 7).

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use super::ledger::{self, Ledger, LedgerError, Line, LineEvent, LineOutcome};
use super::machine::Machine;
use super::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall, StepReport};
use crate::clock;
use crate::domain::inventory::Node;
use crate::domain::site::hardware::BootMode;
use crate::domain::{Collected, Policy, StepKind, Timestamp};

const FAIL: &str = "drydock.dev/simulate-fail";
const FLAKY: &str = "drydock.dev/simulate-flaky";
const HANG: &str = "drydock.dev/simulate-hang";
const UNKNOWN: &str = "drydock.dev/simulate-unknown";
const POLICY: &str = "drydock.dev/simulate-policy";

/// What the build data of simulated machines comes from.
const GENERATOR: &str = "simulated";

/// How often a hanging step is asked whether it still hangs.
const HANG_POLL: Duration = Duration::from_secs(1);

/// How the simulated machines behave.
#[derive(Clone, Debug)]
pub struct SimulatedOptions {
    /// How long every step takes; zero: it is done when its start returns.
    pub step_duration: Duration,
    /// The file of the ledger; none: the machines forget with the process.
    pub ledger: Option<PathBuf>,
}

impl Default for SimulatedOptions {
    fn default() -> Self {
        Self {
            step_duration: Duration::from_millis(200),
            ledger: None,
        }
    }
}

/// The simulated driver.
#[derive(Debug)]
pub struct Simulated {
    step_duration: Duration,
    ledger: Ledger,
}

impl Simulated {
    /// Opens the ledger and with it the machines' memory.
    ///
    /// # Errors
    ///
    /// The ledger cannot be used.
    pub fn open(options: SimulatedOptions) -> Result<Self, LedgerError> {
        let ledger = match &options.ledger {
            Some(path) => Ledger::open(path)?,
            None => Ledger::in_memory(),
        };
        Ok(Self {
            step_duration: options.step_duration,
            ledger,
        })
    }

    /// Work that began at `started`, asked now.
    async fn progress(&self, call: &StepCall, started: Timestamp) -> Result<Progress, DriverError> {
        if is_for(call, HANG) {
            return Ok(Progress::Running {
                poll_after: HANG_POLL,
                message: None,
            });
        }
        // A clock set back must not make a machine older than its work: it then starts anew.
        let age = (clock::now() - started).to_std().unwrap_or_default();
        let left = self.step_duration.saturating_sub(age);
        if !left.is_zero() {
            return Ok(Progress::Running {
                poll_after: left,
                message: None,
            });
        }
        if is_for(call, FAIL) {
            self.end(call, LineOutcome::Failed).await?;
            return Err(failed(format!("simulated failure of {}", call.step)));
        }
        self.end(call, LineOutcome::Done).await?;
        Ok(Progress::Done(report(call)))
    }

    async fn end(&self, call: &StepCall, outcome: LineOutcome) -> Result<(), DriverError> {
        let mut line = self.line(call, LineEvent::End);
        line.outcome = Some(outcome);
        self.ledger
            .record(line)
            .await
            .map_err(|error| unwritten(&error, false))
    }

    fn line(&self, call: &StepCall, event: LineEvent) -> Line {
        Line {
            ts: clock::now(),
            event,
            instance: call.instance.0,
            epoch: call.epoch,
            task_id: call.task_id.0,
            node: call.node_name.as_deref().unwrap_or_default().to_owned(),
            step: call.step.token().to_owned(),
            policy: self.policy(call).token().to_owned(),
            attempt: call.attempt,
            outcome: None,
        }
    }
}

#[async_trait]
impl Driver for Simulated {
    fn policy(&self, call: &StepCall) -> Policy {
        match setting(call, POLICY) {
            Some("once") => Policy::Once,
            Some(_) | None => call.policy,
        }
    }

    fn interruptible(&self, _step: StepKind) -> bool {
        true
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        let line = self.line(call, LineEvent::Start);
        let started = line.ts;
        self.ledger
            .record(line)
            .await
            .map_err(|error| unwritten(&error, true))?;
        if let Some(failures) = setting(call, FLAKY).and_then(|count| count.parse::<u32>().ok()) {
            // The ledger's count and not the call's: it also counts what a crash cut off.
            let starts = self.ledger.mark(call.task_id).map_or(1, |mark| mark.starts);
            if starts <= failures {
                self.end(call, LineOutcome::Failed).await?;
                return Err(DriverError {
                    kind: ErrorKind::Unreachable,
                    transient: true,
                    not_sent: false,
                    message: format!("simulated transient failure {starts} of {}", call.step),
                });
            }
        }
        self.progress(call, started).await
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        if self.ledger.mark(call.task_id).is_none() {
            // It was started by another process, or not at all.
            self.ledger
                .catch_up()
                .map_err(|error| unwritten(&error, false))?;
        }
        let Some(ledger::Mark { started, ended, .. }) = self.ledger.mark(call.task_id) else {
            return Err(DriverError {
                kind: ErrorKind::NotStarted,
                transient: false,
                not_sent: false,
                message: format!("{} was not started", call.step),
            });
        };
        match ended {
            None => self.progress(call, started).await,
            Some(LineOutcome::Done) => Ok(Progress::Done(report(call))),
            Some(LineOutcome::Failed) => Err(failed(format!("simulated failure of {}", call.step))),
            Some(LineOutcome::Cancelled) => Err(DriverError {
                kind: ErrorKind::Cancelled,
                transient: false,
                not_sent: false,
                message: format!("{} was cancelled", call.step),
            }),
        }
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        self.ledger
            .catch_up()
            .map_err(|error| unwritten(&error, true))?;
        match self.ledger.mark(call.task_id).map(|mark| mark.ended) {
            None | Some(Some(LineOutcome::Failed | LineOutcome::Cancelled)) => Ok(Mark::Absent),
            Some(None | Some(LineOutcome::Done)) => {
                self.ledger
                    .record(self.line(call, LineEvent::Adopt))
                    .await
                    .map_err(|error| unwritten(&error, true))?;
                Ok(Mark::Present)
            }
        }
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        if self.ledger.mark(call.task_id).is_none() {
            // It was started by another process, or not at all.
            self.ledger
                .catch_up()
                .map_err(|error| unwritten(&error, true))?;
        }
        match self.ledger.mark(call.task_id) {
            Some(ledger::Mark { ended: None, .. }) => self.end(call, LineOutcome::Cancelled).await,
            Some(_) | None => Ok(()),
        }
    }
}

/// The report of work that is done.
fn report(call: &StepCall) -> StepReport {
    let hidden = call.advisory && call.label(UNKNOWN) == Some("true");
    let interrogated = call
        .node()
        .filter(|_| call.step == StepKind::InterrogateOob);
    StepReport {
        found: !(hidden && call.step == StepKind::IdentifyNode),
        build_data: interrogated.and_then(on_paper).into_iter().collect(),
        ..StepReport::default()
    }
}

/// The machine as its design has it, and nothing that no document says; none where it says nothing.
fn on_paper(node: &Node) -> Option<Collected> {
    let profile = node.hardware.as_deref();
    let boot_mode = profile
        .and_then(|profile| profile.boot_mode)
        .map(|mode| match mode {
            BootMode::Bios => "Legacy",
            BootMode::Uefi => "UEFI",
        });
    let named = |what: &str, value: Option<&String>| value.map(|value| format!("{what} {value}"));
    let model: Vec<String> = [
        named(
            "generation",
            profile.and_then(|profile| profile.generation.as_ref()),
        ),
        named(
            "version",
            profile.and_then(|profile| profile.hw_version.as_ref()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    let machine = Machine {
        manufacturer: profile.and_then(|profile| profile.vendor.clone()),
        model: (!model.is_empty()).then(|| model.join(", ")),
        bios_version: profile.and_then(|profile| profile.bios_version.clone()),
        boot_mode: boot_mode.map(str::to_owned),
        mac_addresses: node.boot_mac.iter().map(ToString::to_string).collect(),
        ..Machine::default()
    };
    (machine != Machine::default()).then(|| {
        let machine = Machine {
            simulated: true,
            ..machine
        };
        machine.collected(GENERATOR)
    })
}

/// Whether the node's label `key` names this step.
fn is_for(call: &StepCall, key: &str) -> bool {
    call.label(key) == Some(call.step.token())
}

/// What the node's label `key`, of the form `<step>=<setting>`, sets for this step.
fn setting<'a>(call: &'a StepCall, key: &str) -> Option<&'a str> {
    let (step, setting) = call.label(key)?.split_once('=')?;
    (step == call.step.token()).then_some(setting)
}

fn failed(message: String) -> DriverError {
    DriverError {
        kind: ErrorKind::Failed,
        transient: false,
        not_sent: false,
        message,
    }
}

fn unwritten(error: &LedgerError, not_sent: bool) -> DriverError {
    DriverError {
        kind: ErrorKind::Internal,
        transient: false,
        not_sent,
        message: error.to_string(),
    }
}

#[cfg(test)]
#[path = "simulated_tests.rs"]
mod tests;
