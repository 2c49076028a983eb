//! Hardware addresses that nodes are recognised by.

use std::collections::HashMap;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "boot_mac",
    severity: Severity::Error,
    summary: "a hardware address that is none, or that two nodes have",
    explanation: "`metadata.boot_mac` recognises a machine by the port it boots from: six octets in \
        hexadecimal with colons. Two nodes with one address are one machine, which would be \
        installed as either.",
    needed_by: need::IDENTITY,
    examples: &[
        Example {
            failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  metadata: {boot_mac: '52:54:00:00:00'}
",
            passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  metadata: {boot_mac: '52:54:00:00:00:01'}
",
            message: "site.yaml:4:24: BaremetalNode/a: data.metadata.boot_mac: a hardware address \
                is six octets in hexadecimal with colons",
        },
        Example {
            failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  metadata: {boot_mac: '52:54:00:00:00:0a'}
---
schema: drydock/BaremetalNode/v1
metadata: {name: b}
data:
  metadata: {boot_mac: '52:54:00:00:00:0A'}
",
            passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  metadata: {boot_mac: '52:54:00:00:00:0a'}
---
schema: drydock/BaremetalNode/v1
metadata: {name: b}
data:
  metadata: {boot_mac: '52:54:00:00:00:0b'}
",
            message: "site.yaml:9:24: BaremetalNode/b: data.metadata.boot_mac: the node `a` boots \
                from this port, too",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut owners = HashMap::new();
    for node in &site.nodes {
        let Some(mac) = &node.spec.metadata.boot_mac else {
            continue;
        };
        let path = Path::of("metadata").field("boot_mac");
        if !is_mac(mac) {
            let message = "a hardware address is six octets in hexadecimal with colons";
            report.node(node, path, message);
        } else if let Some(owner) = owners.get(&mac.to_ascii_lowercase()) {
            let message = format!("the node `{owner}` boots from this port, too");
            report.node(node, path, message);
        } else {
            owners.insert(mac.to_ascii_lowercase(), node.name);
        }
    }
}

fn is_mac(text: &str) -> bool {
    let octet =
        |octet: &str| octet.len() == 2 && octet.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split(':').count() == 6 && text.split(':').all(octet)
}
