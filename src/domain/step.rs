//! Steps: the single pieces of work that drivers do, and how each may be repeated.

use std::fmt;
use std::time::Duration;

/// One kind of work on a node or a site. The numbers are stored and must never be reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum StepKind {
    /// The provisioner answers and accepts our credentials.
    ValidateNodeServices = 1,
    /// The out-of-band drivers in use can work.
    ValidateOobServices = 2,
    /// The site's networks exist in the provisioner.
    CreateNetworkTemplate = 3,
    /// The site's authorized keys are known to the provisioner.
    ConfigureUserCredentials = 4,
    /// The provisioner's own settings match the design.
    ConfigureNodeProvisioner = 5,
    /// The BMC tells what the node is and whether it is on.
    InterrogateOob = 6,
    /// The provisioner knows the node.
    IdentifyNode = 7,
    /// The node boots from the network next time.
    SetNodeBoot = 8,
    /// The node is off, then on.
    PowerCycleNode = 9,
    /// The provisioner takes the node's hardware under control.
    ConfigureHardware = 10,
    /// The node's networking is as designed.
    ApplyNodeNetworking = 11,
    /// The node's storage layout is as designed.
    ApplyNodeStorage = 12,
    /// The node's image and kernel are as designed.
    ApplyNodePlatform = 13,
    /// The operating system is installed.
    DeployNode = 14,
    /// The node is wiped and released.
    DestroyNode = 15,
}

impl StepKind {
    /// Every step kind.
    pub const ALL: [Self; 15] = [
        Self::ValidateNodeServices,
        Self::ValidateOobServices,
        Self::CreateNetworkTemplate,
        Self::ConfigureUserCredentials,
        Self::ConfigureNodeProvisioner,
        Self::InterrogateOob,
        Self::IdentifyNode,
        Self::SetNodeBoot,
        Self::PowerCycleNode,
        Self::ConfigureHardware,
        Self::ApplyNodeNetworking,
        Self::ApplyNodeStorage,
        Self::ApplyNodePlatform,
        Self::DeployNode,
        Self::DestroyNode,
    ];

    /// The document token, for example `set_node_boot`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::ValidateNodeServices => "validate_node_services",
            Self::ValidateOobServices => "validate_oob_services",
            Self::CreateNetworkTemplate => "create_network_template",
            Self::ConfigureUserCredentials => "configure_user_credentials",
            Self::ConfigureNodeProvisioner => "configure_node_provisioner",
            Self::InterrogateOob => "interrogate_oob",
            Self::IdentifyNode => "identify_node",
            Self::SetNodeBoot => "set_node_boot",
            Self::PowerCycleNode => "power_cycle_node",
            Self::ConfigureHardware => "configure_hardware",
            Self::ApplyNodeNetworking => "apply_node_networking",
            Self::ApplyNodeStorage => "apply_node_storage",
            Self::ApplyNodePlatform => "apply_node_platform",
            Self::DeployNode => "deploy_node",
            Self::DestroyNode => "destroy_node",
        }
    }

    /// Whether it is done through a node's management controller, and not by the provisioner.
    pub const fn is_out_of_band(self) -> bool {
        match self {
            Self::ValidateOobServices
            | Self::InterrogateOob
            | Self::SetNodeBoot
            | Self::PowerCycleNode => true,
            Self::ValidateNodeServices
            | Self::CreateNetworkTemplate
            | Self::ConfigureUserCredentials
            | Self::ConfigureNodeProvisioner
            | Self::IdentifyNode
            | Self::ConfigureHardware
            | Self::ApplyNodeNetworking
            | Self::ApplyNodeStorage
            | Self::ApplyNodePlatform
            | Self::DeployNode
            | Self::DestroyNode => false,
        }
    }

    /// The step of a document token.
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.token() == token)
    }

    /// The step stored under `number`.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as i16 == number)
    }

    /// How long one subtask of this step may take, all attempts together, unless configured
    /// otherwise.
    pub const fn default_timeout(self) -> Duration {
        const MINUTE: u64 = 60;
        Duration::from_secs(
            MINUTE
                * match self {
                    Self::CreateNetworkTemplate | Self::ConfigureUserCredentials => 2,
                    Self::ValidateNodeServices
                    | Self::ValidateOobServices
                    | Self::ConfigureNodeProvisioner
                    | Self::InterrogateOob
                    | Self::SetNodeBoot
                    | Self::PowerCycleNode
                    | Self::ApplyNodeNetworking
                    | Self::ApplyNodeStorage
                    | Self::ApplyNodePlatform => 5,
                    Self::IdentifyNode => 10,
                    Self::ConfigureHardware | Self::DestroyNode => 30,
                    Self::DeployNode => 45,
                },
        )
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// What a driver promises about doing a step again; it decides retries and recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Reads only: repeat freely.
    Observe,
    /// Reads, acts only on a difference, reads back: repeat freely.
    Converge,
    /// Leaves our own mark where it acts: look for the mark first, then adopt or start.
    Guarded,
    /// Anything undeclared: never repeated once it may have begun. An operator decides.
    Once,
}

impl Policy {
    /// The token used in ledgers and labels, for example `guarded`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Converge => "converge",
            Self::Guarded => "guarded",
            Self::Once => "once",
        }
    }

    /// The policy of a token.
    pub fn parse(token: &str) -> Option<Self> {
        [Self::Observe, Self::Converge, Self::Guarded, Self::Once]
            .into_iter()
            .find(|policy| policy.token() == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_numbers_round_trip() {
        for step in StepKind::ALL {
            assert_eq!(StepKind::parse(step.token()), Some(step));
            assert_eq!(StepKind::from_number(step as i16), Some(step));
        }
    }
}
