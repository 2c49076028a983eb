//! The driver of nodes that no driver serves: every step fails, and says what would help.

use async_trait::async_trait;

use super::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall};
use crate::domain::{Policy, StepKind};

/// Does nothing, and says so.
pub(super) struct Unserved {
    served: Vec<String>,
}

impl Unserved {
    /// For a site that serves nodes of the types `served`.
    pub(super) fn by(served: Vec<String>) -> Self {
        Self { served }
    }

    fn refusal(&self, call: &StepCall) -> DriverError {
        let oob_type = call.node().and_then(|node| node.oob_type.as_deref());
        let what = match oob_type {
            Some(oob_type) => format!("no driver for out-of-band type `{oob_type}`"),
            None => "the node has no out-of-band type".to_owned(),
        };
        DriverError::permanent(
            ErrorKind::Unsupported,
            format!(
                "{what}; this site has drivers for {}",
                self.served.join(", ")
            ),
        )
        .before_sending()
    }
}

#[async_trait]
impl Driver for Unserved {
    fn policy(&self, call: &StepCall) -> Policy {
        call.policy
    }

    fn interruptible(&self, _step: StepKind) -> bool {
        false
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        Err(self.refusal(call))
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        Err(self.refusal(call))
    }

    async fn find(&self, _call: &StepCall) -> Result<Mark, DriverError> {
        Ok(Mark::Absent)
    }

    async fn cancel(&self, _call: &StepCall) -> Result<(), DriverError> {
        Ok(())
    }
}
