//! Two nodes with one address.

use std::collections::HashMap;
use std::net::IpAddr;

use super::view::Node;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::host::Assignment;

pub(super) const RULE: Rule = Rule {
    code: "duplicate_address",
    severity: Severity::Error,
    summary: "an address that two nodes have",
    explanation: "A static address belongs to one interface of one node. Two nodes that answer to \
        one address cut each other off, or, on the out-of-band network, have each other's power \
        switched. Addresses on different networks must differ, too: networks route to each other.",
    // The controller that answers may be another node's.
    needed_by: need::OUT_OF_BAND,
    examples: &[Example {
        failing: "schema: drydock/BaremetalNode/v1\nmetadata: {name: a}\ndata:\n  addressing:\n    \
            - {network: mgmt, address: 10.0.0.1}\n---\n\
            schema: drydock/BaremetalNode/v1\nmetadata: {name: b}\ndata:\n  addressing:\n    \
            - {network: mgmt, address: 10.0.0.1}\n",
        passing: "schema: drydock/BaremetalNode/v1\nmetadata: {name: a}\ndata:\n  addressing:\n    \
            - {network: mgmt, address: 10.0.0.1}\n---\n\
            schema: drydock/BaremetalNode/v1\nmetadata: {name: b}\ndata:\n  addressing:\n    \
            - {network: mgmt, address: 10.0.0.2}\n",
        message: "site.yaml:11:32: BaremetalNode/b: data.addressing[mgmt].address: 10.0.0.1 is \
            already the address of `a` on `mgmt`",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut owners: HashMap<IpAddr, (&Node<'_>, &String)> = HashMap::new();
    for node in &site.nodes {
        for entry in node.spec.addressing.iter() {
            let (Some(network), Some(Assignment::Static(address))) =
                (&entry.network, entry.address)
            else {
                continue;
            };
            if let Some((owner, theirs)) = owners.get(&address).copied() {
                let path = Path::of("addressing").entry(network).field("address");
                let message = format!(
                    "{address} is already the address of `{}` on `{theirs}`",
                    owner.name
                );
                report.nodes(node, owner, path, message);
            } else {
                owners.insert(address, (node, network));
            }
        }
    }
}
