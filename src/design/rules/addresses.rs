//! What the addresses of networks are used for, as the rules about addresses ask for it.

use std::collections::HashMap;
use std::net::IpAddr;

use super::SiteView;
use super::view::{DocumentId, Node, Typed};
use crate::domain::site::Network;
use crate::domain::site::address::{Cidr, number};
use crate::domain::site::host::Assignment;
use crate::domain::site::network::RangeKind;

/// A static address of a node on a network that can be read.
pub(super) struct Static<'s, 'd> {
    pub(super) node: &'s Node<'d>,
    pub(super) network: &'s Typed<'d, Network>,
    pub(super) address: IpAddr,
}

/// Every static address of every node, if its network can be read.
pub(super) fn statics<'s, 'd>(site: &'s SiteView<'d>) -> impl Iterator<Item = Static<'s, 'd>> {
    site.nodes.iter().flat_map(move |node| {
        node.spec.addressing.iter().filter_map(move |entry| {
            let Some(Assignment::Static(address)) = entry.address else {
                return None;
            };
            let network = site.network(entry.network.as_deref()?)?;
            Some(Static {
                node,
                network,
                address,
            })
        })
    })
}

/// The use that the network as a whole has for one of its addresses, so that no host can have it.
pub(super) fn of_no_host(cidr: Cidr, address: IpAddr) -> Option<&'static str> {
    // Point-to-point networks have neither, and IPv6 has no broadcast.
    let has_both = cidr.address.is_ipv4() && cidr.prefix < 31;
    if has_both && address == cidr.first() {
        Some("the network's own address")
    } else if has_both && address == cidr.last() {
        Some("the broadcast address")
    } else {
        None
    }
}

/// Why no network at all has the address for one of its hosts.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() {
        Some("no address")
    } else if address.is_multicast() || broadcast {
        Some("the address of many hosts")
    } else {
        None
    }
}

/// The addresses that a network has for one use, as sorted spans that do not touch.
#[derive(Default)]
pub(super) struct Spans(Vec<(u128, u128)>);

impl Spans {
    /// The ranges of a network, of these uses. Ranges of another family than its own are not in it.
    pub(super) fn of(network: &Network, kinds: &[RangeKind]) -> Self {
        let Some(cidr) = network.cidr else {
            return Self::default();
        };
        let ranges = network.ranges.iter().filter_map(|range| {
            let (start, end) = (range.start?, range.end?);
            let wanted = kinds.contains(&range.kind?);
            let family = |address: IpAddr| address.is_ipv4() == cidr.address.is_ipv4();
            (wanted && family(start) && family(end)).then(|| (number(start), number(end)))
        });
        let mut ranges: Vec<_> = ranges.filter(|(start, end)| start <= end).collect();
        ranges.sort_unstable();
        let mut spans: Vec<(u128, u128)> = Vec::new();
        for (start, end) in ranges {
            match spans.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                Some(_) | None => spans.push((start, end)),
            }
        }
        Self(spans)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = number(address);
        let after = self.0.partition_point(|(start, _)| *start <= address);
        after > 0 && address <= self.0[after - 1].1
    }

    /// How many addresses there are.
    pub(super) fn count(&self) -> u128 {
        let counts = self
            .0
            .iter()
            .map(|(start, end)| (end - start).saturating_add(1));
        counts.fold(0, u128::saturating_add)
    }
}

/// What something that is not a node does with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Gateway,
    Relay,
    NameServer,
    Switch,
}

/// An address that something other than a node has.
pub(super) struct Fixed<'d> {
    pub(super) holder: Holder,
    /// Who says so: the network, or the switch.
    pub(super) of: &'d str,
}

impl Fixed<'_> {
    /// Who has the address, to say it in a message.
    pub(super) fn described(&self) -> String {
        let what = match self.holder {
            Holder::Gateway => "a gateway of network",
            Holder::Relay => "the DHCP relay of network",
            Holder::NameServer => "a name server of network",
            Holder::Switch => "switch",
        };
        format!("{what} `{}`", self.of)
    }
}

/// The addresses that gateways, relays, switches and name servers have, the worst to take first.
pub(super) fn fixed<'s>(site: &'s SiteView<'_>) -> HashMap<IpAddr, Fixed<'s>> {
    let mut fixed = HashMap::new();
    let mut add = |address: IpAddr, holder: Holder, of: &'s str| {
        fixed.entry(address).or_insert(Fixed { holder, of });
    };
    for network in &site.networks {
        for gateway in network.spec.routes.iter().filter_map(|route| route.gateway) {
            add(gateway, Holder::Gateway, network.name);
        }
    }
    for rack in &site.racks {
        for (name, switch) in &rack.spec.tor_switches {
            if let Some(address) = switch.mgmt_ip {
                add(address, Holder::Switch, name);
            }
        }
    }
    for network in &site.networks {
        let relay = network.spec.dhcp_relay.as_ref();
        if let Some(address) = relay.and_then(|relay| relay.self_ip) {
            add(address, Holder::Relay, network.name);
        }
    }
    for network in &site.networks {
        for server in &network.spec.dns.servers {
            add(*server, Holder::NameServer, network.name);
        }
    }
    fixed
}

/// Something worked out once for each network.
pub(super) struct PerNetwork<T>(HashMap<DocumentId, T>);

impl<T> PerNetwork<T> {
    pub(super) fn new(site: &SiteView<'_>, work_out: impl Fn(&Network) -> T) -> Self {
        let networks = site.networks.iter();
        Self(
            networks
                .map(|network| (network.id, work_out(&network.spec)))
                .collect(),
        )
    }

    pub(super) fn get(&self, network: &Typed<'_, Network>) -> Option<&T> {
        self.0.get(&network.id)
    }
}
