//! A port that two interfaces of a node are made of.

use std::collections::HashMap;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::HostSpec;
use crate::domain::site::host::{Assignment, Interface};

pub(super) const RULE: Rule = Rule {
    code: "shared_port",
    severity: Severity::Error,
    summary: "a port that two interfaces are made of",
    explanation: "A port is in one bond, or is one interface: the kernel gives it to the first and \
        refuses the second. The interface that a node boots from may have a port of a bond, because \
        it is gone when the bond is set up: it has the label `noconfig`, or gets its addresses by \
        DHCP alone.",
    needed_by: need::NETWORKING,
    examples: &[Example {
        failing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    bond0: {device_link: front, slaves: [eno1, eno2], networks: [service]}
    bond1: {device_link: back, slaves: [eno2, eno3], networks: [storage]}
  addressing:
    - {network: service, address: 10.0.0.5}
    - {network: storage, address: 10.0.1.5}
",
        passing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    bond0: {device_link: front, slaves: [eno1, eno2], networks: [service]}
    pxe: {device_link: pxe, slaves: [eno1], networks: [pxe]}
  addressing:
    - {network: service, address: 10.0.0.5}
    - {network: pxe, address: dhcp}
",
        message: "site.yaml:6:41: BaremetalNode/a: data.interfaces.bond1.slaves[eno2]: port \
            `eno2` is in interface `bond0` already",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let mut first: HashMap<&str, &str> = HashMap::new();
        for (name, interface) in node.spec.interfaces.iter() {
            if only_boots(&node.spec, interface) {
                continue;
            }
            for port in &interface.slaves {
                let known = *first.entry(port).or_insert(name);
                if known != name {
                    let interface = Path::of("interfaces").field(name);
                    let message = format!("port `{port}` is in interface `{known}` already");
                    report.node(node, interface.field("slaves").entry(port), message);
                }
            }
        }
    }
}

/// Whether an interface is there for the time before the operating system has its own.
fn only_boots(host: &HostSpec, interface: &Interface) -> bool {
    if is_left_alone(interface) {
        return true;
    }
    let mut addresses = host.addressing.iter().filter(|entry| {
        let network = entry.network.as_ref();
        network.is_some_and(|network| interface.networks.contains(network))
    });
    interface.slaves.len() == 1
        && addresses.all(|entry| match entry.address {
            Some(Assignment::Dhcp) | None => true,
            Some(Assignment::Static(_) | Assignment::Slaac) => false,
        })
}

/// Whether an interface is described, but not to be configured.
pub(super) fn is_left_alone(interface: &Interface) -> bool {
    let label = interface.labels.get("noconfig");
    label.is_some_and(|value| value == "true")
}
