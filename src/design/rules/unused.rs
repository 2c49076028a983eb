//! Networks, links and racks that no node uses.

use std::collections::HashSet;

use super::super::document::Kind;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const NETWORK: Rule = Rule {
    code: "unused_network",
    severity: Severity::Warning,
    summary: "a network that no node is in",
    explanation: "No node has an interface, an address or its controller in the network. Most \
        often a node or profile names another by mistake; a network that was given up can be \
        removed. Nothing is reported while there are no nodes, or some that cannot be read.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: old}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {addressing: []}
",
        passing: "schema: drydock/Network/v1
metadata: {name: old}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {addressing: [{network: old, address: 10.0.0.5}]}
",
        message: "site.yaml:3:7: Network/old: data: no node is in this network",
    }],
    check: networks,
};

pub(super) const LINK: Rule = Rule {
    code: "unused_link",
    severity: Severity::Warning,
    summary: "a link that no node is attached to",
    explanation: "No interface of a node names the link, and no node uses one of its networks, \
        as controllers do that have no interface here. Most often an interface names another link \
        by mistake. Nothing is reported while there are no nodes, or some that cannot be read.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/NetworkLink/v1
metadata: {name: old}
data: {mtu: 1500}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {interfaces: {}}
",
        passing: "schema: drydock/NetworkLink/v1
metadata: {name: old}
data: {mtu: 1500}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {interfaces: {eno1: {device_link: old, slaves: [eno1]}}}
",
        message: "site.yaml:3:7: NetworkLink/old: data: no node is attached to this link",
    }],
    check: links,
};

pub(super) const RACK: Rule = Rule {
    code: "unused_rack",
    severity: Severity::Warning,
    summary: "a rack that no node stands in",
    explanation: "No node has the rack in `metadata.rack`: nodes are missing from the design, or \
        name another rack by mistake. Nothing is reported while there are no nodes, or some that \
        cannot be read.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Rack/v1
metadata: {name: rack1}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {metadata: {}}
",
        passing: "schema: drydock/Rack/v1
metadata: {name: rack1}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {metadata: {rack: rack1}}
",
        message: "site.yaml:1: Rack/rack1: data: no node stands in this rack",
    }],
    check: racks,
};

/// Whether all nodes are known, so that what none of them uses is used by none.
fn nodes_are_whole(site: &SiteView<'_>) -> bool {
    !site.nodes.is_empty()
        && site.nodes.len() == site.node_documents.len()
        && !site.has_broken(Kind::BaremetalNode)
}

fn used_networks<'s>(site: &'s SiteView<'_>) -> HashSet<&'s str> {
    let mut used = HashSet::new();
    for node in &site.nodes {
        let interfaces = node.spec.interfaces.values();
        used.extend(interfaces.flat_map(|interface| interface.networks.iter().map(String::as_str)));
        let entries = node.spec.addressing.iter();
        used.extend(entries.filter_map(|entry| entry.network.as_deref()));
        used.extend(node.spec.oob.network.as_deref());
        used.extend(node.spec.primary_network.as_deref());
    }
    used
}

fn networks(site: &SiteView<'_>, report: &mut Report<'_>) {
    if !nodes_are_whole(site) {
        return;
    }
    let used = used_networks(site);
    for network in &site.networks {
        if !used.contains(network.name) {
            report.document(network.id, Path::body(), "no node is in this network");
        }
    }
}

fn links(site: &SiteView<'_>, report: &mut Report<'_>) {
    if !nodes_are_whole(site) {
        return;
    }
    let mut attached: HashSet<&str> = HashSet::new();
    for node in &site.nodes {
        let interfaces = node.spec.interfaces.values();
        attached.extend(interfaces.filter_map(|interface| interface.device_link.as_deref()));
    }
    let used = used_networks(site);
    for link in &site.links {
        let mut networks = link.spec.allowed_networks.iter();
        if !attached.contains(link.name) && !networks.any(|name| used.contains(name.as_str())) {
            report.document(link.id, Path::body(), "no node is attached to this link");
        }
    }
}

fn racks(site: &SiteView<'_>, report: &mut Report<'_>) {
    if !nodes_are_whole(site) {
        return;
    }
    let nodes = site.nodes.iter();
    let used: HashSet<&str> = nodes
        .filter_map(|node| node.spec.metadata.rack.as_deref())
        .collect();
    for rack in &site.racks {
        if !used.contains(rack.name) {
            report.document(rack.id, Path::body(), "no node stands in this rack");
        }
    }
}
