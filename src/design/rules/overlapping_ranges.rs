//! Two ranges of a network that have addresses in common.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::address::number;
use crate::domain::site::network::RangeKind;

pub(super) const RULE: Rule = Rule {
    code: "overlapping_ranges",
    severity: Severity::Error,
    summary: "two ranges with addresses in common",
    explanation: "An address that is in a `dhcp` range and in another one is handed out to a \
        stranger while a node has it, or is meant not to be used. Provisioners refuse such ranges. \
        Ranges of which none is `dhcp` are a warning: nobody hands out their addresses.",
    needed_by: need::NETWORKING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.10, end: 10.0.0.100}
    - {type: dhcp, start: 10.0.0.100, end: 10.0.0.200}
",
        passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.10, end: 10.0.0.99}
    - {type: dhcp, start: 10.0.0.100, end: 10.0.0.200}
",
        message: "site.yaml:7:27: Network/mgmt: data.ranges[1].start: the range from 10.0.0.100 \
            overlaps `ranges[0]`, 10.0.0.10 to 10.0.0.100",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        let ranges = network.spec.ranges.iter().enumerate();
        let mut ranges: Vec<_> = ranges
            .filter_map(|(at, range)| Some((range.start?, range.end?, at, range.kind)))
            .filter(|(start, end, _, _)| {
                start.is_ipv4() == end.is_ipv4() && number(*start) <= number(*end)
            })
            .collect();
        ranges.sort_by_key(|(start, _, at, _)| (start.is_ipv6(), number(*start), *at));
        let mut ranges = ranges.into_iter();
        let Some(mut furthest) = ranges.next() else {
            continue;
        };
        for range in ranges {
            let (start, end, at, kind) = range;
            let (their_start, their_end, their_at, their_kind) = furthest;
            if start.is_ipv4() == their_end.is_ipv4() && number(start) <= number(their_end) {
                let dhcp = Some(RangeKind::Dhcp);
                let severity = if kind == dhcp || their_kind == dhcp {
                    Severity::Error
                } else {
                    Severity::Warning
                };
                // Reported at the later of the two, as the line that was added last.
                let ((own_at, own), (other_at, other)) = if their_at < at {
                    ((at, start), (their_at, (their_start, their_end)))
                } else {
                    ((their_at, their_start), (at, (start, end)))
                };
                let path = Path::of("ranges").index(own_at).field("start");
                let message = format!(
                    "the range from {own} overlaps `ranges[{other_at}]`, {} to {}",
                    other.0, other.1
                );
                report.document_as(severity, network.id, path, message);
            }
            let further = start.is_ipv4() != their_end.is_ipv4() || number(end) > number(their_end);
            if further {
                furthest = range;
            }
        }
    }
}
