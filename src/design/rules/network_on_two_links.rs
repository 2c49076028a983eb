//! A network that more than one link carries, or none.

use std::collections::HashMap;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::document::Kind;
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "network_on_two_links",
    severity: Severity::Error,
    summary: "a network on two links, or on none",
    explanation: "A network is in the `allowed_networks` of one link: the link says which switch \
        ports and which MTU it has, and with two of them nobody knows which. A network that no link \
        carries is a warning: provisioners configure the networks of links, and never get to it.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/NetworkLink/v1
metadata: {name: front}
data: {trunking: {mode: 802.1q}, allowed_networks: [service]}
---
schema: drydock/NetworkLink/v1
metadata: {name: back}
data: {trunking: {mode: 802.1q}, allowed_networks: [service, storage]}
",
            passing: "schema: drydock/NetworkLink/v1
metadata: {name: front}
data: {trunking: {mode: 802.1q}, allowed_networks: [service]}
---
schema: drydock/NetworkLink/v1
metadata: {name: back}
data: {trunking: {mode: 802.1q}, allowed_networks: [storage]}
",
            message: "site.yaml:7:53: NetworkLink/back: data.allowed_networks[service]: `service` \
                is on link `front` already",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {allowed_networks: [service]}
",
            passing: "schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {allowed_networks: [storage]}
",
            message: "site.yaml:3:7: Network/storage: data: no link has this network in its \
                `allowed_networks`",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut first: HashMap<&str, &str> = HashMap::new();
    for link in &site.links {
        for name in &link.spec.allowed_networks {
            let known = *first.entry(name).or_insert(link.name);
            if known != link.name {
                let path = Path::of("allowed_networks").entry(name);
                let message = format!("`{name}` is on link `{known}` already");
                report.document(link.id, path, message);
            }
        }
    }
    // Without any link, or with one that cannot be read, there is nothing to miss it on.
    if site.links.is_empty() || site.has_broken(Kind::NetworkLink) {
        return;
    }
    for network in &site.networks {
        if !first.contains_key(network.name) {
            let message = "no link has this network in its `allowed_networks`";
            report.document_as(Severity::Warning, network.id, Path::body(), message);
        }
    }
}
