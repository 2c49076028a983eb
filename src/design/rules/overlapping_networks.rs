//! Two networks that have addresses in common.

use std::collections::{HashMap, HashSet};

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::address::number;

pub(super) const RULE: Rule = Rule {
    code: "overlapping_networks",
    severity: Severity::Error,
    summary: "two networks with addresses in common",
    explanation: "An address in both networks is on neither for certain: routes and firewalls \
        choose by address, and a provisioner that knows each subnet once mixes the two up. It is an \
        error when one link carries both or a node is in both, because its kernel then sends the \
        packets of one network into the other. Else it is a warning: networks that never meet may \
        have the same addresses.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: site}
data: {cidr: 10.1.0.0/16}
---
schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.1.8.0/24}
",
            passing: "schema: drydock/Network/v1
metadata: {name: site}
data: {cidr: 10.1.0.0/16}
---
schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.2.8.0/24}
",
            message: "site.yaml:7:14: Network/storage: data.cidr: 10.1.8.0/24 overlaps \
                10.1.0.0/16 of `site`",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: service}
data: {cidr: 10.1.0.0/24, vlan: '10'}
---
schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.1.0.0/24, vlan: '20'}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q}
  allowed_networks: [service, storage]
",
            passing: "schema: drydock/Network/v1
metadata: {name: service}
data: {cidr: 10.1.0.0/24, vlan: '10'}
---
schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.1.1.0/24, vlan: '20'}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q}
  allowed_networks: [service, storage]
",
            message: "site.yaml:7:14: Network/storage: data.cidr: 10.1.0.0/24 overlaps \
                10.1.0.0/24 of `service`, and link `trunk` carries both",
        },
    ],
    check,
};

/// Overlaps that nodes are looked through for. More are not shown.
const MAX_OVERLAPS: usize = 100;

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let networks = site.networks.iter();
    let mut networks: Vec<_> = networks
        .filter_map(|network| Some((network, network.spec.cidr?)))
        .collect();
    networks.sort_by_key(|(network, cidr)| {
        let first = (cidr.address.is_ipv6(), number(cidr.first()));
        (first, cidr.prefix, network.id)
    });
    // Networks either are apart, or one holds the other: whoever reaches furthest is the one.
    let mut furthest = None;
    let mut overlaps = Vec::new();
    for (network, cidr) in networks {
        match furthest {
            Some((outer, reach)) if cidr.overlaps(reach) => overlaps.push((outer, network)),
            Some(_) | None => furthest = Some((network, cidr)),
        }
    }
    let shown = &overlaps[..overlaps.len().min(MAX_OVERLAPS)];
    let together = together(site, shown.iter().map(|(a, b)| (a.name, b.name)));
    for (outer, inner) in overlaps {
        // Reported at the later of the two documents.
        let (first, second) = if outer.id < inner.id {
            (outer, inner)
        } else {
            (inner, outer)
        };
        let (Some(theirs), Some(own)) = (first.spec.cidr, second.spec.cidr) else {
            continue;
        };
        let link = site.link_of(first.name).zip(site.link_of(second.name));
        let same_link = link.filter(|(first, second)| first.id == second.id);
        let node = together.get(&(outer.name, inner.name));
        let mut message = format!("{own} overlaps {theirs} of `{}`", first.name);
        let severity = if let Some((link, _)) = same_link {
            message.push_str(&format!(", and link `{}` carries both", link.name));
            Severity::Error
        } else if let Some(node) = node {
            message.push_str(&format!(", and node `{node}` is in both"));
            Severity::Error
        } else {
            Severity::Warning
        };
        report.document_as(severity, second.id, Path::of("cidr"), message);
    }
}

/// Of pairs of networks, those that a node has interfaces in, with the first such node.
fn together<'d>(
    site: &SiteView<'d>,
    pairs: impl Iterator<Item = (&'d str, &'d str)> + Clone,
) -> HashMap<(&'d str, &'d str), &'d str> {
    let mut together = HashMap::new();
    if pairs.clone().next().is_none() {
        return together;
    }
    let mut seen = HashSet::new();
    for node in &site.nodes {
        // Nodes of one profile share their interfaces.
        if !seen.insert(std::sync::Arc::as_ptr(&node.spec.interfaces)) {
            continue;
        }
        let interfaces = node.spec.interfaces.values();
        let networks: HashSet<&str> = interfaces
            .flat_map(|interface| interface.networks.iter().map(String::as_str))
            .collect();
        for (first, second) in pairs.clone() {
            if networks.contains(first) && networks.contains(second) {
                together.entry((first, second)).or_insert(node.name);
            }
        }
    }
    together
}
