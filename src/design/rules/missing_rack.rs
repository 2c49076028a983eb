//! A rack that is named and does not exist.

use super::super::document::Kind;
use super::missing;
use super::{Example, Rule, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "missing_rack",
    severity: Severity::Warning,
    summary: "a rack that does not exist",
    explanation: "A node stands in a Rack that the design does not have. It can be selected by the \
        name of the rack, but not by its labels, and what is known of its switches and local \
        networks is not looked at. Correct the name, or add the Rack.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Rack/v1
metadata: {name: row1-07}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  metadata: {rack: row1-7}
",
        passing: "schema: drydock/Rack/v1
metadata: {name: row1-07}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  metadata: {rack: row1-07}
",
        message: "site.yaml:7:20: BaremetalNode/a: data.metadata.rack: no Rack is called \
            `row1-7`; is `row1-07` meant?",
    }],
    check: |site, report| {
        missing::report(site, report, Kind::Rack, |host, tell| {
            if let Some(name) = &host.metadata.rack {
                let path = || Path::of("metadata").field("rack");
                tell(Severity::Warning, name, &path);
            }
        });
    },
};
