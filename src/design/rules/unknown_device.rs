//! Ports and disks that are neither an alias of the hardware profile nor a name of the kernel.

use super::volumes::device_path;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

/// How the kernel's names of network ports begin; a digit or a letter and digits follow.
const PORTS: [&str; 5] = ["eth", "en", "ib", "wl", "em"];

/// How its names of disks begin.
const DISKS: [&str; 10] = [
    "sd", "hd", "vd", "xvd", "nvme", "mmcblk", "md", "dm-", "dasd", "loop",
];

pub(super) const RULE: Rule = Rule {
    code: "unknown_device",
    severity: Severity::Warning,
    summary: "a device that the hardware profile does not know",
    explanation: "Ports (`slaves`) and disks (`physical_devices`) are named by an alias of the \
        node's hardware profile or as the kernel names them, like `eno1` or `sda`. This name is \
        no alias and does not look like the kernel's. It is a warning because kernels can be told \
        to name devices as one likes.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "\
schema: drydock/HardwareProfile/v1
metadata: {name: m}
data:
  device_aliases:
    nic_a: {address: '0000:18:00.0', dev_type: x, bus_type: pci}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  hardware_profile: m
  interfaces:
    bond0: {slaves: [nic_a, nic_c, eno1]}
",
        passing: "\
schema: drydock/HardwareProfile/v1
metadata: {name: m}
data:
  device_aliases:
    nic_a: {address: '0000:18:00.0', dev_type: x, bus_type: pci}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  hardware_profile: m
  interfaces:
    bond0: {slaves: [nic_a, eno1]}
",
        message: "site.yaml:12:29: BaremetalNode/a: data.interfaces.bond0.slaves[nic_c]: `nic_c` \
            is no device alias of the hardware profile `m` and no port that a kernel names so",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        // Without a profile there is nothing to compare with, and the profile is another rule's.
        let Some(hardware) = site.hardware_of(node) else {
            continue;
        };
        let unknown = |name: &str, kernel: &[&str]| {
            !hardware.spec.device_aliases.contains_key(name) && !is_kernel_name(name, kernel)
        };
        for (name, interface) in node.spec.interfaces.iter() {
            let slaves = interface.slaves.iter();
            for slave in slaves.filter(|slave| unknown(slave, &PORTS)) {
                let path = Path::of("interfaces").field(name).field("slaves");
                let message = format!(
                    "`{slave}` is no device alias of the hardware profile `{}` and no port that a \
                     kernel names so",
                    hardware.name
                );
                report.node(node, path.entry(slave), message);
            }
        }
        let devices = node.spec.storage.physical_devices.keys();
        for device in devices.filter(|device| unknown(device, &DISKS)) {
            let message = format!(
                "`{device}` is no device alias of the hardware profile `{}` and no disk that a \
                 kernel names so",
                hardware.name
            );
            report.node(node, device_path(device), message);
        }
    }
}

fn is_kernel_name(name: &str, prefixes: &[&str]) -> bool {
    let rest = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && rest.len() <= 12
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}
