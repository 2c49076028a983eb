//! Kernel parameters that take a value from the hardware profile, and the lists that they take.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::HardwareProfile;
use crate::domain::site::host::{HardwareReference, KernelParameter};

pub(super) const MISSING: Rule = Rule {
    code: "missing_hardware_value",
    severity: Severity::Error,
    summary: "a value that the hardware profile does not have",
    explanation: "`hardwareprofile:cpuset.NAME` takes an entry of `cpu_sets` of the node's hardware \
        profile, `hardwareprofile:hugepages.NAME.size` and `.count` one of `hugepages`. The \
        profile does not have this one, so the kernel would be told the text of the reference.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "\
schema: drydock/HardwareProfile/v1
metadata: {name: m}
data:
  cpu_sets: {sriov: '2,4'}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  hardware_profile: m
  platform:
    kernel_params: {isolcpus: 'hardwareprofile:cpuset.dpdk'}
",
        passing: "\
schema: drydock/HardwareProfile/v1
metadata: {name: m}
data:
  cpu_sets: {sriov: '2,4'}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  hardware_profile: m
  platform:
    kernel_params: {isolcpus: 'hardwareprofile:cpuset.sriov'}
",
        message: "site.yaml:11:31: BaremetalNode/a: data.platform.kernel_params.isolcpus: the \
            hardware profile `m` has no CPU set `dpdk`",
    }],
    check: missing,
};

pub(super) const CPU_SET: Rule = Rule {
    code: "cpu_set",
    severity: Severity::Error,
    summary: "a list of processors that a kernel does not read",
    explanation: "A CPU set is a list of processors and ranges of them, counted from 0: `2,4` or \
        `0-3,8`. The kernel ignores a parameter that it cannot read.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "\
schema: drydock/HardwareProfile/v1
metadata: {name: m}
data:
  cpu_sets: {sriov: '4-2'}
",
        passing: "\
schema: drydock/HardwareProfile/v1
metadata: {name: m}
data:
  cpu_sets: {sriov: '2-4,9'}
",
        message: "site.yaml:4:21: HardwareProfile/m: data.cpu_sets.sriov: `4-2` is no list of \
            processors, for example `2,4` or `0-3,8`",
    }],
    check: cpu_sets,
};

fn missing(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        // A profile that is missing is another rule's.
        let Some(hardware) = site.hardware_of(node) else {
            continue;
        };
        for (name, parameter) in &node.spec.platform.kernel_params {
            let KernelParameter::Reference(reference) = parameter else {
                continue;
            };
            if let Some(what) = lacking(&hardware.spec, reference) {
                let path = Path::of("platform").field("kernel_params").field(name);
                let message = format!("the hardware profile `{}` has no {what}", hardware.name);
                report.node(node, path, message);
            }
        }
    }
}

/// What a reference names that the profile does not have.
fn lacking(hardware: &HardwareProfile, reference: &HardwareReference) -> Option<String> {
    let pages = |name: &String| hardware.hugepages.get(name);
    match reference {
        HardwareReference::CpuSet(name) => {
            (!hardware.cpu_sets.contains_key(name)).then(|| format!("CPU set `{name}`"))
        }
        HardwareReference::HugepagesSize(name) => pages(name)
            .and_then(|pages| pages.size.as_ref())
            .is_none()
            .then(|| format!("size of the hugepages `{name}`")),
        HardwareReference::HugepagesCount(name) => pages(name)
            .and_then(|pages| pages.count)
            .is_none()
            .then(|| format!("count of the hugepages `{name}`")),
        HardwareReference::Unknown(text) => Some(format!("value that is called `{text}`")),
    }
}

fn cpu_sets(site: &SiteView<'_>, report: &mut Report<'_>) {
    for profile in &site.hardware_profiles {
        for (name, list) in &profile.spec.cpu_sets {
            if !list.split(',').all(is_range) {
                let message =
                    format!("`{list}` is no list of processors, for example `2,4` or `0-3,8`");
                report.document(profile.id, Path::of("cpu_sets").field(name), message);
            }
        }
    }
}

fn is_range(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<u32>().ok();
    match (number(first), number(last)) {
        (Some(first), Some(last)) => first <= last,
        (None, _) | (_, None) => false,
    }
}
