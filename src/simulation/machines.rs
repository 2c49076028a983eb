//! The machines of a simulation: what every replica's driver acts on, and what must not be done to them.
//!
//! A command takes its time to a machine. When the replica that sent it crashes, the command still
//! arrives, up to as late as a quarantine allows for: that is what a successor has to wait for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rand::RngExt as _;
use tokio::time::sleep;

use super::ledger::{Ledger, Line};
use crate::clock;
use crate::domain::{Policy, StepKind, TaskId, Timestamp};
use crate::driver::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall, StepReport};
use crate::failpoint::failpoint;
use crate::random::simulated::draw;

/// How long a command takes to a machine, in milliseconds, and its answer back.
const WAY: std::ops::Range<u64> = 1..400;

/// Which promise a step of a simulation bears.
pub(super) type Bears = fn(&StepCall) -> Policy;

/// The machines. Every clone is the same.
#[derive(Clone)]
pub(super) struct Machines {
    yard: Arc<Mutex<Yard>>,
    bears: Bears,
    /// How long each step's work takes.
    work: Duration,
    /// How long a command can take whose sender is gone, from when it was sent.
    latest: Duration,
}

#[derive(Default)]
struct Yard {
    works: BTreeMap<TaskId, Work>,
    lines: Vec<Line>,
    /// Commands under way, by a number of their own.
    under_way: BTreeMap<u64, Command>,
    sent: u64,
    wrongs: Vec<String>,
}

/// What became of a step.
#[derive(Clone)]
struct Work {
    root: TaskId,
    /// With its site; the site alone for a step of the site.
    node: String,
    changes: bool,
    /// Its outcome is unknown once its owner is gone, and its work may then go on beside a later task.
    once: bool,
    /// None: nothing was done yet, but it was asked after.
    started: Option<Timestamp>,
    cancelled: bool,
    /// The greatest epoch that it was called under.
    epoch: i64,
}

struct Command {
    call: StepCall,
    sent: Timestamp,
    /// When it arrives without its sender; none: its sender is still there.
    lands: Option<Timestamp>,
}

/// The driver of one life of a replica.
pub(super) struct Hands {
    pub(super) machines: Machines,
    /// Whether this life is over.
    pub(super) dead: Arc<AtomicBool>,
}

impl Machines {
    pub(super) fn new(bears: Bears, work: Duration, latest: Duration) -> Self {
        Self {
            yard: Arc::default(),
            bears,
            work,
            latest,
        }
    }

    /// Everything that was done, in order.
    pub(super) fn ledger(&self) -> Ledger {
        Ledger(self.yard().lines.clone())
    }

    /// What was done to machines and never should be.
    pub(super) fn wrongs(&self) -> Vec<String> {
        self.yard().wrongs.clone()
    }

    fn yard(&self) -> MutexGuard<'_, Yard> {
        self.yard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the work of a step goes on.
    fn is_busy(&self, work: &Work) -> bool {
        let works = |started: Timestamp| clock::now() < started + self.work;
        !work.cancelled && work.started.is_some_and(works)
    }

    /// Notes that a step is called: at once by one owner, and never by one whose successor called it.
    fn meet(&self, yard: &mut Yard, call: &StepCall) {
        let theirs = |command: &&Command| {
            command.call.task_id == call.task_id && command.call.epoch < call.epoch
        };
        if let Some(other) = yard.under_way.values().find(theirs) {
            let (step, was) = (call.step, other.call.epoch);
            yard.wrongs.push(format!(
                "{step} {} is called under epoch {} while a call under {was} is under way",
                call.task_id, call.epoch
            ));
        }
        let work = yard.works.entry(call.task_id).or_insert_with(|| Work {
            root: call.root_task_id,
            node: format!(
                "{}/{}",
                call.site,
                call.node_name.as_deref().unwrap_or_default()
            ),
            changes: call.action.is_mutating(),
            once: (self.bears)(call) == Policy::Once,
            started: None,
            cancelled: false,
            epoch: call.epoch,
        });
        work.epoch = work.epoch.max(call.epoch);
    }

    /// A command arrives and acts.
    fn act(&self, yard: &mut Yard, call: &StepCall) {
        let now = clock::now();
        let id = call.task_id;
        let Some(work) = yard.works.get(&id).cloned() else {
            return;
        };
        if work.epoch > call.epoch {
            let (step, epoch) = (call.step, call.epoch);
            yard.wrongs.push(format!(
                "{step} {id} acts under epoch {epoch} after its successor"
            ));
        }
        let of_others = yard.works.values().find(|other| {
            other.root != work.root
                && other.node == work.node
                && other.changes
                && !other.once
                && work.changes
                && self.is_busy(other)
        });
        if let Some(other) = of_others {
            let (node, root, other) = (&work.node, work.root, other.root);
            let wrong = format!("{node} is changed by {root} while {other} does");
            yard.wrongs.push(wrong);
        }
        yard.lines.push(self.line(call, "start"));
        yard.works.insert(
            id,
            Work {
                started: Some(now),
                cancelled: false,
                ..work
            },
        );
    }

