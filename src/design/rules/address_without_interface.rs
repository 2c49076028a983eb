//! An address on a network that the node has no interface in.

use std::collections::HashSet;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::document::Kind;
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "address_without_interface",
    severity: Severity::Warning,
    summary: "an address on a network that the node is not in",
    explanation: "None of the node's interfaces is in the network that the address is on, and it \
        is not the out-of-band network either, so no interface gets the address. The same is \
        reported of a `primary_network` on which a node has no address: its host name has no \
        address, and its default route no interface. It is a warning because the node deploys \
        without it.",
    needed_by: need::NOTHING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.1.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: front, slaves: [eno1], networks: [service]}
  addressing:
    - {network: storage, address: 10.0.1.5}
",
            passing: "schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.1.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: front, slaves: [eno1], networks: [service, storage]}
  addressing:
    - {network: storage, address: 10.0.1.5}
",
            message: "site.yaml:11:17: BaremetalNode/a: data.addressing[storage].network: no \
                interface of the node is in `storage`",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: service}
data: {cidr: 10.0.1.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  primary_network: service
",
            passing: "schema: drydock/Network/v1
metadata: {name: service}
data: {cidr: 10.0.1.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  primary_network: service
  addressing:
    - {network: service, address: 10.0.1.5}
",
            message: "site.yaml:8:20: BaremetalNode/a: data.primary_network: nodes have no \
                address on `service`, their primary network",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let interfaces = node.spec.interfaces.values();
        let networks =
            interfaces.flat_map(|interface| interface.networks.iter().map(String::as_str));
        let mut attached: HashSet<&str> = networks.collect();
        attached.extend(node.spec.oob.network.as_deref());
        for entry in node.spec.addressing.iter() {
            // A node without any interface leaves them to whoever installs it.
            if let Some(name) = &entry.network
                && !node.spec.interfaces.is_empty()
                && !attached.contains(name.as_str())
                && site.exists(Kind::Network, name)
            {
                let path = Path::of("addressing").entry(name).field("network");
                report.node(
                    node,
                    path,
                    format!("no interface of the node is in `{name}`"),
                );
            }
        }
        if let Some(primary) = node.spec.primary_network.as_deref() {
            let mut entries = node.spec.addressing.iter();
            let addressed = entries.any(|entry| entry.network.as_deref() == Some(primary));
            if !addressed && site.exists(Kind::Network, primary) {
                let message =
                    format!("nodes have no address on `{primary}`, their primary network");
                report.node(node, Path::of("primary_network"), message);
            }
        }
    }
}
