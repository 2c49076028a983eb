//! A network whose packets do not fit its link.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "mtu_over_link",
    severity: Severity::Error,
    summary: "a network whose packets are larger than its link carries",
    explanation: "The MTU of a network is at most that of the link it is on, which is 1500 bytes \
        where the link says nothing. The kernel refuses a larger one for a VLAN, and the switch \
        drops the packets: connections open, and hang with the first large answer.",
    needed_by: need::NETWORKING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.0.0/24, vlan: '20', mtu: 9000}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  mtu: 1500
  trunking: {mode: 802.1q}
  allowed_networks: [storage]
",
        passing: "schema: drydock/Network/v1
metadata: {name: storage}
data: {cidr: 10.0.0.0/24, vlan: '20', mtu: 9000}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  mtu: 9000
  trunking: {mode: 802.1q}
  allowed_networks: [storage]
",
        message: "site.yaml:3:44: Network/storage: data.mtu: 9000 is more than the 1500 of link \
            `trunk`",
    }],
    check,
};

/// Bytes, of a link that does not say its own.
const DEFAULT: u32 = 1500;

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for link in &site.links {
        let document = site.documents.get(link.id);
        let said = document.is_some_and(|document| document.body.contains_key("mtu"));
        let (limit, why) = match link.spec.mtu {
            Some(mtu) => (mtu, ""),
            // What could not be read was reported, and may be anything.
            None if said => continue,
            None => (DEFAULT, ", which says none"),
        };
        for name in &link.spec.allowed_networks {
            let Some(network) = site.network(name) else {
                continue;
            };
            if let Some(mtu) = network.spec.mtu.filter(|mtu| *mtu > limit) {
                let message = format!(
                    "{mtu} is more than the {limit} of link `{}`{why}",
                    link.name
                );
                report.document(network.id, Path::of("mtu"), message);
            }
        }
    }
}
