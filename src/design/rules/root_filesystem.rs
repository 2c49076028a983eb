//! Hosts whose disks are described, and have no root.

use super::volumes::volumes;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "root_filesystem",
    severity: Severity::Error,
    summary: "a host without a root file system",
    explanation: "The host says how its disks are used, and nothing of it is mounted at `/`: there \
        is nowhere to install an operating system. A host that says nothing of its disks gets the \
        layout of the provisioner.",
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
          - {name: p, size: 50g, filesystem: {mountpoint: /srv}}
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
",
        message: "site.yaml:5:5: BaremetalNode/a: data.storage.physical_devices: nothing is \
            mounted at `/`",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let volumes = volumes(&node.spec.storage);
        let mut mounted = volumes
            .iter()
            .filter_map(|volume| volume.filesystem?.mountpoint.as_deref());
        if !volumes.is_empty() && !mounted.any(|mountpoint| mountpoint == "/") {
            let path = Path::of("storage").field("physical_devices");
            report.node(node, path, "nothing is mounted at `/`");
        }
    }
}
