//! Disks and partitions in a volume group that the host does not have.

use super::volumes::{device_path, partition_path};
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;

pub(super) const RULE: Rule = Rule {
    code: "missing_volume_group",
    severity: Severity::Error,
    summary: "a volume group that does not exist",
    explanation: "A disk or partition is put into a volume group that `volume_groups` of the host \
        does not have, so the space is in no volume.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda: {volume_group: logs}
    volume_groups:
      log: {logical_volumes: []}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda: {volume_group: log}
    volume_groups:
      log: {logical_volumes: []}
",
        message: "site.yaml:6:27: BaremetalNode/a: data.storage.physical_devices.sda.volume_group: \
            the host has no volume group `logs`",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let storage = &node.spec.storage;
        let missing = |group: &Option<String>| {
            let group = group.as_ref()?;
            (!storage.volume_groups.contains_key(group))
                .then(|| format!("the host has no volume group `{group}`"))
        };
        for (device, disk) in &storage.physical_devices {
            if let Some(message) = missing(&disk.volume_group) {
                report.node(node, device_path(device).field("volume_group"), message);
            }
            for partition in &disk.partitions {
                if let Some(message) = missing(&partition.volume_group) {
                    let name = partition.name.as_deref().unwrap_or_default();
                    let path = partition_path(device, name).field("volume_group");
                    report.node(node, path, message);
                }
            }
        }
    }
}
