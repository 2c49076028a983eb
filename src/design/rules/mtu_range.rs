//! A largest packet that hardly any hardware carries.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "mtu_range",
    severity: Severity::Warning,
    summary: "an MTU of less than 1400 or more than 64000",
    explanation: "Ethernet carries 1500 bytes, jumbo frames 9000, and tunnels take some away. \
        Fewer than 1400 or more than 64000 are almost always a slip of the pen: a zero too many or \
        too few.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {mtu: 900}
",
        passing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {mtu: 9000}
",
        message: "site.yaml:3:13: NetworkLink/trunk: data.mtu: 900 is not between 1400 and 64000 \
            bytes",
    }],
    check,
};

/// Bytes.
const USUAL: std::ops::RangeInclusive<u32> = 1400..=64_000;

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let networks = site.networks.iter().map(|one| (one.id, one.spec.mtu));
    let links = site.links.iter().map(|one| (one.id, one.spec.mtu));
    for (id, mtu) in networks.chain(links) {
        if let Some(mtu) = mtu.filter(|mtu| !USUAL.contains(mtu)) {
            let (least, most) = (USUAL.start(), USUAL.end());
            let message = format!("{mtu} is not between {least} and {most} bytes");
            report.document(id, Path::of("mtu"), message);
        }
    }
}