    /// Lets what was sent by the dead arrive.
    fn settle(&self, yard: &mut Yard) {
        let now = clock::now();
        let landed = |command: &Command| command.lands.is_some_and(|lands| lands <= now);
        let numbers: Vec<u64> = yard
            .under_way
            .iter()
            .filter(|(_, command)| landed(command))
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            if let Some(command) = yard.under_way.remove(&number) {
                self.act(yard, &command.call);
            }
        }
    }

    fn line(&self, call: &StepCall, event: &str) -> Line {
        Line {
            ts: clock::now(),
            event: event.to_owned(),
            instance: call.instance.to_string(),
            task_id: call.task_id.to_string(),
            node: call.node_name.as_deref().unwrap_or_default().to_owned(),
            step: call.step.token().to_owned(),
            policy: (self.bears)(call).token().to_owned(),
        }
    }

    fn progress(&self, call: &StepCall) -> Result<Progress, DriverError> {
        let yard = self.yard();
        let work = yard
            .works
            .get(&call.task_id)
            .filter(|work| work.started.is_some());
        match work {
            None => Err(error(ErrorKind::NotStarted, false, false)),
            Some(work) if work.cancelled => Err(error(ErrorKind::Cancelled, false, false)),
            Some(work) if self.is_busy(work) => Ok(Progress::Running {
                poll_after: self.work / 2,
                message: None,
            }),
            Some(_) => Ok(Progress::Done(StepReport::default())),
        }
    }
}

/// A command on its way, while its sender is there.
struct Sent<'a> {
    hands: &'a Hands,
    number: u64,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        let machines = &self.hands.machines;
        let mut yard = machines.yard();
        if self.hands.dead.load(Ordering::Acquire) {
            let latest = u64::try_from(machines.latest.as_millis()).expect("a short while");
            // Most of them as late as can be.
            let late = draw(|dice| dice.random_range(0..2 * latest)).unwrap_or(0);
            let late = late.min(latest);
            if let Some(command) = yard.under_way.get_mut(&self.number) {
                // From when it was sent: what is dropped with its runtime is out of simulated time.
                let lands = command.sent + Duration::from_millis(late);
                command.lands.get_or_insert(lands);
            }
        } else {
            // Whoever gives a call up is done with it: what it did is done, and nothing follows.
            yard.under_way.remove(&self.number);
        }
    }
}

impl Hands {
    /// Sends a command, which acts when it arrives.
    async fn send(&self, call: &StepCall) {
        let sent = {
            let mut yard = self.machines.yard();
            self.machines.settle(&mut yard);
            self.machines.meet(&mut yard, call);
            yard.sent += 1;
            let number = yard.sent;
            let command = Command {
                call: call.clone(),
                sent: clock::now(),
                lands: None,
            };
            yard.under_way.insert(number, command);
            Sent {
                hands: self,
                number,
            }
        };
        failpoint!(DuringCall);
        way().await;
        let mut yard = self.machines.yard();
        if self.dead.load(Ordering::Acquire) {
            return;
        }
        if yard.under_way.remove(&sent.number).is_some() {
            self.machines.act(&mut yard, call);
        }
    }

    /// Asks without changing anything.
    fn ask(&self, call: &StepCall) {
        let mut yard = self.machines.yard();
        self.machines.settle(&mut yard);
        self.machines.meet(&mut yard, call);
    }
}

#[async_trait]
impl Driver for Hands {
    fn policy(&self, call: &StepCall) -> Policy {
        (self.machines.bears)(call)
    }

    fn interruptible(&self, _step: StepKind) -> bool {
        true
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        failpoint!(BeforeCall => Err(error(ErrorKind::Unreachable, true, true)));
        self.send(call).await;
        way().await;
        failpoint!(AfterCall => Err(error(ErrorKind::Unreachable, true, false)));
        self.machines.progress(call)
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        failpoint!(BeforeCall => Err(error(ErrorKind::Unreachable, true, true)));
        self.ask(call);
        way().await;
        failpoint!(AfterCall => Err(error(ErrorKind::Unreachable, true, false)));
        self.machines.progress(call)
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        failpoint!(BeforeFind => Err(error(ErrorKind::Unreachable, true, true)));
        self.ask(call);
        way().await;
        let mut yard = self.machines.yard();
        let work = yard.works.get(&call.task_id);
        let found = work.is_some_and(|work| work.started.is_some() && !work.cancelled);
        if !found {
            return Ok(Mark::Absent);
        }
        let line = self.machines.line(call, "adopt");
        yard.lines.push(line);
        Ok(Mark::Present)
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        failpoint!(BeforeCancel => Err(error(ErrorKind::Unreachable, true, true)));
        self.ask(call);
        way().await;
        let machines = &self.machines;
        let mut yard = machines.yard();
        let work = yard.works.get(&call.task_id).cloned();
        if let Some(work) = work.filter(|work| machines.is_busy(work)) {
            let cancelled = true;
            yard.works.insert(call.task_id, Work { cancelled, ..work });
            let line = machines.line(call, "end");
            yard.lines.push(line);
        }
        Ok(())
    }
}

/// The way to a machine, or back.
async fn way() {
    let millis = draw(|dice| dice.random_range(WAY)).expect("a simulation");
    sleep(Duration::from_millis(millis)).await;
}

fn error(kind: ErrorKind, transient: bool, not_sent: bool) -> DriverError {
    DriverError {
        kind,
        transient,
        not_sent,
        message: format!("simulated: {kind:?}"),
    }
}
