//! Drivers: what acts on the world, one step at a time, and what each must promise.
//!
//! The executor decides what happens and when; a driver only does it. Everything that makes a
//! crash harmless rests on the promises written at [`Driver`], so read them before writing one.

pub mod registry;

mod oob_services;
mod unserved;

pub mod ledger;
pub mod simulated;

pub mod manual;

mod bmc;
pub mod ipmi;
pub mod redfish;

mod recent;
pub mod turns;

pub mod device_error;
pub mod http;
pub mod machine;

pub mod ironic;

pub mod remote;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use registry::{Registry, SiteDrivers};

use crate::domain::build_data::Collected;
use crate::domain::inventory::{Inventory, Node};
use crate::domain::{Action, InstanceId, Policy, StepKind, TaskId};

/// One step, as its driver is told of it. The same value is handed to every call for one attempt.
#[derive(Clone, Debug)]
pub struct StepCall {
    /// The step subtask. It never changes, whoever runs the step and however often: the mark that
    /// a guarded step leaves behind.
    pub task_id: TaskId,
    /// The root of its tree.
    pub root_task_id: TaskId,
    /// The process that calls.
    pub instance: InstanceId,
    /// The fencing token of that process for this tree; a successor has a greater one.
    pub epoch: i64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// What is done.
    pub step: StepKind,
    /// The promise that the plan asks for.
    pub policy: Policy,
    /// Its failure is information and not a failure of the node.
    pub advisory: bool,
    /// The root's action.
    pub action: Action,
    /// The site's name, `-` where the design has none.
    pub site: Arc<str>,
    /// The node's name; none for a step of the site.
    pub node_name: Option<Arc<str>>,
    /// The design that the task froze when it started.
    pub design: Arc<Inventory>,
}

impl StepCall {
    /// The node as designed; none for a step of the site.
    pub fn node(&self) -> Option<&Node> {
        self.design.get(self.node_name.as_deref()?)
    }

    /// The value of one of the node's labels.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.node()?.labels.get(key).map(String::as_str)
    }
}

/// Where a step's work stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It is done and did what was asked.
    Done(StepReport),
    /// It goes on by itself; poll again.
    Running {
        /// When asking again makes sense. The executor may ask sooner.
        poll_after: Duration,
        /// What to tell those who watch, when there is something new.
        message: Option<String>,
    },
}

/// What came of a step's work.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// What to tell those who watch; none where nothing needs saying.
    pub message: Option<String>,
    /// Whatever else a program may want to read beside the message.
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// Whether an identifying step found the node; true for every other step.
    pub found: bool,
    /// What it found out about its node, to be kept with its outcome; nothing for most steps.
    pub build_data: Vec<Collected>,
}

impl Default for StepReport {
    fn default() -> Self {
        Self {
            message: None,
            extra: serde_json::Map::new(),
            found: true,
            build_data: Vec::new(),
        }
    }
}

/// Whether a guarded step's own mark was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// No attempt of this step has taken effect: starting it is safe.
    Absent,
    /// An attempt of this step took effect: poll it, never start it again.
    Present,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The device does not accept our credentials.
    Unauthorised,
    /// The device understood and said no.
    Refused,
    /// The device or the driver cannot do this.
    Unsupported,
    /// The device does something else now.
    Busy,
    /// The device's answer makes no sense.
    Protocol,
    /// The work was cancelled on request.
    Cancelled,
    /// No work of this step was ever begun.
    NotStarted,
    /// The device tried, and the work failed.
    Failed,
    /// A defect or a missing resource on our side.
    Internal,
}

/// Why a call did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DriverError {
    /// What kind of thing went wrong.
    pub kind: ErrorKind,
    /// The same call may well succeed a little later. A `poll` that fails so says nothing about
    /// the work itself; one that fails otherwise says that the work has failed.
    pub transient: bool,
    /// It is certain that nothing reached the device, so nothing can have begun.
    pub not_sent: bool,
    /// What went wrong, in words for an operator, without secrets.
    pub message: String,
}

/// Does steps on nodes and sites.
///
/// # Promises
///
/// - Every call returns within `executor.call_timeout`, or is dropped then; a dropped call is one
///   with an unknown outcome. Longer work is begun by [`start`](Driver::start) and followed by
///   [`poll`](Driver::poll).
/// - A call acts only while its future is being polled, or has handed the work to the device: a
///   driver leaves nothing running on its own side that would act later.
/// - Calls for different steps come concurrently, calls for one step never do, except that
///   [`cancel`](Driver::cancel) may come while another call is in flight.
/// - A step may be polled by another process than the one that started it: whatever `poll` needs
///   is in the call, on the device, or in storage that survives the process.
#[async_trait]
pub trait Driver: Send + Sync + 'static {
    /// What the driver promises about doing this step again: `call.policy`, or less. It must be
    /// the same for one step whenever it is asked, also after a restart.
    fn policy(&self, call: &StepCall) -> Policy;

    /// Whether [`cancel`](Driver::cancel) can end this kind of step early.
    fn interruptible(&self, step: StepKind) -> bool;

    /// Begins the work. `Observe` and `Converge` steps may be started again at any time.
    /// `Guarded` steps leave the mark `call.task_id` on the device in the same act that begins the
    /// work, or before it in a form that tells whether it has begun. `Once` steps are started again
    /// only after an error that says `not_sent`.
    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError>;

    /// Asks how the work goes on, and may be asked again at will. It changes nothing, except that a
    /// `Converge` step may go on converging: read, act on a difference, read back, and a `Guarded`
    /// one of several parts may ask for the next, which the device refuses where it was begun. After a
    /// [`cancel`](Driver::cancel) the answer is `Done` when the work had been done before,
    /// [`ErrorKind::Cancelled`] once it has stopped, [`ErrorKind::NotStarted`] when it never began,
    /// and `Running` until then.
    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError>;

    /// Looks for the mark of a `Guarded` step; changes nothing. `Present` must be certain and so
    /// must `Absent`: a driver that cannot tell returns an error.
    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError>;

    /// Asks the work to stop. Comes only for interruptible steps, and may come again; the work may
    /// be over, or may never have begun, and then this does nothing.
    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError>;
}
