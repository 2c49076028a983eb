//! Two file systems at one place.

use std::collections::HashMap;

use super::volumes::volumes;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;

pub(super) const RULE: Rule = Rule {
    code: "duplicate_mountpoint",
    severity: Severity::Error,
    summary: "two file systems that are mounted at one place",
    explanation: "The later one hides the earlier one, or the host does not come up.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda:
        partitions:
          - {name: p, size: 50g, filesystem: {mountpoint: /}}
          - {name: q, size: 50g, filesystem: {mountpoint: /}}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda:
        partitions:
          - {name: p, size: 50g, filesystem: {mountpoint: /}}
          - {name: q, size: 50g, filesystem: {mountpoint: /srv}}
",
        message: "site.yaml:9:59: BaremetalNode/a: \
            data.storage.physical_devices.sda.partitions[q].filesystem.mountpoint: partition `p` \
            of `sda` is mounted at `/`, too",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let mut taken = HashMap::new();
        for volume in volumes(&node.spec.storage) {
            let Some(mountpoint) = volume.filesystem.and_then(|one| one.mountpoint.as_deref())
            else {
                continue;
            };
            if !mountpoint.starts_with('/') {
                continue;
            }
            let path = volume.path.clone().field("filesystem").field("mountpoint");
            if let Some(title) = taken.get(mountpoint) {
                let message = format!("{title} is mounted at `{mountpoint}`, too");
                report.node(node, path, message);
            } else {
                taken.insert(mountpoint, volume.title);
            }
        }
    }
}
