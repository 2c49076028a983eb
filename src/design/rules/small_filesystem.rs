//! Root and boot file systems that an operating system soon fills.

use super::volumes::volumes;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::domain::site::size::Amount;

/// What a file system at a path should have at least, in bytes.
const LEAST: [(&str, u64, &str); 2] =
    [("/", 20_000_000_000, "20g"), ("/boot", 1_000_000_000, "1g")];

pub(super) const RULE: Rule = Rule {
    code: "small_filesystem",
    severity: Severity::Warning,
    summary: "a root or boot file system that is too small",
    explanation: "A root of less than 20 GB or a `/boot` of less than 1 GB is full after some \
        upgrades. It is a warning because a small image fits into less.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda:
        partitions:
          - {name: p, size: 5g, filesystem: {mountpoint: /}}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda:
        partitions:
          - {name: p, size: 20g, filesystem: {mountpoint: /}}
",
        message: "site.yaml:8:29: BaremetalNode/a: \
            data.storage.physical_devices.sda.partitions[p].size: 5g are less than the 20g that \
            `/` should have",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        for volume in volumes(&node.spec.storage) {
            let mountpoint = volume.filesystem.and_then(|one| one.mountpoint.as_deref());
            let least = LEAST.iter().find(|(path, ..)| Some(*path) == mountpoint);
            if let (Some((path, least, shown)), Some(size)) = (least, volume.size)
                && let Amount::Bytes(bytes) = size.amount
                && bytes > 0
                && bytes < *least
            {
                let message = format!("{size} are less than the {shown} that `{path}` should have");
                report.node(node, volume.path.field("size"), message);
            }
        }
    }
}
