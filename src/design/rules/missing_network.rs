//! A network that is named and does not exist.

use super::super::document::Kind;
use super::missing::{self, Names, Tell};
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::HostSpec;

pub(super) const RULE: Rule = Rule {
    code: "missing_network",
    severity: Severity::Error,
    summary: "a network that does not exist",
    explanation: "A node, a profile or a link names a Network that the design does not have, so \
        nobody knows its addresses and its VLAN. Correct the name, or add the Network. It is a \
        warning where nothing is configured by it: in the `local_networks` of a rack, in a profile \
        that gives it to no node, and as the out-of-band network of a controller whose `address` \
        is given.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgnt, address: 10.0.0.5}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.5}
",
            message: "site.yaml:9:17: BaremetalNode/a: data.addressing[mgnt].network: no Network \
                is called `mgnt`; is `mgmt` meant?",
        },
        Example {
            failing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q}
  allowed_networks: [service]
",
            passing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q}
  allowed_networks: [service]
---
schema: drydock/Network/v1
metadata: {name: service}
data: {cidr: 10.0.0.0/24, vlan: '10'}
",
            message: "site.yaml:5:22: NetworkLink/trunk: data.allowed_networks[service]: no \
                Network is called `service`",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    missing::report(site, report, Kind::Network, mentions);
    let mut names = Names::new(site, Kind::Network);
    for link in &site.links {
        for name in &link.spec.allowed_networks {
            if let Some(message) = names.missing(name) {
                report.document(link.id, Path::of("allowed_networks").entry(name), message);
            }
        }
        if let Some(name) = &link.spec.trunking.default_network
            && let Some(message) = names.missing(name)
        {
            let path = Path::of("trunking").field("default_network");
            report.document(link.id, path, message);
        }
    }
    for rack in &site.racks {
        for name in &rack.spec.local_networks {
            if let Some(message) = names.missing(name) {
                let path = Path::of("local_networks").entry(name);
                report.document_as(Severity::Warning, rack.id, path, message);
            }
        }
    }
}

fn mentions(host: &HostSpec, tell: &mut Tell<'_>) {
    for name in host
        .addressing
        .iter()
        .filter_map(|entry| entry.network.as_deref())
    {
        let path = || Path::of("addressing").entry(name).field("network");
        tell(Severity::Error, name, &path);
    }
    for (interface, spec) in host.interfaces.iter() {
        for name in &spec.networks {
            let path = || {
                let networks = Path::of("interfaces").field(interface).field("networks");
                networks.entry(name)
            };
            tell(Severity::Error, name, &path);
        }
    }
    if let Some(name) = host.primary_network.as_deref() {
        tell(Severity::Error, name, &|| Path::of("primary_network"));
    }
    if let Some(name) = host.oob.network.as_deref() {
        let severity = match host.oob.address {
            Some(_) => Severity::Warning,
            None => Severity::Error,
        };
        tell(severity, name, &|| Path::of("oob").field("network"));
    }
}
