//! A link that is named and does not exist.

use super::super::document::Kind;
use super::missing;
use super::{Example, Rule, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "missing_link",
    severity: Severity::Error,
    summary: "a link that does not exist",
    explanation: "An interface names a NetworkLink in `device_link` that the design does not have, \
        so nobody knows whether it is a bond, nor which networks it may carry. Correct the name, or \
        add the link. It is a warning in a profile that gives it to no node.",
    needed_by: need::NETWORKING,
    examples: &[Example {
        failing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    bond0: {device_link: trunck, slaves: [eno1, eno2]}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {bonding: {mode: 802.3ad}}
",
        passing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    bond0: {device_link: trunk, slaves: [eno1, eno2]}
---
schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data: {bonding: {mode: 802.3ad}}
",
        message: "site.yaml:5:26: BaremetalNode/a: data.interfaces.bond0.device_link: no \
            NetworkLink is called `trunck`; is `trunk` meant?",
    }],
    check: |site, report| {
        missing::report(site, report, Kind::NetworkLink, |host, tell| {
            for (interface, spec) in host.interfaces.iter() {
                if let Some(name) = &spec.device_link {
                    let path = || {
                        let interface = Path::of("interfaces").field(interface);
                        interface.field("device_link")
                    };
                    tell(Severity::Error, name, &path);
                }
            }
        });
    },
};
