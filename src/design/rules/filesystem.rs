//! Mount points that are no paths, and kinds of file systems that nobody makes.

use super::volumes::volumes;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;

/// Kinds that installers make.
const KINDS: [&str; 14] = [
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "fat16", "fat32", "jfs", "reiserfs",
    "swap", "vfat", "xfs", "zfsroot",
];

pub(super) const MOUNTPOINT: Rule = Rule {
    code: "mountpoint_path",
    severity: Severity::Error,
    summary: "a mount point that is no absolute path",
    explanation: "A file system is mounted at an absolute path without `.` and `..`. One that is not \
        to be mounted has no `mountpoint`; swap space may say `none` or `swap`.",
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
          - {name: q, size: 50g, filesystem: {mountpoint: var/log}}
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
          - {name: q, size: 50g, filesystem: {mountpoint: /var/log}}
",
        message: "site.yaml:9:59: BaremetalNode/a: \
            data.storage.physical_devices.sda.partitions[q].filesystem.mountpoint: `var/log` is \
            no absolute path",
    }],
    check: mountpoint,
};

pub(super) const KIND: Rule = Rule {
    code: "unknown_filesystem",
    severity: Severity::Warning,
    summary: "a kind of file system that installers do not make",
    explanation: "`fstype` is most likely misspelt. It is a warning because an image may bring an \
        installer that knows more kinds.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda: {partitions: [{name: p, size: 50g, filesystem: {mountpoint: /, fstype: etx4}}]}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda: {partitions: [{name: p, size: 50g, filesystem: {mountpoint: /, fstype: ext4}}]}
",
        message: "site.yaml:6:83: BaremetalNode/a: \
            data.storage.physical_devices.sda.partitions[p].filesystem.fstype: `etx4` is no kind \
            of file system that installers make",
    }],
    check: kind,
};

fn mountpoint(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        for volume in volumes(&node.spec.storage) {
            let Some(filesystem) = volume.filesystem else {
                continue;
            };
            let Some(mountpoint) = &filesystem.mountpoint else {
                continue;
            };
            let swap = filesystem.fstype.as_deref() == Some("swap")
                && ["none", "swap"].contains(&mountpoint.as_str());
            let mut steps = mountpoint.split('/');
            let plain =
                mountpoint.starts_with('/') && steps.all(|step| step != "." && step != "..");
            if !plain && !swap {
                let path = volume.path.field("filesystem").field("mountpoint");
                report.node(node, path, format!("`{mountpoint}` is no absolute path"));
            }
        }
    }
}

fn kind(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        for volume in volumes(&node.spec.storage) {
            let kind = volume.filesystem.and_then(|one| one.fstype.as_deref());
            if let Some(kind) = kind
                && !KINDS.contains(&kind)
            {
                let path = volume.path.field("filesystem").field("fstype");
                let message = format!("`{kind}` is no kind of file system that installers make");
                report.node(node, path, message);
            }
        }
    }
}
