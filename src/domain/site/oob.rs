//! `oob` of hosts: how the management controller is reached.

use std::collections::BTreeMap;

use crate::domain::SecretReference;

/// The out-of-band management of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Oob {
    /// `type`: the driver that speaks to it, for example `redfish` or `simulated`.
    pub kind: Option<String>,
    /// `network`: the name of the network that it is in.
    pub network: Option<String>,
    /// `address`: host or `host:port`; default is the node's address on `network`, which an
    /// effective node has here.
    pub address: Option<String>,
    /// `account`: the user to log in as.
    pub account: Option<String>,
    /// `credential`: where the password is kept; none when the design held anything else.
    pub credential: Option<SecretReference>,
    /// Every other scalar: parameters of the driver, for example `system_id` or `libvirt_uri`.
    pub parameters: BTreeMap<String, String>,
}
