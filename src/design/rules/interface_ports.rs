//! An interface with another number of ports than its link is for.

use super::shared_port::is_left_alone;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::link::BondingMode;

pub(super) const RULE: Rule = Rule {
    code: "interface_ports",
    severity: Severity::Error,
    summary: "an interface with more or fewer ports than its link is for",
    explanation: "`slaves` are the ports that an interface is made of: one, or on a link that \
        bonds, two or more. A bond of one port, or several ports on a link whose `bonding` is \
        disabled, is refused when the node's network is configured. Interfaces with the label `noconfig` are \
        not configured, and may have any.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {bonding: {mode: disabled}}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    bond0: {device_link: trunk, slaves: [eno1, eno2]}
",
            passing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {bonding: {mode: 802.3ad}}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    bond0: {device_link: trunk, slaves: [eno1, eno2]}
",
            message: "site.yaml:9:41: BaremetalNode/a: data.interfaces.bond0.slaves: `bond0` has \
                2 ports, and link `trunk` bonds none",
        },
        Example {
            failing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {bonding: {mode: 802.3ad}}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    bond0: {device_link: trunk, slaves: [eno1]}
",
            passing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {bonding: {mode: disabled}}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: trunk, slaves: [eno1]}
",
            message: "site.yaml:9:41: BaremetalNode/a: data.interfaces.bond0.slaves: `bond0` has \
                one port, and link `trunk` bonds them",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        for (name, interface) in node.spec.interfaces.iter() {
            let path = || Path::of("interfaces").field(name).field("slaves");
            if is_left_alone(interface) {
                continue;
            }
            let ports = interface.slaves.len();
            if ports == 0 {
                report.node(node, path(), format!("`{name}` has no port in `slaves`"));
                continue;
            }
            let link = interface.device_link.as_deref();
            let Some(link) = link.and_then(|link| site.link(link)) else {
                continue;
            };
            let bonds = match link.spec.bonding.mode {
                Some(BondingMode::Disabled) => false,
                Some(
                    BondingMode::Lacp | BondingMode::ActiveBackup | BondingMode::BalanceRoundRobin,
                ) => true,
                None => {
                    // A mode that could not be read was reported, and may be any.
                    let document = site.documents.get(link.id);
                    let bonding = document.and_then(|document| document.body.get("bonding"));
                    if bonding.and_then(|bonding| bonding.get("mode")).is_some() {
                        continue;
                    }
                    false
                }
            };
            if bonds && ports < 2 {
                let message = format!("`{name}` has one port, and link `{}` bonds them", link.name);
                report.node(node, path(), message);
            } else if !bonds && ports > 1 {
                let message = format!(
                    "`{name}` has {ports} ports, and link `{}` bonds none",
                    link.name
                );
                report.node(node, path(), message);
            }
        }
    }
}
