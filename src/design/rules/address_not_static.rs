//! A static address that is in none of the static ranges of its network.

use super::addresses::{PerNetwork, Spans, of_no_host, statics};
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::network::RangeKind;

pub(super) const RULE: Rule = Rule {
    code: "address_not_static",
    severity: Severity::Error,
    summary: "a static address outside of the static ranges",
    explanation: "An address in a `dhcp` range is handed out to another machine as well, and \
        provisioners refuse it for a node: that is an error. An address in a `reserved` range, or in \
        none of the `static` ranges of a network that has some, is a warning: whoever reads the \
        network takes it to be free, or kept for something else.",
    needed_by: need::DEPLOYMENT,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: dhcp, start: 10.0.0.100, end: 10.0.0.200}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.150}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: dhcp, start: 10.0.0.100, end: 10.0.0.200}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.50}
",
            message: "site.yaml:12:32: BaremetalNode/a: data.addressing[mgmt].address: 10.0.0.150 \
                is in a DHCP range of `mgmt`, which hands it out",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.10, end: 10.0.0.20}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.21}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.10, end: 10.0.0.20}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.20}
",
            message: "site.yaml:12:32: BaremetalNode/a: data.addressing[mgmt].address: 10.0.0.21 \
                is in no static range of `mgmt`",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let uses = PerNetwork::new(site, |network| {
        let gateways: Vec<_> = network
            .routes
            .iter()
            .filter_map(|route| route.gateway)
            .collect();
        let spans = |kind| Spans::of(network, &[kind]);
        (
            spans(RangeKind::Dhcp),
            spans(RangeKind::Reserved),
            spans(RangeKind::Static),
            gateways,
        )
    });
    for one in statics(site) {
        let (name, address) = (one.network.name, one.address);
        let cidr = one.network.spec.cidr;
        // Other rules report an address that no node can have.
        let Some(cidr) = cidr.filter(|cidr| cidr.contains(address)) else {
            continue;
        };
        let Some((dhcp, reserved, statics, gateways)) = uses.get(one.network) else {
            continue;
        };
        if of_no_host(cidr, address).is_some() || gateways.contains(&address) {
            continue;
        }
        let (severity, message) = if dhcp.contains(address) {
            let message = format!("{address} is in a DHCP range of `{name}`, which hands it out");
            (Severity::Error, message)
        } else if reserved.contains(address) {
            let message = format!("{address} is in a reserved range of `{name}`");
            (Severity::Warning, message)
        } else if !statics.is_empty() && !statics.contains(address) {
            let message = format!("{address} is in no static range of `{name}`");
            (Severity::Warning, message)
        } else {
            continue;
        };
        let path = Path::of("addressing").entry(name).field("address");
        report.node_as(severity, one.node, path, message);
    }
}
