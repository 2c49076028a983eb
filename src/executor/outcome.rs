//! Outcomes of steps, before they are written.

use crate::domain::plan::StepEnd;
use crate::domain::{Cause, Reason};
use crate::driver::StepReport;

/// The outcome of a step.
#[derive(Clone, Debug)]
pub(super) enum StepResult {
    /// It did its work.
    Succeeded(StepReport),
    /// It did not.
    Failed {
        reason: Reason,
        cause: Cause,
        text: String,
    },
}

impl StepResult {
    /// Its work failed.
    pub(super) fn failed(text: String) -> Self {
        Self::Failed {
            reason: Reason::NodeFailures,
            cause: Cause::Executor,
            text,
        }
    }

    /// It ended without finding what it looks for.
    pub(super) fn not_found(report: StepReport) -> Self {
        let text = report.message;
        Self::failed(text.unwrap_or_else(|| "the node is not known".to_owned()))
    }

    /// It took too long.
    pub(super) fn timed_out(text: String) -> Self {
        Self::Failed {
            reason: Reason::Timeout,
            cause: Cause::Executor,
            text,
        }
    }

    /// Nobody knows whether its work took effect.
    pub(super) fn lost() -> Self {
        Self::Failed {
            reason: Reason::ExecutorLost,
            cause: Cause::LeaseExpired,
            text: "its executor vanished while it ran and it must not be repeated: whether it took effect is unknown"
                .to_owned(),
        }
    }

    /// What the plan goes on with.
    pub(super) fn end(&self) -> StepEnd {
        match self {
            Self::Succeeded(_) => StepEnd::Succeeded,
            Self::Failed { .. } => StepEnd::Failed,
        }
    }

    /// What makes the step complete.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Succeeded(_) => Cause::Executor,
            Self::Failed { cause, .. } => *cause,
        }
    }

    /// The reason of a node that this step made fail.
    pub(super) fn node_reason(&self) -> Reason {
        match self {
            Self::Succeeded(_) => Reason::None,
            Self::Failed { reason, .. } => *reason,
        }
    }
}
