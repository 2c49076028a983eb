//! The network of frames without a tag: there is one where it is needed, and it fits its link.

use super::trunking_required::untrunked;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::document::Kind;
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "default_network",
    severity: Severity::Error,
    summary: "a default network that is absent, or does not fit its link",
    explanation: "`trunking.default_network` names the network of frames without a VLAN tag. A \
        link without trunking carries no other, so it has one, and that network has no `vlan`: \
        nobody would tag its frames. On every link it is one of the `allowed_networks`.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/NetworkLink/v1
metadata: {name: pxe}
data:
  trunking: {mode: disabled}
  allowed_networks: [pxe]
",
            passing: "schema: drydock/NetworkLink/v1
metadata: {name: pxe}
data:
  trunking: {mode: disabled, default_network: pxe}
  allowed_networks: [pxe]
",
            message: "site.yaml:4:13: NetworkLink/pxe: data.trunking.default_network: a link \
                without trunking needs a default network, the one it carries",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: pxe}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q, default_network: pxe}
  allowed_networks: [service, storage]
",
            passing: "schema: drydock/Network/v1
metadata: {name: pxe}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q, default_network: pxe}
  allowed_networks: [pxe, service, storage]
",
            message: "site.yaml:8:45: NetworkLink/trunk: data.trunking.default_network: `pxe` is \
                none of the link's `allowed_networks`",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: pxe}
data: {cidr: 10.0.0.0/24, vlan: '30'}
---
schema: drydock/NetworkLink/v1
metadata: {name: pxe}
data:
  trunking: {mode: disabled, default_network: pxe}
  allowed_networks: [pxe]
",
            passing: "schema: drydock/Network/v1
metadata: {name: pxe}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/NetworkLink/v1
metadata: {name: pxe}
data:
  trunking: {mode: disabled, default_network: pxe}
  allowed_networks: [pxe]
",
            message: "site.yaml:8:47: NetworkLink/pxe: data.trunking.default_network: `pxe` has \
                VLAN 30, and a link without trunking has no tags",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for link in &site.links {
        let allowed = &link.spec.allowed_networks;
        let untrunked = untrunked(site, link);
        let path = || Path::of("trunking").field("default_network");
        let Some(name) = &link.spec.trunking.default_network else {
            if untrunked && !allowed.is_empty() {
                let message = "a link without trunking needs a default network, the one it carries";
                report.document(link.id, path(), message);
            }
            continue;
        };
        // One that does not exist is reported as that.
        if !allowed.contains(name) && site.exists(Kind::Network, name) {
            let message = format!("`{name}` is none of the link's `allowed_networks`");
            report.document(link.id, path(), message);
        }
        let vlan = site.network(name).and_then(|network| network.spec.vlan);
        if let Some(vlan) = vlan.filter(|_| untrunked) {
            let message =
                format!("`{name}` has VLAN {vlan}, and a link without trunking has no tags");
            report.document(link.id, path(), message);
        }
    }
}
