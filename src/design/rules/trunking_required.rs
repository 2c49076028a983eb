//! Several networks on a link that carries one.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::link::TrunkingMode;

pub(super) const RULE: Rule = Rule {
    code: "trunking_required",
    severity: Severity::Error,
    summary: "several networks on a link without trunking",
    explanation: "Frames of more than one network are told apart by VLAN tags, so a link with more \
        than one entry in `allowed_networks` has `trunking.mode: 802.1q`. Without it, all but the \
        default network cannot be reached.",
    needed_by: need::NETWORKING,
    examples: &[Example {
        failing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: disabled, default_network: service}
  allowed_networks: [service, storage]
",
        passing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  trunking: {mode: 802.1q, default_network: service}
  allowed_networks: [service, storage]
",
        message: "site.yaml:4:20: NetworkLink/trunk: data.trunking.mode: a link of 2 networks \
            needs the mode `802.1q`",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for link in &site.links {
        let count = link.spec.allowed_networks.len();
        if count > 1 && untrunked(site, link) {
            let path = Path::of("trunking").field("mode");
            let message = format!("a link of {count} networks needs the mode `802.1q`");
            report.document(link.id, path, message);
        }
    }
}

/// Whether a link says, or leaves it at, that it is not trunked.
pub(super) fn untrunked(
    site: &SiteView<'_>,
    link: &super::view::Typed<'_, crate::domain::site::NetworkLink>,
) -> bool {
    match link.spec.trunking.mode {
        Some(TrunkingMode::Tagged) => false,
        Some(TrunkingMode::Disabled) => true,
        // A mode that could not be read was reported, and may be any.
        None => {
            let document = site.documents.get(link.id);
            let trunking = document.and_then(|document| document.body.get("trunking"));
            trunking.and_then(|trunking| trunking.get("mode")).is_none()
        }
    }
}
