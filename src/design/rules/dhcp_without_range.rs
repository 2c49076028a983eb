//! Addresses by DHCP on a network that has none to hand out, or too few.

use std::collections::BTreeMap;

use super::addresses::Spans;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::host::Assignment;
use crate::domain::site::network::RangeKind;

pub(super) const RULE: Rule = Rule {
    code: "dhcp_without_range",
    severity: Severity::Warning,
    summary: "more addresses by DHCP than a network hands out",
    explanation: "Nodes get their address on a network by DHCP, but the network has no `dhcp` \
        range, or fewer addresses in it than there are such nodes. It is a warning because a server \
        that the design does not describe may hand out others, and nodes need not be up at once.",
    needed_by: need::NOTHING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: pxe, address: dhcp}
",
            passing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: dhcp, start: 10.0.0.100, end: 10.0.0.200}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: pxe, address: dhcp}
",
            message: "site.yaml:3:1: Network/pxe: data.ranges: 1 node gets its address here by \
                DHCP, and no range is `dhcp`",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: dhcp, start: 10.0.0.100, end: 10.0.0.100}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {addressing: [{network: pxe, address: dhcp}]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: b}
data: {addressing: [{network: pxe, address: dhcp}]}
",
            passing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: dhcp, start: 10.0.0.100, end: 10.0.0.101}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {addressing: [{network: pxe, address: dhcp}]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: b}
data: {addressing: [{network: pxe, address: dhcp}]}
",
            message: "site.yaml:5:3: Network/pxe: data.ranges: 2 nodes get their address here by \
                DHCP, and there are 1 to hand out",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &site.nodes {
        for entry in node.spec.addressing.iter() {
            if let (Some(network), Some(Assignment::Dhcp)) = (&entry.network, entry.address) {
                *wanted.entry(network).or_default() += 1;
            }
        }
    }
    for (name, count) in wanted {
        let Some(network) = site.network(name) else {
            continue;
        };
        // A range with an end that could not be read has addresses all the same.
        let ranges = network.spec.ranges.iter();
        let unread = ranges
            .filter(|range| range.kind.is_none_or(|kind| kind == RangeKind::Dhcp))
            .any(|range| range.kind.is_none() || range.start.is_none() || range.end.is_none());
        let (Some(_), false) = (network.spec.cidr, unread) else {
            continue;
        };
        let range = Spans::of(&network.spec, &[RangeKind::Dhcp]);
        let has = range.count();
        let nodes = if count == 1 {
            "1 node gets its"
        } else {
            "nodes get their"
        };
        let who = if count == 1 {
            nodes.to_owned()
        } else {
            format!("{count} {nodes}")
        };
        if range.is_empty() {
            let message = format!("{who} address here by DHCP, and no range is `dhcp`");
            report.document(network.id, Path::of("ranges"), message);
        } else if u128::try_from(count).is_ok_and(|count| count > has) {
            let message = format!("{who} address here by DHCP, and there are {has} to hand out");
            report.document(network.id, Path::of("ranges"), message);
        }
    }
}
