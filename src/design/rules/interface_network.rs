//! An interface in a network that its link does not carry.

use std::collections::HashSet;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::document::Kind;
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "interface_network",
    severity: Severity::Error,
    summary: "an interface in a network that its link does not carry",
    explanation: "The networks of an interface are among the `allowed_networks` of the link that \
        it is attached to: the switch drops the frames of all others. Add the network to the link, \
        or move it to the interface of the right link. An interface without a `device_link` can be \
        in no network at all.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {allowed_networks: [service]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: trunk, networks: [storage]}
",
            passing: "schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {allowed_networks: [service, storage]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: trunk, networks: [storage]}
",
            message: "site.yaml:13:43: BaremetalNode/a: data.interfaces.eno1.networks[storage]: \
                link `trunk` does not carry `storage`",
        },
        Example {
            failing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {networks: [storage]}
",
            passing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: trunk, networks: [storage]}
",
            message: "site.yaml:5:11: BaremetalNode/a: data.interfaces.eno1: `eno1` is attached \
                to no link",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let links = site.links.iter();
    let carried: HashSet<(&str, &str)> = links
        .flat_map(|link| {
            link.spec
                .allowed_networks
                .iter()
                .map(|name| (link.name, name.as_str()))
        })
        .collect();
    for node in &site.nodes {
        for (name, interface) in node.spec.interfaces.iter() {
            let path = || Path::of("interfaces").field(name);
            let Some(link) = &interface.device_link else {
                let path = Path::of("interfaces").field(name);
                report.node(node, path, format!("`{name}` is attached to no link"));
                continue;
            };
            // A link that does not exist or cannot be read is reported as that.
            if site.link(link).is_none() {
                continue;
            }
            for network in &interface.networks {
                if !carried.contains(&(link.as_str(), network.as_str()))
                    && site.exists(Kind::Network, network)
                {
                    let path = path().field("networks").entry(network);
                    let message = format!("link `{link}` does not carry `{network}`");
                    report.node(node, path, message);
                }
            }
        }
    }
}
