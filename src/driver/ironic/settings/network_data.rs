//! The design's interfaces in the form of OpenStack's `network_data.json`.
//!
//! That form names every cable by its hardware address, which a design hardly ever has: they come from
//! Ironic's ports that are called like the interface or its slave, and for a node with one cable from
//! the address that it boots from. An interface whose cables are not all known is left out and told.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::super::wanted::Wanted;
use crate::domain::site::host::{Assignment, Interface};
use crate::domain::site::link::{Bonding, BondingMode, TrunkingMode};
use crate::domain::site::network::Route;
use crate::domain::site::{Cidr, Network, NetworkLink};

/// Hardware addresses of a node, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Ports {
    addresses: Vec<String>,
    by_name: BTreeMap<String, String>,
}

impl Ports {
    pub(super) fn of(ports: impl Iterator<Item = (String, Option<String>)>) -> Self {
        let mut known = Self::default();
        for (address, name) in ports {
            let address = address.to_ascii_lowercase();
            if let Some(name) = name {
                known.by_name.insert(name, address.clone());
            }
            known.addresses.push(address);
        }
        known
    }

    pub(super) fn have(&self, mac: &str) -> bool {
        self.addresses.contains(&mac.to_ascii_lowercase())
    }
}

/// The node's network data, and what it does not say; none: it says nothing.
pub(super) fn of(wanted: &Wanted<'_>, ports: &Ports) -> (Option<Value>, Vec<String>) {
    let mut data = Data::default();
    let mut left_out = Vec::new();
    let interfaces = wanted.interfaces();
    let cables: usize = interfaces.values().map(|one| one.slaves.len().max(1)).sum();
    for (name, interface) in interfaces {
        let boot_mac = wanted.boot_mac().filter(|_| cables == 1);
        match cabling(name, interface, ports, boot_mac) {
            Ok(macs) => data.add(wanted, name, interface, &macs, &mut left_out),
            Err(cable) => left_out.push(format!(
                "the interface {name} (no port of the node is called {cable}, so its hardware address is unknown)"
            )),
        }
    }
    if data.links.is_empty() {
        return (None, left_out);
    }
    let primary = wanted
        .primary_network()
        .and_then(|name| wanted.network(name));
    let servers = primary.map_or(&[][..], |network| &network.dns.servers);
    let services: Vec<Value> = servers
        .iter()
        .map(|address| json!({"type": "dns", "address": address.to_string()}))
        .collect();
    let data = json!({"links": data.links, "networks": data.networks, "services": services});
    (Some(data), left_out)
}

/// The hardware address of each of an interface's cables; or the cable that has none.
fn cabling(
    name: &str,
    interface: &Interface,
    ports: &Ports,
    boot_mac: Option<&str>,
) -> Result<Vec<(String, String)>, String> {
    let alone = [name.to_owned()];
    let slaves = match interface.slaves.as_slice() {
        [] => &alone[..],
        slaves => slaves,
    };
    let mac_of = |slave: &String| {
        let by_interface = || ports.by_name.get(name).filter(|_| slaves.len() == 1);
        let known = ports.by_name.get(slave).or_else(by_interface).cloned();
        known.or_else(|| boot_mac.map(str::to_ascii_lowercase))
    };
    slaves
        .iter()
        .map(|slave| match mac_of(slave) {
            Some(mac) => Ok((slave.clone(), mac)),
            None => Err(slave.clone()),
        })
        .collect()
}

#[derive(Default)]
struct Data {
    links: Vec<Value>,
    networks: Vec<Value>,
}

