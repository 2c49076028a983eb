//! A network that two interfaces of a node are in.

use std::collections::HashMap;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "network_on_two_interfaces",
    severity: Severity::Error,
    summary: "a network that two interfaces of a node are in",
    explanation: "Addresses are given by network, so a static address would be that of both \
        interfaces, and neither the kernel nor the provisioner takes it twice. For a network on \
        which the node has no static address it is a warning: answers leave by either interface.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: front, slaves: [eno1], networks: [service]}
    eno2: {device_link: front, slaves: [eno2], networks: [service]}
  addressing:
    - {network: service, address: 10.0.0.5}
",
        passing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {device_link: front, slaves: [eno1], networks: [service]}
    eno2: {device_link: back, slaves: [eno2], networks: [storage]}
  addressing:
    - {network: service, address: 10.0.0.5}
",
        message: "site.yaml:6:59: BaremetalNode/a: data.interfaces.eno2.networks[service]: \
            interface `eno1` is in `service` already",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let mut first: HashMap<&str, &str> = HashMap::new();
        for (name, interface) in node.spec.interfaces.iter() {
            for network in &interface.networks {
                let known = *first.entry(network).or_insert(name);
                if known == name {
                    continue;
                }
                let severity = match node.spec.static_address(network) {
                    Some(_) => Severity::Error,
                    None => Severity::Warning,
                };
                let interface = Path::of("interfaces").field(name);
                let message = format!("interface `{known}` is in `{network}` already");
                report.node_as(
                    severity,
                    node,
                    interface.field("networks").entry(network),
                    message,
                );
            }
        }
    }
}
