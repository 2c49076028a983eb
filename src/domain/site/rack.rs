//! Rack: where nodes stand.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// A rack, its switches and its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rack {
    /// `tor_switches`: the switches at its top, by name.
    pub tor_switches: BTreeMap<String, Switch>,
    /// `location`: where it is.
    pub location: Location,
    /// `local_networks`: names of networks that exist in this rack only.
    pub local_networks: Vec<String>,
    /// `labels`: what node filters ask for as rack labels.
    pub labels: BTreeMap<String, String>,
}

/// A switch at the top of a rack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switch {
    /// `mgmt_ip`: the address it is managed at.
    pub mgmt_ip: Option<IpAddr>,
    /// `sdn_api_uri`: how its controller is reached.
    pub sdn_api_uri: Option<String>,
}

/// `location` of a [`Rack`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// `clli`: the Common Language Location Identifier of the building.
    pub clli: Option<String>,
    /// `grid`: the place in the room.
    pub grid: Option<String>,
    /// Every other field: places are described in many ways.
    pub others: BTreeMap<String, String>,
}
