//! The step `validate_oob_services`: one step of a site, and a driver for each type of its nodes.
//!
//! Each driver whose type occurs in the design is asked about its own nodes. The step succeeds when
//! all of them can work; nodes that no driver serves are named, and fail when their turn comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;

use super::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall, StepReport};
use crate::domain::{Policy, StepKind};

/// Nodes without a driver that are named; the others are counted.
const MAX_NAMED: usize = 10;

/// Asks the drivers of a site.
pub(super) struct OobServices {
    drivers: BTreeMap<String, Arc<dyn Driver>>,
}

impl OobServices {
    /// Asks `drivers`, each by the out-of-band type that it serves.
    pub(super) fn of(drivers: BTreeMap<String, Arc<dyn Driver>>) -> Self {
        Self { drivers }
    }

    async fn ask(&self, call: &StepCall) -> Result<Progress, DriverError> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut unserved = Vec::new();
        for node in call.design.nodes() {
            let served = node
                .oob_type
                .as_deref()
                .and_then(|oob_type| self.drivers.get_key_value(oob_type));
            match (served, node.oob_type.as_deref()) {
                (Some((oob_type, _)), _) => *counts.entry(oob_type).or_default() += 1,
                (None, Some("simulated")) => {}
                (None, Some(_) | None) => unserved.push(node.name.as_str()),
            }
        }
        let asked = self
            .drivers
            .iter()
            .filter(|(oob_type, _)| counts.contains_key(oob_type.as_str()));
        let answers = join_all(asked.map(|(oob_type, driver)| async move {
            let answer = driver.start(call).await;
            (oob_type, answer)
        }))
        .await;

        let mut said = Vec::new();
        let mut extra = serde_json::Map::new();
        let mut running = None;
        let mut failure: Option<DriverError> = None;
        for (oob_type, answer) in answers {
            match answer {
                Ok(Progress::Done(report)) => {
                    said.extend(report.message.map(|text| format!("{oob_type}: {text}")));
                    extra.insert(oob_type.clone(), report.extra.into());
                }
                Ok(Progress::Running { poll_after, .. }) => {
                    running = Some(running.map_or(poll_after, |least| poll_after.min(least)));
                }
                Err(error) => {
                    said.push(format!("{oob_type}: {}", error.message));
                    failure = Some(worse(failure, error));
                }
            }
        }
        if !unserved.is_empty() {
            let named = unserved.iter().take(MAX_NAMED).copied();
            let named: Vec<&str> = named.collect();
            let more = if unserved.len() > named.len() {
                ", ..."
            } else {
                ""
            };
            said.push(format!(
                "no driver for {} of {} nodes: {}{more}",
                unserved.len(),
                call.design.nodes().len(),
                named.join(", ")
            ));
        }
        let message = said.join("; ");
        match (failure, running) {
            (Some(failure), _) => Err(DriverError { message, ..failure }),
            (None, Some(poll_after)) => Ok(Progress::Running {
                poll_after,
                message: None,
            }),
            (None, None) => Ok(Progress::Done(StepReport {
                message: Some(message).filter(|text| !text.is_empty()),
                extra,
                ..StepReport::default()
            })),
        }
    }
}

/// Of two failures the one that stays: asking again would not help.
fn worse(known: Option<DriverError>, next: DriverError) -> DriverError {
    match known {
        Some(known) if !known.transient => known,
        Some(_) | None => next,
    }
}

#[async_trait]
impl Driver for OobServices {
    fn policy(&self, call: &StepCall) -> Policy {
        call.policy
    }

    fn interruptible(&self, _step: StepKind) -> bool {
        false
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        self.ask(call).await
    }

    /// It only reads: asking on is asking again.
    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        self.ask(call).await
    }

    async fn find(&self, _call: &StepCall) -> Result<Mark, DriverError> {
        Err(DriverError::permanent(
            ErrorKind::Unsupported,
            "validate_oob_services leaves no mark",
        ))
    }

    async fn cancel(&self, _call: &StepCall) -> Result<(), DriverError> {
        Ok(())
    }
}
