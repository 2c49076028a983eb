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
}

static NONE: std::sync::LazyLock<crate::domain::site::HostSpec> = std::sync::LazyLock::new(Default::default);
impl<'a> Wanted<'a> {
    pub(super) fn boot_mac(&self) -> Option<&'a str> { None }
    pub(super) fn oob_type(&self) -> Option<&'a str> { self.node.oob_type.as_deref() }
    pub(super) fn interfaces(&self) -> &'a BTreeMap<String, Interface> { &NONE.interfaces }
    pub(super) fn addressing(&self) -> &'a [Addressing] { &NONE.addressing }
    pub(super) fn storage(&self) -> &'a Storage { &NONE.storage }
    pub(super) fn platform(&self) -> &'a Platform { &NONE.platform }
    pub(super) fn hardware(&self) -> Option<&'a HardwareProfile> { let _ = self.design; None }
    pub(super) fn network(&self, _n: &str) -> Option<&'a Network> { None }
    pub(super) fn link(&self, _n: &str) -> Option<&'a NetworkLink> { None }
    pub(super) fn primary_network(&self) -> Option<&'a str> { None }
    pub(super) fn authorized_keys(&self) -> &'a [String] { &[] }
    pub(super) fn oob(&self) -> &'a Oob { &NONE.oob }
}
