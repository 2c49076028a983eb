//! What a plug-in says of itself, held against what we rely on.

use std::collections::BTreeMap;

use super::super::device_error::device_text;
use super::super::{DriverError, ErrorKind};
use super::options::strength;
use super::wire::{self, PROTOCOL_VERSION, v1};
use crate::domain::{Policy, StepKind};

/// What a plug-in can do.
#[derive(Clone, Debug, Default)]
pub(super) struct Description {
    steps: BTreeMap<StepKind, Support>,
}

/// How it does a step.
#[derive(Clone, Copy, Debug)]
struct Support {
    /// None: nothing that we know.
    promised: Option<Policy>,
    interruptible: bool,
}

impl Description {
    /// Reads what `plugin` says. Steps that we do not know are left out: it may be newer than we are.
    ///
    /// # Errors
    ///
    /// It speaks another version of the protocol.
    pub(super) fn read(plugin: &str, said: &v1::DescribeResponse) -> Result<Self, DriverError> {
        if said.protocol_version != PROTOCOL_VERSION {
            return Err(DriverError::permanent(
                ErrorKind::Protocol,
                format!(
                    "plug-in {plugin} speaks version {} of the protocol, and we version {PROTOCOL_VERSION}",
                    said.protocol_version
                ),
            )
            .before_sending());
        }
        let steps = said.steps.iter().filter_map(|each| {
            let sent = each.step();
            let kind = StepKind::ALL
                .into_iter()
                .find(|kind| wire::step(*kind) == sent)?;
            let support = Support {
                promised: wire::promised(each.policy()),
                interruptible: each.interruptible,
            };
            Some((kind, support))
        });
        let description = Self {
            steps: steps.collect(),
        };
        tracing::info!(
            plugin,
            says = device_text(&said.name, &[]),
            version = device_text(&said.version, &[]),
            steps = description.steps.len(),
            "plug-in connected"
        );
        Ok(description)
    }

    /// Whether a step can be cancelled.
    pub(super) fn is_interruptible(&self, step: StepKind) -> bool {
        self.steps
            .get(&step)
            .is_some_and(|support| support.interruptible)
    }

    /// Passes if the plug-in can do `step` and promises `relied` or more.
    ///
    /// # Errors
    ///
    /// It cannot, or promises less; the message says what would help.
    pub(super) fn allows(
        &self,
        plugin: &str,
        step: StepKind,
        relied: Policy,
    ) -> Result<(), DriverError> {
        let refuse = |message: String| {
            Err(DriverError::permanent(ErrorKind::Unsupported, message).before_sending())
        };
        let Some(support) = self.steps.get(&step) else {
            let known: Vec<&str> = self.steps.keys().map(|kind| kind.token()).collect();
            let known = if known.is_empty() {
                "nothing".to_owned()
            } else {
                known.join(", ")
            };
            return refuse(format!(
                "plug-in {plugin} does not do {step}; it does {known}"
            ));
        };
        let Some(promised) = support.promised else {
            return refuse(format!(
                "plug-in {plugin} says of {step} nothing that we know about doing it again"
            ));
        };
        if strength(promised) >= strength(relied) {
            return Ok(());
        }
        refuse(format!(
            "plug-in {plugin} promises `{}` for {step} and `{}` is relied on; `drivers.remote.{plugin}.{}` may name it",
            promised.token(),
            relied.token(),
            match promised {
                Policy::Once => "once",
                Policy::Observe | Policy::Converge | Policy::Guarded => "guarded",
            }
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(protocol_version: u32, steps: &[(i32, i32, bool)]) -> v1::DescribeResponse {
        let steps = steps
            .iter()
            .map(|(step, policy, interruptible)| v1::StepSupport {
                step: *step,
                policy: *policy,
                interruptible: *interruptible,
            });
        v1::DescribeResponse {
            protocol_version,
            steps: steps.collect(),
            ..v1::DescribeResponse::default()
        }
    }

    #[test]
    fn less_than_is_relied_on_is_refused_with_words_that_help() {
        let deploy = wire::step(StepKind::DeployNode) as i32;
        let said = described(1, &[(deploy, v1::Policy::Once as i32, true), (99, 1, true)]);
        let description = Description::read("maas", &said).unwrap();
        assert!(description.is_interruptible(StepKind::DeployNode));
        assert!(!description.is_interruptible(StepKind::DestroyNode));
        let allows = |step, policy| description.allows("maas", step, policy);
        assert_eq!(allows(StepKind::DeployNode, Policy::Once), Ok(()));
        let refused = allows(StepKind::DeployNode, Policy::Guarded).unwrap_err();
        assert_eq!(
            refused.message,
            "plug-in maas promises `once` for deploy_node and `guarded` is relied on; `drivers.remote.maas.once` may name it"
        );
        assert!(refused.not_sent && !refused.transient);
        let refused = allows(StepKind::DestroyNode, Policy::Guarded).unwrap_err();
        assert_eq!(
            refused.message,
            "plug-in maas does not do destroy_node; it does deploy_node"
        );
        assert_eq!(refused.kind, ErrorKind::Unsupported);
    }

    #[test]
    fn a_promise_that_we_do_not_know_is_none() {
        let deploy = wire::step(StepKind::DeployNode) as i32;
        let said = described(1, &[(deploy, 77, false)]);
        let description = Description::read("maas", &said).unwrap();
        let refused = description.allows("maas", StepKind::DeployNode, Policy::Once);
        assert!(
            refused
                .unwrap_err()
                .message
                .contains("nothing that we know")
        );
    }

    #[test]
    fn another_version_of_the_protocol_is_refused() {
        let error = Description::read("maas", &described(2, &[])).unwrap_err();
        assert_eq!(
            error.message,
            "plug-in maas speaks version 2 of the protocol, and we version 1"
        );
    }
}
