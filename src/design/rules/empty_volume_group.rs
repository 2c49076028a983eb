//! Volume groups without a physical volume.

use std::collections::BTreeSet;

use super::volumes::group_path;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;

pub(super) const RULE: Rule = Rule {
    code: "empty_volume_group",
    severity: Severity::Error,
    summary: "a volume group without space",
    explanation: "No disk and no partition of the host is in this volume group, so none of its \
        volumes can be made.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    volume_groups:
      log: {logical_volumes: [{name: l, size: 5g}]}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda: {volume_group: log}
    volume_groups:
      log: {logical_volumes: [{name: l, size: 5g}]}
",
        message: "site.yaml:6:12: BaremetalNode/a: data.storage.volume_groups.log: no disk and no \
            partition is in the volume group `log`",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let storage = &node.spec.storage;
        let filled: BTreeSet<&String> = storage
            .physical_devices
            .values()
            .flat_map(|disk| {
                let partitions = disk.partitions.iter();
                partitions
                    .filter_map(|partition| partition.volume_group.as_ref())
                    .chain(disk.volume_group.as_ref())
            })
            .collect();
        let groups = storage.volume_groups.keys();
        for group in groups.filter(|group| !filled.contains(group)) {
            let message = format!("no disk and no partition is in the volume group `{group}`");
            report.node(node, group_path(group), message);
        }
    }
}
