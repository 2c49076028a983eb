//! The generated code of the plug-in protocol, `proto/drydock/driver/v1`, and what its numbers mean here.

use super::super::ErrorKind;
use crate::domain::{Policy, StepKind};

/// Messages and the client of the package `drydock.driver.v1`.
#[expect(
    clippy::allow_attributes_without_reason,
    clippy::disallowed_types,
    unreachable_pub,
    reason = "generated code, which brings its own attributes"
)]
pub(crate) mod v1 {
    include!(concat!(
        env!("OUT_DIR"),
        "/plugin_client/drydock.driver.v1.rs"
    ));
}

/// The server, for tests.
#[cfg(test)]
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::disallowed_types,
    unreachable_pub,
    reason = "generated code, which brings its own attributes"
)]
pub(super) mod server {
    include!(concat!(
        env!("OUT_DIR"),
        "/plugin_server/drydock.driver.v1.rs"
    ));
}

/// The version of the protocol that is spoken here.
pub(super) const PROTOCOL_VERSION: u32 = 1;

/// The step, as the protocol has it.
pub(super) fn step(step: StepKind) -> v1::Step {
    match step {
        StepKind::ValidateNodeServices => v1::Step::ValidateNodeServices,
        StepKind::ValidateOobServices => v1::Step::ValidateOobServices,
        StepKind::CreateNetworkTemplate => v1::Step::CreateNetworkTemplate,
        StepKind::ConfigureUserCredentials => v1::Step::ConfigureUserCredentials,
        StepKind::ConfigureNodeProvisioner => v1::Step::ConfigureNodeProvisioner,
        StepKind::InterrogateOob => v1::Step::InterrogateOob,
        StepKind::IdentifyNode => v1::Step::IdentifyNode,
        StepKind::SetNodeBoot => v1::Step::SetNodeBoot,
        StepKind::PowerCycleNode => v1::Step::PowerCycleNode,
        StepKind::ConfigureHardware => v1::Step::ConfigureHardware,
        StepKind::ApplyNodeNetworking => v1::Step::ApplyNodeNetworking,
        StepKind::ApplyNodeStorage => v1::Step::ApplyNodeStorage,
        StepKind::ApplyNodePlatform => v1::Step::ApplyNodePlatform,
        StepKind::DeployNode => v1::Step::DeployNode,
        StepKind::DestroyNode => v1::Step::DestroyNode,
    }
}

/// The promise, as the protocol has it.
pub(super) fn policy(policy: Policy) -> v1::Policy {
    match policy {
        Policy::Observe => v1::Policy::Observe,
        Policy::Converge => v1::Policy::Converge,
        Policy::Guarded => v1::Policy::Guarded,
        Policy::Once => v1::Policy::Once,
    }
}

/// The promise that a plug-in makes; none: it makes none that we know.
pub(super) fn promised(policy: v1::Policy) -> Option<Policy> {
    match policy {
        v1::Policy::Unspecified => None,
        v1::Policy::Observe => Some(Policy::Observe),
        v1::Policy::Converge => Some(Policy::Converge),
        v1::Policy::Guarded => Some(Policy::Guarded),
        v1::Policy::Once => Some(Policy::Once),
    }
}

/// What kind of thing went wrong. What is not said is a defect of the plug-in.
pub(super) fn error_kind(kind: v1::ErrorKind) -> ErrorKind {
    match kind {
        v1::ErrorKind::Unspecified | v1::ErrorKind::Internal => ErrorKind::Internal,
        v1::ErrorKind::Unreachable => ErrorKind::Unreachable,
        v1::ErrorKind::Timeout => ErrorKind::Timeout,
        v1::ErrorKind::Unauthorised => ErrorKind::Unauthorised,
        v1::ErrorKind::Refused => ErrorKind::Refused,
        v1::ErrorKind::Unsupported => ErrorKind::Unsupported,
        v1::ErrorKind::Busy => ErrorKind::Busy,
        v1::ErrorKind::Protocol => ErrorKind::Protocol,
        v1::ErrorKind::Failed => ErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_of_steps_are_ours() {
        for kind in StepKind::ALL {
            let sent = step(kind);
            assert_eq!(sent as i32, i32::from(kind as i16), "{kind}");
            let name = format!("STEP_{}", kind.token().to_uppercase());
            assert_eq!(sent.as_str_name(), name);
        }
    }

    #[test]
    fn promises_come_back_as_they_were_sent() {
        for each in [
            Policy::Observe,
            Policy::Converge,
            Policy::Guarded,
            Policy::Once,
        ] {
            assert_eq!(promised(policy(each)), Some(each));
        }
    }
}
