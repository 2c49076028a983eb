//! The driver of nodes without a management controller that we could use: an operator does what a
//! step asks for, and is told what that is.
//!
//! Steps wait for nothing and succeed at once: there is nobody to ask whether it was done. What
//! follows finds out, as identify_node waits for the node to show up.

use async_trait::async_trait;

use super::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall, StepReport};
use crate::domain::{Policy, StepKind};

/// Tells an operator what to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manual;

#[async_trait]
impl Driver for Manual {
    fn policy(&self, call: &StepCall) -> Policy {
        call.policy
    }

    fn interruptible(&self, _step: StepKind) -> bool {
        false
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        let node = call.node_name.as_deref().unwrap_or_default();
        let message = match call.step {
            StepKind::ValidateOobServices => {
                "nothing to validate: an operator acts on these nodes".to_owned()
            }
            StepKind::InterrogateOob => {
                format!(
                    "{node} cannot be asked: look at it yourself, whether it has power and is what the design says"
                )
            }
            StepKind::SetNodeBoot => {
                format!("set {node} to boot from the network next time: nothing does it for you")
            }
            StepKind::PowerCycleNode => {
                format!("switch {node} off and on again: nothing does it for you")
            }
            StepKind::ValidateNodeServices
            | StepKind::CreateNetworkTemplate
            | StepKind::ConfigureUserCredentials
            | StepKind::ConfigureNodeProvisioner
            | StepKind::IdentifyNode
            | StepKind::ConfigureHardware
            | StepKind::ApplyNodeNetworking
            | StepKind::ApplyNodeStorage
            | StepKind::ApplyNodePlatform
            | StepKind::DeployNode
            | StepKind::DestroyNode => return Err(unsupported(call)),
        };
        Ok(Progress::Done(StepReport {
            message: Some(message),
            ..StepReport::default()
        }))
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        // No step is ever left running.
        self.start(call).await
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        Err(unsupported(call))
    }

    async fn cancel(&self, _call: &StepCall) -> Result<(), DriverError> {
        Ok(())
    }
}

fn unsupported(call: &StepCall) -> DriverError {
    DriverError::permanent(
        ErrorKind::Unsupported,
        format!("{} is no out-of-band step", call.step),
    )
    .before_sending()
}
