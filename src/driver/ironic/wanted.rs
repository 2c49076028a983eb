//! What the design wants of a node: the one place that knows how a design says it.

use std::collections::BTreeMap;

use super::super::{DriverError, ErrorKind, StepCall};
use crate::domain::inventory::{Inventory, Node};
use crate::domain::site::host::{Addressing, Interface, Platform};
use crate::domain::site::{HardwareProfile, Network, NetworkLink, Oob, Storage};

/// A node of the design, with what it refers to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its site's.
    pub(super) site: &'a str,
    node: &'a Node,
    design: &'a Inventory,
}

impl<'a> Wanted<'a> {
    /// What is wanted of the node of a call.
    pub(super) fn of(call: &'a StepCall) -> Result<Self, DriverError> {
        let node = call.node().ok_or_else(|| {
            let name = call.node_name.as_deref().unwrap_or("-");
            DriverError::permanent(
                ErrorKind::Internal,
                format!("the design has no node {name}"),
            )
            .before_sending()
        })?;
        Ok(Self {
            name: &node.name,
            site: &call.site,
            node,
            design: &call.design,
        })
    }

    /// Whether this is the name of another node of the design.
    pub(super) fn is_anothers(&self, name: &str) -> bool {
        name != self.name && self.design.get(name).is_some()
    }

    /// The hardware address that it boots from.
    pub(super) fn boot_mac(&self) -> Option<&'a str> {
        self.node.boot_mac.as_deref()
    }

    /// Its management controller.
    pub(super) fn oob(&self) -> &'a Oob {
        &self.node.oob
    }

    /// How that is reached.
    pub(super) fn oob_type(&self) -> Option<&'a str> {
        self.node.oob_type.as_deref()
    }

    /// Its interfaces, by name.
    pub(super) fn interfaces(&self) -> &'a BTreeMap<String, Interface> {
        &self.node.interfaces
    }

    /// Its addresses.
    pub(super) fn addressing(&self) -> &'a [Addressing] {
        &self.node.addressing
    }

    /// The network that its name service is of.
    pub(super) fn primary_network(&self) -> Option<&'a str> {
        self.node.primary_network.as_deref()
    }

    /// Its disks.
    pub(super) fn storage(&self) -> &'a Storage {
        &self.node.storage
    }

    /// Its operating system.
    pub(super) fn platform(&self) -> &'a Platform {
        &self.node.platform
    }

    /// What it is made of.
    pub(super) fn hardware(&self) -> Option<&'a HardwareProfile> {
        self.node.hardware.as_deref()
    }

    /// A network of the site.
    pub(super) fn network(&self, name: &str) -> Option<&'a Network> {
        self.design.surroundings().networks.get(name)
    }

    /// A link of the site.
    pub(super) fn link(&self, name: &str) -> Option<&'a NetworkLink> {
        self.design.surroundings().links.get(name)
    }

    /// The keys that may log in.
    pub(super) fn authorized_keys(&self) -> &'a [String] {
        &self.design.surroundings().authorized_keys
    }
}
