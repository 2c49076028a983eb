//! Platforms without an image or a kernel.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "empty_platform",
    severity: Severity::Error,
    summary: "an image or kernel without a name",
    explanation: "`image` or `kernel` is there and empty: the provisioner would be asked for an \
        operating system of no name. Leave the field out for what the provisioner takes by itself.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  platform: {image: '', kernel: ga-24.04}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  platform: {image: noble, kernel: ga-24.04}
",
        message: "site.yaml:4:21: BaremetalNode/a: data.platform.image: `image` is empty",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let platform = &node.spec.platform;
        for (field, value) in [("image", &platform.image), ("kernel", &platform.kernel)] {
            if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
                let path = Path::of("platform").field(field);
                report.node(node, path, format!("`{field}` is empty"));
            }
        }
    }
}
