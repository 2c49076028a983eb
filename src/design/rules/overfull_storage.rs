//! Shares of a disk or volume group that come to more than all of it.

use super::volumes::{device_path, group_path};
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::size::{Amount, Size};

/// All of it, in hundredths.
const ALL: u64 = 100;

pub(super) const RULE: Rule = Rule {
    code: "overfull_storage",
    severity: Severity::Error,
    summary: "shares that come to more than the whole",
    explanation: "The sizes in percent of the partitions of a disk, or of the volumes of a volume \
        group, come to more than 100: the last ones cannot be made. A single share of 0 % has no \
        use either.",
    needed_by: need::DEPLOYMENT,
    examples: &[
        Example {
            failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda: {volume_group: log}
    volume_groups:
      log:
        logical_volumes:
          - {name: one, size: 60%}
          - {name: two, size: 50%}
",
            passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda: {volume_group: log}
    volume_groups:
      log:
        logical_volumes:
          - {name: one, size: 60%}
          - {name: two, size: 40%}
",
            message: "site.yaml:11:31: BaremetalNode/a: \
                data.storage.volume_groups.log.logical_volumes[two].size: with this, `log` is \
                110 % used",
        },
        Example {
            failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda: {partitions: [{name: p, size: 0%}]}
",
            passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  storage:
    physical_devices:
      sda: {partitions: [{name: p, size: 1%}]}
",
            message: "site.yaml:6:42: BaremetalNode/a: \
                data.storage.physical_devices.sda.partitions[p].size: a size of nothing",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let mut problems = Vec::new();
        for (device, disk) in &node.spec.storage.physical_devices {
            let parts = disk.partitions.iter();
            let sizes = parts.map(|part| (part.name.as_deref(), part.size));
            let list = device_path(device).field("partitions");
            fill(device, &list, sizes, &mut problems);
        }
        for (group, content) in &node.spec.storage.volume_groups {
            let volumes = content.logical_volumes.iter();
            let sizes = volumes.map(|volume| (volume.name.as_deref(), volume.size));
            let list = group_path(group).field("logical_volumes");
            fill(group, &list, sizes, &mut problems);
        }
        for (path, message) in problems {
            report.node(node, path, message);
        }
    }
}

/// Adds up the shares of a list; the one that is too much, and those of nothing, are problems.
fn fill<'s>(
    whole: &str,
    list: &Path,
    sizes: impl Iterator<Item = (Option<&'s str>, Option<Size>)>,
    problems: &mut Vec<(Path, String)>,
) {
    let mut used: u64 = 0;
    for (name, size) in sizes {
        let Some(size) = size else { continue };
        let path = || {
            let entry = list.clone().entry(name.unwrap_or_default());
            entry.field("size")
        };
        match size.amount {
            Amount::Bytes(0) | Amount::Percent(0) => {
                problems.push((path(), "a size of nothing".to_owned()));
            }
            Amount::Bytes(_) => {}
            Amount::Percent(percent) => {
                let before = used;
                used += u64::from(percent);
                if before <= ALL && used > ALL {
                    let message = format!("with this, `{whole}` is {used} % used");
                    problems.push((path(), message));
                }
            }
        }
    }
}
