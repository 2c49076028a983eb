//! What a step means to Ironic.

use super::super::{DriverError, ErrorKind};
use crate::domain::StepKind;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Something about the site: one call, or none.
    Site(SiteWork),
    /// Find a node or make it known: a few calls.
    Identify,
    /// Write what the design says into the node: a few calls.
    Apply(Section),
    /// Have Ironic change the node's provision state, which takes its time.
    Provision(Provision),
}

/// Work about the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SiteWork {
    /// Whether Ironic can work.
    Services,
    /// The site's networks.
    Networks,
    /// The site's authorized keys.
    UserCredentials,
    /// The provisioner's settings.
    Provisioner,
}

/// A section of what the design says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// Interfaces and addresses.
    Networking,
    /// Disks.
    Storage,
    /// The operating system.
    Platform,
}

/// A change of the provision state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provision {
    /// To `available`.
    Prepare,
    /// To `active`.
    Deploy,
    /// Back to `available`.
    Release,
}

impl Work {
    /// What a step means.
    ///
    /// # Errors
    ///
    /// It is an out-of-band step, which a BMC's driver does.
    pub(super) fn of(step: StepKind) -> Result<Self, DriverError> {
        Ok(match step {
            StepKind::ValidateNodeServices => Self::Site(SiteWork::Services),
            StepKind::CreateNetworkTemplate => Self::Site(SiteWork::Networks),
            StepKind::ConfigureUserCredentials => Self::Site(SiteWork::UserCredentials),
            StepKind::ConfigureNodeProvisioner => Self::Site(SiteWork::Provisioner),
            StepKind::IdentifyNode => Self::Identify,
            StepKind::ApplyNodeNetworking => Self::Apply(Section::Networking),
            StepKind::ApplyNodeStorage => Self::Apply(Section::Storage),
            StepKind::ApplyNodePlatform => Self::Apply(Section::Platform),
            StepKind::ConfigureHardware => Self::Provision(Provision::Prepare),
            StepKind::DeployNode => Self::Provision(Provision::Deploy),
            StepKind::DestroyNode => Self::Provision(Provision::Release),
            StepKind::ValidateOobServices
            | StepKind::InterrogateOob
            | StepKind::SetNodeBoot
            | StepKind::PowerCycleNode => {
                return Err(DriverError::permanent(
                    ErrorKind::Unsupported,
                    format!("{step} is for the driver of a management controller"),
                )
                .before_sending());
            }
        })
    }
}
