//! Machines that make trouble: they cannot be interrupted, lose calls, or end their caller.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{Collected, Policy, StepKind};
use crate::driver::simulated::Simulated;
use crate::driver::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall, StepReport};

/// Machines that cannot be interrupted.
pub(super) struct Stubborn(pub(super) Simulated);

#[async_trait]
impl Driver for Stubborn {
    fn policy(&self, call: &StepCall) -> Policy {
        self.0.policy(call)
    }

    fn interruptible(&self, _step: StepKind) -> bool {
        false
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        self.0.start(call).await
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        self.0.poll(call).await
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        self.0.find(call).await
    }

    async fn cancel(&self, _call: &StepCall) -> Result<(), DriverError> {
        panic!("cancelled what cannot be interrupted")
    }
}

/// Machines whose connection is bad.
pub(super) struct Shaky {
    pub(super) machines: Simulated,
    /// How long a start takes before it reaches the machine.
    pub(super) start_delay: Duration,
    /// Starts that reach the machine and are not answered.
    pub(super) lost_starts: AtomicU32,
    /// Polls that are not answered.
    pub(super) lost_polls: AtomicU32,
    /// Cancels that are not answered.
    pub(super) lost_cancels: AtomicU32,
}

impl Shaky {
    pub(super) fn new(machines: Simulated) -> Self {
        Self {
            machines,
            start_delay: Duration::ZERO,
            lost_starts: AtomicU32::new(0),
            lost_polls: AtomicU32::new(0),
            lost_cancels: AtomicU32::new(0),
        }
    }

    pub(super) fn lose(left: &AtomicU32) -> Result<(), DriverError> {
        let take = |left: u32| left.checked_sub(1);
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Err(DriverError {
                kind: ErrorKind::Unreachable,
                transient: true,
                not_sent: false,
                message: "no connection".to_owned(),
            }),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Driver for Shaky {
    fn policy(&self, call: &StepCall) -> Policy {
        self.machines.policy(call)
    }

    fn interruptible(&self, step: StepKind) -> bool {
        self.machines.interruptible(step)
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        tokio::time::sleep(self.start_delay).await;
        let answer = self.machines.start(call).await;
        Self::lose(&self.lost_starts).and(answer)
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        Self::lose(&self.lost_polls)?;
        self.machines.poll(call).await
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        self.machines.find(call).await
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        Self::lose(&self.lost_cancels)?;
        self.machines.cancel(call).await
    }
}

/// Machines of which one call is the end of its caller.
pub(super) struct Fatal(pub(super) Simulated);

#[async_trait]
impl Driver for Fatal {
    fn policy(&self, call: &StepCall) -> Policy {
        self.0.policy(call)
    }

    fn interruptible(&self, step: StepKind) -> bool {
        self.0.interruptible(step)
    }

    async fn start(&self, _call: &StepCall) -> Result<Progress, DriverError> {
        panic!("on purpose")
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        self.0.poll(call).await
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        self.0.find(call).await
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        self.0.cancel(call).await
    }
}

/// Machines that say the same of themselves with every step.
pub(super) struct Talkative {
    pub(super) machines: Simulated,
    pub(super) says: Vec<Collected>,
}

#[async_trait]
impl Driver for Talkative {
    fn policy(&self, call: &StepCall) -> Policy {
        self.machines.policy(call)
    }

    fn interruptible(&self, step: StepKind) -> bool {
        self.machines.interruptible(step)
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        Ok(match self.machines.start(call).await? {
            Progress::Done(report) => Progress::Done(StepReport {
                build_data: self.says.clone(),
                ..report
            }),
            running @ Progress::Running { .. } => running,
        })
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        self.machines.poll(call).await
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        self.machines.find(call).await
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        self.machines.cancel(call).await
    }
}
