//! Networks of one trunked link that cannot be told apart.

use std::collections::HashMap;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::link::TrunkingMode;

pub(super) const RULE: Rule = Rule {
    code: "link_vlans",
    severity: Severity::Error,
    summary: "networks of a link that cannot be told apart",
    explanation: "On a trunked link each network has a `vlan` of its own; only the \
        `default_network` may go without one. Two networks with one tag, or a second one without a \
        tag, are one network to the switch.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: service}
data: {cidr: 10.0.0.0/24, vlan: '20'}
---
schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.1.0/24, vlan: '20'}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q}
  allowed_networks: [service, storage]
",
            passing: "schema: drydock/Network/v1
metadata: {name: service}
data: {cidr: 10.0.0.0/24, vlan: '20'}
---
schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.1.0/24, vlan: '30'}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q}
  allowed_networks: [service, storage]
",
            message: "site.yaml:7:33: Network/storage: data.vlan: 20 is the VLAN of `service`, \
                too, on link `trunk`",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: service}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q}
  allowed_networks: [service]
",
            passing: "schema: drydock/Network/v1
metadata: {name: service}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q, default_network: service}
  allowed_networks: [service]
",
            message: "site.yaml:9:22: NetworkLink/trunk: data.allowed_networks[service]: \
                `service` has no VLAN, and is not the default network of this trunked link",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for link in &site.links {
        if link.spec.trunking.mode != Some(TrunkingMode::Tagged) {
            continue;
        }
        let mut first: HashMap<u16, &str> = HashMap::new();
        for name in &link.spec.allowed_networks {
            let Some(network) = site.network(name) else {
                continue;
            };
            let document = site.documents.get(network.id);
            let said = document.is_some_and(|document| document.body.contains_key("vlan"));
            if let Some(vlan) = network.spec.vlan {
                let known = *first.entry(vlan).or_insert(name);
                if known != name {
                    let message = format!(
                        "{vlan} is the VLAN of `{known}`, too, on link `{}`",
                        link.name
                    );
                    report.document(network.id, Path::of("vlan"), message);
                }
            } else if !said && link.spec.trunking.default_network.as_ref() != Some(name) {
                let path = Path::of("allowed_networks").entry(name);
                let message = format!(
                    "`{name}` has no VLAN, and is not the default network of this trunked link"
                );
                report.document(link.id, path, message);
            }
        }
    }
}
