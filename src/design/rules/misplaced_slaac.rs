//! An address from the router, on a network whose routers give out none.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::host::Assignment;

pub(super) const RULE: Rule = Rule {
    code: "misplaced_slaac",
    severity: Severity::Error,
    summary: "`slaac` on an IPv4 network",
    explanation: "Only IPv6 routers announce addresses that hosts choose from, so the node would \
        never get one. Write an address of the network, or `dhcp`.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: slaac}
",
        passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 'fd00::/64'}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: slaac}
",
        message: "site.yaml:9:32: BaremetalNode/a: data.addressing[mgmt].address: `mgmt` is \
            10.0.0.0/24, and `slaac` is of IPv6 only",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        for entry in node.spec.addressing.iter() {
            let (Some(name), Some(Assignment::Slaac)) = (&entry.network, entry.address) else {
                continue;
            };
            let cidr = site.network(name).and_then(|network| network.spec.cidr);
            if let Some(cidr) = cidr.filter(|cidr| cidr.address.is_ipv4()) {
                let path = Path::of("addressing").entry(name).field("address");
                let message = format!("`{name}` is {cidr}, and `slaac` is of IPv6 only");
                report.node(node, path, message);
            }
        }
    }
}