impl Data {
    fn add(
        &mut self,
        wanted: &Wanted<'_>,
        name: &str,
        interface: &Interface,
        macs: &[(String, String)],
        left_out: &mut Vec<String>,
    ) {
        let link = interface
            .device_link
            .as_deref()
            .and_then(|link| wanted.link(link));
        let mtu = link.and_then(|link| link.mtu);
        let Some((_, mac)) = macs.first() else { return };
        match link.and_then(|link| bond_mode(&link.bonding)) {
            Some(mode) => {
                for (slave, mac) in macs {
                    self.links.push(cable(slave, mac, mtu));
                }
                let slaves: Vec<&str> = macs.iter().map(|(slave, _)| slave.as_str()).collect();
                self.links.push(with_mtu(
                    json!({
                        "id": name, "type": "bond", "bond_mode": mode,
                        "bond_links": slaves, "ethernet_mac_address": mac,
                    }),
                    mtu,
                ));
            }
            None => {
                self.links.push(cable(name, mac, mtu));
                if macs.len() > 1 {
                    left_out.push(format!(
                        "the further slaves of {name} (its link is not bonded)"
                    ));
                }
            }
        }
        for network_name in &interface.networks {
            let Some(network) = wanted.network(network_name) else {
                left_out.push(format!("the network {network_name} (the design has none)"));
                continue;
            };
            let below = match tag(link, network_name, network) {
                None => name.to_owned(),
                Some(vlan) => {
                    let id = format!("{name}.{vlan}");
                    self.links.push(with_mtu(
                        json!({
                            "id": id, "type": "vlan", "vlan_id": vlan,
                            "vlan_link": name, "vlan_mac_address": mac,
                        }),
                        network.mtu,
                    ));
                    id
                }
            };
            self.address(wanted, network_name, network, &below, left_out);
        }
    }

    fn address(
        &mut self,
        wanted: &Wanted<'_>,
        name: &str,
        network: &Network,
        link: &str,
        left_out: &mut Vec<String>,
    ) {
        let here = wanted.addressing().iter();
        let here = here.filter(|entry| entry.network.as_deref() == Some(name));
        for assignment in here.filter_map(|entry| entry.address) {
            let mut entry = json!({"id": name, "network_id": name, "link": link});
            match assignment {
                Assignment::Static(address) => {
                    let Some(cidr) = network.cidr else {
                        left_out.push(format!("the address in {name} (the network has no cidr)"));
                        continue;
                    };
                    entry["type"] = Value::from(if address.is_ipv4() { "ipv4" } else { "ipv6" });
                    entry["ip_address"] = Value::from(address.to_string());
                    entry["netmask"] = Value::from(mask(cidr).to_string());
                    entry["routes"] = network.routes.iter().filter_map(route).collect();
                    if network
                        .routes
                        .iter()
                        .any(|route| route.routedomain.is_some())
                    {
                        left_out.push(format!("the routes of {name} to a whole route domain"));
                    }
                }
                Assignment::Dhcp => {
                    let of_six = network.cidr.is_some_and(|cidr| cidr.address.is_ipv6());
                    entry["type"] = Value::from(if of_six { "ipv6_dhcp" } else { "ipv4_dhcp" });
                }
                Assignment::Slaac => entry["type"] = Value::from("ipv6_slaac"),
            }
            self.networks.push(entry);
        }
    }
}

fn cable(id: &str, mac: &str, mtu: Option<u32>) -> Value {
    with_mtu(
        json!({"id": id, "type": "phy", "ethernet_mac_address": mac}),
        mtu,
    )
}

fn with_mtu(mut link: Value, mtu: Option<u32>) -> Value {
    if let Some(mtu) = mtu {
        link["mtu"] = Value::from(mtu);
    }
    link
}

fn bond_mode(bonding: &Bonding) -> Option<&'static str> {
    match bonding.mode? {
        BondingMode::Disabled => None,
        BondingMode::Lacp => Some("802.3ad"),
        BondingMode::ActiveBackup => Some("active-backup"),
        BondingMode::BalanceRoundRobin => Some("balance-rr"),
    }
}

/// The tag that a network's frames carry on a link.
fn tag(link: Option<&NetworkLink>, name: &str, network: &Network) -> Option<u16> {
    let trunking = &link?.trunking;
    match trunking.mode? {
        TrunkingMode::Disabled => None,
        TrunkingMode::Tagged if trunking.default_network.as_deref() == Some(name) => None,
        TrunkingMode::Tagged => network.vlan,
    }
}

fn route(route: &Route) -> Option<Value> {
    let (subnet, gateway) = (route.subnet?, route.gateway?);
    Some(json!({
        "network": subnet.first().to_string(),
        "netmask": mask(subnet).to_string(),
        "gateway": gateway.to_string(),
    }))
}

fn mask(cidr: Cidr) -> IpAddr {
    let prefix = u32::from(cidr.prefix);
    match cidr.address {
        IpAddr::V4(_) => {
            let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv4Addr::from_bits(!host).into()
        }
        IpAddr::V6(_) => {
            let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv6Addr::from_bits(!host).into()
        }
    }
}

#[cfg(test)]
#[path = "network_data_tests.rs"]
mod tests;
