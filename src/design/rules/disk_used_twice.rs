//! Disks and partitions that are a physical volume and something else, too.

use super::volumes::{device_path, partition_path};
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;

pub(super) const RULE: Rule = Rule {
    code: "disk_used_twice",
    severity: Severity::Error,
    summary: "a physical volume that holds something else",
    explanation: "A whole disk that is in a volume group has no partitions, and a partition that is \
        in one has no file system: the group overwrites either.",
    needed_by: need::DEPLOYMENT,
    examples: &[
        Example {
            failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda:
        volume_group: log
        partitions: [{name: p, size: 5g}]
",
            passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda:
        partitions: [{name: p, size: 5g}]
",
            message: "site.yaml:7:23: BaremetalNode/a: \
                data.storage.physical_devices.sda.volume_group: the disk `sda` is in a volume \
                group and has partitions",
        },
        Example {
            failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda:
        partitions:
          - name: p
            size: 5g
            volume_group: log
            filesystem: {mountpoint: /srv}
",
            passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda:
        partitions:
          - name: p
            size: 5g
            volume_group: log
",
            message: "site.yaml:11:25: BaremetalNode/a: \
                data.storage.physical_devices.sda.partitions[p].filesystem: the partition `p` is \
                in a volume group and has a file system",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        for (device, disk) in &node.spec.storage.physical_devices {
            if disk.volume_group.is_some() && !disk.partitions.is_empty() {
                let message =
                    format!("the disk `{device}` is in a volume group and has partitions");
                report.node(node, device_path(device).field("volume_group"), message);
            }
            for partition in &disk.partitions {
                if partition.volume_group.is_some() && partition.filesystem.is_some() {
                    let name = partition.name.as_deref().unwrap_or_default();
                    let message = format!(
                        "the partition `{name}` is in a volume group and has a file system"
                    );
                    let path = partition_path(device, name).field("filesystem");
                    report.node(node, path, message);
                }
            }
        }
    }
}
