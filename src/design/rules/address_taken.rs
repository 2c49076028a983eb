//! A node with the address of a gateway, switch, relay or name server.

use super::addresses::{Holder, fixed, statics};
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "address_taken",
    severity: Severity::Error,
    summary: "a node with the address of a gateway or switch",
    explanation: "A node has the address that a route names as its gateway, or that a switch is \
        managed at. While the node is up, the whole network loses its gateway, or gets the node for \
        it. The address of a DHCP relay or name server is a warning: a node may be that.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: 0.0.0.0/0, gateway: 10.0.0.1}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.1}
",
        passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: 0.0.0.0/0, gateway: 10.0.0.1}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.2}
",
        message: "site.yaml:12:32: BaremetalNode/a: data.addressing[mgmt].address: 10.0.0.1 is \
            the address of a gateway of network `mgmt`",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let fixed = fixed(site);
    for one in statics(site) {
        let Some(holder) = fixed.get(&one.address) else {
            continue;
        };
        let severity = match holder.holder {
            Holder::Gateway | Holder::Switch => Severity::Error,
            Holder::Relay | Holder::NameServer => Severity::Warning,
        };
        let path = Path::of("addressing")
            .entry(one.network.name)
            .field("address");
        let message = format!("{} is the address of {}", one.address, holder.described());
        report.node_as(severity, one.node, path, message);
    }
}
