//! A speed that no port has.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "link_speed",
    severity: Severity::Warning,
    summary: "a link speed of an unknown form",
    explanation: "`linkspeed` is `auto`, or megabits per second and the duplex: `100full`, \
        `10half`, `25000full`. Anything else is left to the driver to guess.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {linkspeed: full}
",
        passing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {linkspeed: 10000full}
",
        message: "site.yaml:3:19: NetworkLink/trunk: data.linkspeed: the speed is neither `auto` \
            nor of the form `100full`",
    }],
    check,
};

/// Megabits per second.
const SPEEDS: [&str; 12] = [
    "10", "100", "1000", "2500", "5000", "10000", "20000", "25000", "40000", "50000", "100000",
    "200000",
];

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for link in &site.links {
        let Some(speed) = &link.spec.linkspeed else {
            continue;
        };
        let number = speed.strip_suffix("full").or(speed.strip_suffix("half"));
        if speed != "auto" && !number.is_some_and(|number| SPEEDS.contains(&number)) {
            let message = "the speed is neither `auto` nor of the form `100full`";
            report.document(link.id, Path::of("linkspeed"), message);
        }
    }
}
