//! A hardware profile that is named and does not exist.

use super::super::document::Kind;
use super::missing;
use super::{Example, Rule, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "missing_hardware_profile",
    severity: Severity::Error,
    summary: "a hardware profile that does not exist",
    explanation: "A node or host profile names a HardwareProfile that the design does not have, so \
        the aliases of its devices mean nothing. Correct the name, or add the profile. It is a \
        warning in a host profile that gives it to no node.",
    needed_by: need::NETWORKING,
    examples: &[Example {
        failing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  hardware_profile: gen9
",
        passing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  hardware_profile: gen9
---
schema: drydock/HardwareProfile/v1
metadata: {name: gen9}
data: {vendor: Example}
",
        message: "site.yaml:4:21: BaremetalNode/a: data.hardware_profile: no HardwareProfile is \
            called `gen9`",
    }],
    check: |site, report| {
        missing::report(site, report, Kind::HardwareProfile, |host, tell| {
            if let Some(name) = host.hardware_profile.as_deref() {
                tell(Severity::Error, name, &|| Path::of("hardware_profile"));
            }
        });
    },
};
