//! Network: addresses, routes and name service.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::address::Cidr;

/// A network that nodes have addresses in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// `cidr`: its addresses, as written; host bits may be set.
    pub cidr: Option<Cidr>,
    /// `vlan`: the 802.1Q tag its frames carry, 1 to 4094; none when they carry no tag.
    pub vlan: Option<u16>,
    /// `mtu`: the largest packet in bytes; default is the link's.
    pub mtu: Option<u32>,
    /// `routedomain`: a group of networks that routes may name together.
    pub routedomain: Option<String>,
    /// `ranges`: what its addresses are used for.
    pub ranges: Vec<Range>,
    /// `routes`: static routes of nodes on this network.
    pub routes: Vec<Route>,
    /// `dns`: name service for nodes whose primary network this is.
    pub dns: Dns,
    /// `dhcp_relay`: how DHCP requests leave the network; none when its server is on it.
    pub dhcp_relay: Option<DhcpRelay>,
    /// `labels`: free metadata.
    pub labels: BTreeMap<String, String>,
}

/// Consecutive addresses of one use, both ends included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// `type`: what the addresses are used for.
    pub kind: Option<RangeKind>,
    /// `start`: the first address.
    pub start: Option<IpAddr>,
    /// `end`: the last address.
    pub end: Option<IpAddr>,
}

/// What the addresses of a [`Range`] are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeKind {
    /// `static`: written down in the documents of nodes.
    Static,
    /// `dhcp`: given out by a DHCP server.
    Dhcp,
    /// `reserved`: not for nodes.
    Reserved,
}

/// A static route: to a subnet, or to every network of a route domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// `subnet`: the destination.
    pub subnet: Option<Cidr>,
    /// `gateway`: the address on this network that leads there.
    pub gateway: Option<IpAddr>,
    /// `metric`: its weight; the smaller one wins.
    pub metric: Option<u32>,
    /// `routedomain`: instead of `subnet`, all networks of this route domain.
    pub routedomain: Option<String>,
}

/// `dns` of a [`Network`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// `domain`: the domain that addresses of the network are registered under; default `local`.
    pub domain: Option<String>,
    /// `servers`: addresses of name servers; written as one text with commas.
    pub servers: Vec<IpAddr>,
}

/// `dhcp_relay` of a [`Network`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DhcpRelay {
    /// `self_ip`: the relay's address on this network.
    pub self_ip: Option<IpAddr>,
    /// `upstream_target`: the DHCP server that requests are sent on to.
    pub upstream_target: Option<IpAddr>,
}
