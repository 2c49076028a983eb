//! A node with two static addresses of one family on one network.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::host::Assignment;

pub(super) const RULE: Rule = Rule {
    code: "network_addressed_twice",
    severity: Severity::Warning,
    summary: "two addresses of a node on one network",
    explanation: "A node says twice what its address on a network is. Drivers take one of the two, \
        and not all of them the same. Remove the one that is out of date.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.5}
    - {network: mgmt, address: 10.0.0.6}
",
        passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.6}
",
        message: "site.yaml:9:7: BaremetalNode/a: data.addressing[mgmt]: `mgmt` is given both \
            10.0.0.5 and 10.0.0.6",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let mut first: HashMap<(&str, bool), IpAddr> = HashMap::new();
        for entry in node.spec.addressing.iter() {
            let (Some(name), Some(Assignment::Static(address))) = (&entry.network, entry.address)
            else {
                continue;
            };
            let known = *first.entry((name, address.is_ipv4())).or_insert(address);
            if known != address {
                let message = format!("`{name}` is given both {known} and {address}");
                report.node(node, Path::of("addressing").entry(name), message);
            }
        }
    }
}
