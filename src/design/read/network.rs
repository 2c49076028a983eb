//! Reads a Network.

use std::net::IpAddr;

use super::Scope;
use crate::domain::site::network::{DhcpRelay, Dns, Network, Range, RangeKind, Route};

/// Bytes: the least of IPv4, and what the kernel takes at most. Saner bounds are for a rule.
pub(super) const MTU: std::ops::RangeInclusive<u64> = 68..=65_536;

pub(crate) fn network(network: &mut Scope<'_, '_>) -> Network {
    Network {
        cidr: network.parsed("cidr"),
        vlan: vlan(network),
        mtu: network.number("mtu", MTU),
        routedomain: network.text("routedomain"),
        ranges: network.list("ranges", range),
        routes: network.list("routes", route),
        dns: network.object("dns", dns).unwrap_or_default(),
        dhcp_relay: network.object("dhcp_relay", |relay| DhcpRelay {
            self_ip: relay.parsed("self_ip"),
            upstream_target: relay.parsed("upstream_target"),
        }),
        labels: network.labels("labels"),
    }
}

/// A text in the schema, though it is a number.
fn vlan(network: &mut Scope<'_, '_>) -> Option<u16> {
    network.value("vlan", |vlan| {
        let text = vlan.text()?;
        let tag = text.parse().ok().filter(|tag| (1..=4094).contains(tag));
        if tag.is_none() {
            vlan.bad_value("a VLAN tag is a whole number from 1 to 4094");
        }
        tag
    })
}

fn range(range: &mut Scope<'_, '_>) -> Range {
    Range {
        kind: range.choice(
            "type",
            &[
                ("static", RangeKind::Static),
                ("dhcp", RangeKind::Dhcp),
                ("reserved", RangeKind::Reserved),
            ],
        ),
        start: range.parsed("start"),
        end: range.parsed("end"),
    }
}

fn route(route: &mut Scope<'_, '_>) -> Route {
    Route {
        subnet: route.parsed("subnet"),
        gateway: route.parsed("gateway"),
        metric: route.number("metric", 0..=u64::from(u32::MAX)),
        routedomain: route.text("routedomain"),
    }
}

fn dns(dns: &mut Scope<'_, '_>) -> Dns {
    Dns {
        domain: dns.text("domain"),
        servers: dns
            .value("servers", |servers| {
                let text = servers.text()?;
                let addresses = text
                    .split(',')
                    .map(|server| server.trim().parse::<IpAddr>());
                let addresses: Result<Vec<_>, _> = addresses.collect();
                if addresses.is_err() {
                    servers.bad_value("name servers are IP addresses, separated by commas");
                }
                addresses.ok()
            })
            .unwrap_or_default(),
    }
}
