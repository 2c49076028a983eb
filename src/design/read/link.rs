//! Reads a NetworkLink.

use super::Scope;
use super::network::MTU;
use crate::domain::site::link::{
    Bonding, BondingMode, NetworkLink, PeerRate, TransmitHash, Trunking, TrunkingMode,
};

/// Milliseconds: a minute between two looks at a port is as good as none.
const MILLISECONDS: std::ops::RangeInclusive<u64> = 0..=60_000;

pub(crate) fn network_link(link: &mut Scope<'_, '_>) -> NetworkLink {
    NetworkLink {
        bonding: link.object("bonding", bonding).unwrap_or_default(),
        mtu: link.number("mtu", MTU),
        linkspeed: link.text("linkspeed"),
        trunking: link.object("trunking", trunking).unwrap_or_default(),
        allowed_networks: link.texts("allowed_networks"),
        labels: link.labels("labels"),
    }
}

fn bonding(bonding: &mut Scope<'_, '_>) -> Bonding {
    Bonding {
        mode: bonding.choice(
            "mode",
            &[
                ("disabled", BondingMode::Disabled),
                ("802.3ad", BondingMode::Lacp),
                ("active-backup", BondingMode::ActiveBackup),
                ("balance-rr", BondingMode::BalanceRoundRobin),
                ("balanced-rr", BondingMode::BalanceRoundRobin),
            ],
        ),
        hash: bonding.choice(
            "hash",
            &[
                ("layer2", TransmitHash::Layer2),
                ("layer2+3", TransmitHash::Layer2And3),
                ("layer3+4", TransmitHash::Layer3And4),
                ("encap2+3", TransmitHash::Encapsulated2And3),
                ("encap3+4", TransmitHash::Encapsulated3And4),
            ],
        ),
        peer_rate: bonding.choice(
            "peer_rate",
            &[("fast", PeerRate::Fast), ("slow", PeerRate::Slow)],
        ),
        mon_rate: bonding.number("mon_rate", MILLISECONDS),
        up_delay: bonding.number("up_delay", MILLISECONDS),
        down_delay: bonding.number("down_delay", MILLISECONDS),
    }
}

fn trunking(trunking: &mut Scope<'_, '_>) -> Trunking {
    Trunking {
        mode: trunking.choice(
            "mode",
            &[
                ("disabled", TrunkingMode::Disabled),
                ("802.1q", TrunkingMode::Tagged),
            ],
        ),
        default_network: trunking.text("default_network"),
    }
}
