//! What a driver of management controllers asks of the protocol that it speaks.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::domain::SecretReference;
use crate::domain::inventory::Node;
use crate::driver::{DriverError, Progress};
use crate::secret::Secret;

/// A protocol, and how it is set up.
#[async_trait]
pub(in crate::driver) trait Protocol: Send + Sync + 'static {
    /// The out-of-band type of the nodes that it reaches.
    const OOB_TYPE: &'static str;

    /// How long something may still act that a process left behind when it was killed in the middle
    /// of a call.
    const OUTLIVES: Duration;

    /// What it has to know of a node's controller.
    type Bmc: Bmc;

    /// The controller of a node, as the design has it.
    fn bmc(&self, node: &Node) -> Result<Self::Bmc, DriverError>;

    /// Begins to speak to a controller. Whatever is asked is answered, or given up, by `deadline`.
    async fn open<'a>(
        &'a self,
        bmc: &'a Self::Bmc,
        password: &'a Secret,
        deadline: Instant,
    ) -> Result<Box<dyn Session + 'a>, DriverError>;
}

/// A management controller.
pub(in crate::driver) trait Bmc: Send + Sync {
    /// Where it is, as host and port: what nodes that share it have in common.
    fn place(&self) -> String;

    /// Its password.
    fn credential(&self) -> &SecretReference;
}

/// A controller that is spoken to, for the time of one driver call.
#[async_trait]
pub(in crate::driver) trait Session: Send {
    /// Shows that it answers and accepts us; no more.
    async fn greet(&mut self) -> Result<(), DriverError>;

    /// Reads what it says about its node.
    async fn interrogate(&mut self) -> Result<Progress, DriverError>;

    /// Has the node boot from the network, once: reads, changes what differs, reads back.
    async fn set_network_boot(&mut self) -> Result<Progress, DriverError>;

    /// Whether the node has power.
    async fn power(&mut self) -> Result<Power, DriverError>;

    /// Asks for a change of power. It has not happened yet when this returns.
    async fn switch(&mut self, change: Change) -> Result<(), DriverError>;
}

/// What a node's power is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::driver) enum Power {
    On,
    Off,
    /// On its way, or something that we know nothing of: wait.
    Between,
}

/// What can be asked of a node's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::driver) enum Change {
    On,
    /// At once, whatever the node does.
    Off,
    /// By the node's operating system.
    ShutDown,
}
