//! A range that ends before it starts.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::address::number;

pub(super) const RULE: Rule = Rule {
    code: "reversed_range",
    severity: Severity::Error,
    summary: "a range that ends before it starts",
    explanation: "The `end` of a range is a smaller address than its `start`, so there is no \
        address in it, and provisioners refuse it. Both ends belong to the range.",
    needed_by: need::NETWORKING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.100, end: 10.0.0.20}
",
        passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.100, end: 10.0.0.200}
",
        message: "site.yaml:6:46: Network/mgmt: data.ranges[0].end: 10.0.0.20 is before \
            10.0.0.100, where the range starts",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        for (at, range) in network.spec.ranges.iter().enumerate() {
            let (Some(start), Some(end)) = (range.start, range.end) else {
                continue;
            };
            // An end of the other family is outside of the network, which another rule reports.
            if start.is_ipv4() == end.is_ipv4() && number(end) < number(start) {
                let path = Path::of("ranges").index(at).field("end");
                let message = format!("{end} is before {start}, where the range starts");
                report.document(network.id, path, message);
            }
        }
    }
}
