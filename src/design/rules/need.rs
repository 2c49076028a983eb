//! Which actions a rule protects: what an error refuses for the nodes it is about.

use crate::domain::Action;

/// Needed by nothing but a good design.
pub(super) const NOTHING: &[Action] = &[];

/// Needed by all that speaks to the management controllers of nodes.
pub(super) const OUT_OF_BAND: &[Action] = &[
    Action::VerifySite,
    Action::VerifyNode,
    Action::PrepareNode,
    Action::DeployNode,
    Action::DestroyNode,
];

/// Needed by what configures networks: the provisioner's and the nodes'.
pub(super) const NETWORKING: &[Action] =
    &[Action::PrepareSite, Action::PrepareNode, Action::DeployNode];

/// Needed by what tells one machine from another before it changes or wipes it.
pub(super) const IDENTITY: &[Action] =
    &[Action::PrepareNode, Action::DeployNode, Action::DestroyNode];

/// Needed by what installs an operating system.
pub(super) const DEPLOYMENT: &[Action] = &[Action::DeployNode];
