//! A node in a network that exists in other racks only.

use std::collections::{HashMap, HashSet};

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "network_of_other_rack",
    severity: Severity::Warning,
    summary: "a node in a network of another rack",
    explanation: "The `local_networks` of a rack exist in that rack only. The node stands in \
        another one, whose list does not have the network, so no switch port there carries it. It \
        is a warning because nothing else is configured by these lists.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Rack/v1
metadata: {name: rack1}
data: {local_networks: [pxe1]}
---
schema: drydock/Rack/v1
metadata: {name: rack2}
data: {local_networks: [pxe2]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: pxe, networks: [pxe2]}
  metadata: {rack: rack1}
",
        passing: "schema: drydock/Rack/v1
metadata: {name: rack1}
data: {local_networks: [pxe1]}
---
schema: drydock/Rack/v1
metadata: {name: rack2}
data: {local_networks: [pxe2]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: pxe, networks: [pxe1]}
  metadata: {rack: rack1}
",
        message: "site.yaml:13:41: BaremetalNode/a: data.interfaces.eno1.networks[pxe2]: `pxe2` \
            is local to rack `rack2`, and nodes of rack `rack1` are in it",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut local: HashSet<(&str, &str)> = HashSet::new();
    let mut first: HashMap<&str, &str> = HashMap::new();
    for rack in &site.racks {
        for network in &rack.spec.local_networks {
            local.insert((rack.name, network));
            first.entry(network).or_insert(rack.name);
        }
    }
    for node in &site.nodes {
        let rack = node.spec.metadata.rack.as_deref();
        let Some(rack) = rack.and_then(|rack| site.rack(rack)) else {
            continue;
        };
        for (name, interface) in node.spec.interfaces.iter() {
            for network in &interface.networks {
                let Some(other) = first.get(network.as_str()) else {
                    continue;
                };
                if !local.contains(&(rack.name, network.as_str())) {
                    let path = Path::of("interfaces").field(name).field("networks");
                    let message = format!(
                        "`{network}` is local to rack `{other}`, and nodes of rack `{}` are in it",
                        rack.name
                    );
                    report.node(node, path.entry(network), message);
                }
            }
        }
    }
}
