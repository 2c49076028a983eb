//! NetworkLink: what a node and its switch have to agree on.

use std::collections::BTreeMap;

/// A link between nodes and switches, and the networks it carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkLink {
    /// `bonding`: several ports as one.
    pub bonding: Bonding,
    /// `mtu`: the largest packet in bytes; default 1500.
    pub mtu: Option<u32>,
    /// `linkspeed`: speed and duplex, for example `auto` or `100full`.
    pub linkspeed: Option<String>,
    /// `trunking`: several networks on one link.
    pub trunking: Trunking,
    /// `allowed_networks`: names of the networks it carries; a network is on one link only.
    pub allowed_networks: Vec<String>,
    /// `labels`: free metadata.
    pub labels: BTreeMap<String, String>,
}

/// `bonding` of a [`NetworkLink`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bonding {
    /// `mode`; default disabled.
    pub mode: Option<BondingMode>,
    /// `hash`: how frames are spread, 802.3ad only; default `layer3+4`.
    pub hash: Option<TransmitHash>,
    /// `peer_rate`: how often LACP frames are sent, 802.3ad only; default fast.
    pub peer_rate: Option<PeerRate>,
    /// `mon_rate`: milliseconds between two looks at a port's state; default 100.
    pub mon_rate: Option<u32>,
    /// `up_delay`: milliseconds from a port coming up to its use; default 200.
    pub up_delay: Option<u32>,
    /// `down_delay`: milliseconds from a port going down to its disuse; default 200.
    pub down_delay: Option<u32>,
}

/// How ports are bonded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BondingMode {
    /// `disabled`: they are not.
    Disabled,
    /// `802.3ad`: dynamic aggregation, LACP.
    Lacp,
    /// `active-backup`: one carries all until it fails.
    ActiveBackup,
    /// `balance-rr`, also spelled `balanced-rr`: round robin.
    BalanceRoundRobin,
}

/// How 802.3ad spreads frames over ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransmitHash {
    /// `layer2`: by hardware addresses.
    Layer2,
    /// `layer2+3`: by hardware and IP addresses.
    Layer2And3,
    /// `layer3+4`: by IP addresses and ports.
    Layer3And4,
    /// `encap2+3`: as `layer2+3`, by what is inside a tunnel.
    Encapsulated2And3,
    /// `encap3+4`: as `layer3+4`, by what is inside a tunnel.
    Encapsulated3And4,
}

/// How often 802.3ad sends control frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerRate {
    /// `fast`: every second.
    Fast,
    /// `slow`: every thirty seconds.
    Slow,
}

/// `trunking` of a [`NetworkLink`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trunking {
    /// `mode`; default disabled.
    pub mode: Option<TrunkingMode>,
    /// `default_network`: the network of frames without a tag; the only one when trunking is off.
    pub default_network: Option<String>,
}

/// How several networks share a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrunkingMode {
    /// `disabled`: they do not.
    Disabled,
    /// `802.1q`: by VLAN tags.
    Tagged,
}
