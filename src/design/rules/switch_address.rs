//! Two switches that are managed at one address.

use std::collections::HashMap;

use super::addresses::special;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "switch_address",
    severity: Severity::Warning,
    summary: "a switch whose address is another one's, or no host's",
    explanation: "Switches of different names have one `mgmt_ip`, most often because a rack was \
        copied. Whoever configures the one configures the other. A switch that stands in two racks \
        has the same name in both. An address that no host can have is reported, too.",
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
            let path = || Path::of("tor_switches").field(name).field("mgmt_ip");
            if let Some(what) = special(address) {
                report.document(rack.id, path(), format!("{address} is {what}"));
                continue;
            }
            let (known, theirs) = *first.entry(address).or_insert((name, rack.name));
            if known != name {
                let message = format!("{address} is that of switch `{known}` in rack `{theirs}`");
                report.document(rack.id, path(), message);
            }
        }
    }
}
