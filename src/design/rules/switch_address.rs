//! Two switches that are managed at one address.

use std::collections::HashMap;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "switch_address",
    severity: Severity::Warning,
    summary: "two switches that are managed at one address",
    explanation: "Switches of different names have one `mgmt_ip`, most often because a rack was \
        copied. Whoever configures the one configures the other. A switch that stands in two racks \
        has the same name in both.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Rack/v1
metadata: {name: rack1}
data:
  tor_switches:
    rack1-a: {mgmt_ip: 10.0.0.11}
    rack1-b: {mgmt_ip: 10.0.0.11}
",
        passing: "schema: drydock/Rack/v1
metadata: {name: rack1}
data:
  tor_switches:
    rack1-a: {mgmt_ip: 10.0.0.11}
    rack1-b: {mgmt_ip: 10.0.0.12}
",
        message: "site.yaml:6:24: Rack/rack1: data.tor_switches.rack1-b.mgmt_ip: 10.0.0.11 is \
            that of switch `rack1-a` in rack `rack1`",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut first = HashMap::new();
    for rack in &site.racks {
        for (name, switch) in &rack.spec.tor_switches {
            let Some(address) = switch.mgmt_ip else {
                continue;
            };
            let (known, theirs) = *first.entry(address).or_insert((name, rack.name));
            if known != name {
                let path = Path::of("tor_switches").field(name).field("mgmt_ip");
                let message = format!("{address} is that of switch `{known}` in rack `{theirs}`");
                report.document(rack.id, path, message);
            }
        }
    }
}
