//! A range with addresses that its network does not have.

use super::addresses::of_no_host;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "range_outside_network",
    severity: Severity::Error,
    summary: "a range with addresses that its network does not have",
    explanation: "The `start` or the `end` of a range is outside of the `cidr` of the network. \
        Provisioners refuse such a range. An end that is the network's own or its broadcast address \
        is a warning: no host can have that one.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.10, end: 10.0.1.99}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.10, end: 10.0.0.99}
",
            message: "site.yaml:6:45: Network/mgmt: data.ranges[0].end: 10.0.1.99 is not in \
                10.0.0.0/24",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: dhcp, start: 10.0.0.128, end: 10.0.0.255}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: dhcp, start: 10.0.0.128, end: 10.0.0.254}
",
            message: "site.yaml:6:44: Network/mgmt: data.ranges[0].end: 10.0.0.255 is the \
                broadcast address of 10.0.0.0/24, which no host can have",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        let Some(cidr) = network.spec.cidr else {
            continue;
        };
        for (at, range) in network.spec.ranges.iter().enumerate() {
            for (field, address) in [("start", range.start), ("end", range.end)] {
                let Some(address) = address else {
                    continue;
                };
                let path = || Path::of("ranges").index(at).field(field);
                if !cidr.contains(address) {
                    let message = format!("{address} is not in {cidr}");
                    report.document(network.id, path(), message);
                } else if let Some(what) = of_no_host(cidr, address)
                    // Keeping it from being used is no mistake.
                    && range.kind != Some(crate::domain::site::network::RangeKind::Reserved)
                {
                    let message = format!("{address} is {what} of {cidr}, which no host can have");
                    report.document_as(Severity::Warning, network.id, path(), message);
                }
            }
        }
    }
}
