//! Whether a driver can work at a site: the secrets are there, and a sample of the BMCs answer and
//! accept them.
//!
//! A sample, because this is about the driver, its network and its credentials; `verify_node` asks
//! each node. One that is dead makes no site unusable, so the step fails when none of them answers,
//! and tells of the others.

use futures::future::join_all;
use tokio::time::Instant;

use super::{Bmc, Bmcs, Protocol};
use crate::domain::inventory::Node;
use crate::driver::{DriverError, ErrorKind, Progress, StepCall, StepReport};

/// Most BMCs that are asked: few enough to be asked within one call, and one in each corner of a
/// large site.
const SAMPLE: usize = 32;

/// Failures that are told in full; the others are counted.
const MAX_TOLD: usize = 5;

impl<P: Protocol> Bmcs<P> {
    /// Asks a sample of the BMCs, spread evenly over the nodes by name.
    pub(super) async fn validate(
        &self,
        call: &StepCall,
        deadline: Instant,
    ) -> Result<Progress, DriverError> {
        let nodes = call.design.nodes().iter();
        let all: Vec<&Node> = nodes
            .filter(|node| node.oob_type.as_deref() == Some(P::OOB_TYPE))
            .collect();
        let stride = all.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<&Node> = all.iter().step_by(stride).copied().collect();
        let answers = join_all(sample.iter().map(|node| self.try_out(node, deadline))).await;

        let mut failures = Vec::new();
        let mut worst: Option<DriverError> = None;
        for (node, answer) in sample.iter().zip(answers) {
            if let Err(error) = answer {
                failures.push(format!("{}: {}", node.name, error.message));
                worst = Some(match worst {
                    Some(known) if !known.transient => known,
                    Some(_) | None => error,
                });
            }
        }
        let good = sample.len() - failures.len();
        let mut message = format!(
            "{good} of {} BMCs that were asked answer and accept us, out of {}",
            sample.len(),
            all.len()
        );
        for failure in failures.iter().take(MAX_TOLD) {
            message.push_str("; ");
            message.push_str(failure);
        }
        match worst {
            Some(worst) if good == 0 => Err(DriverError { message, ..worst }),
            Some(_) | None => Ok(Progress::Done(StepReport {
                message: Some(message),
                ..StepReport::default()
            })),
        }
    }

    async fn try_out(&self, node: &Node, deadline: Instant) -> Result<(), DriverError> {
        let bmc = self.protocol.bmc(node)?;
        let Some(_turn) = self.turn(&bmc, deadline).await else {
            return Err(no_turn(&bmc));
        };
        let password = self.password(&bmc, node).await?;
        let mut session = self.protocol.open(&bmc, &password, deadline).await?;
        session.greet().await
    }
}

fn no_turn(bmc: &impl Bmc) -> DriverError {
    DriverError::passing(
        ErrorKind::Busy,
        format!(
            "BMC {} was not asked: others were, for longer than it could be waited for",
            bmc.place()
        ),
    )
    .before_sending()
}
