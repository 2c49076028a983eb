//! A static address that its network does not have.

use super::addresses::{of_no_host, statics};
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "address_outside_network",
    severity: Severity::Error,
    summary: "an address that its network does not have",
    explanation: "A static address is in the `cidr` of the network that it is on, and is neither \
        the network's own address nor its broadcast address: nobody else could reach the node. \
        Either the address or the network of the entry is wrong.",
    needed_by: need::DEPLOYMENT,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.1.5}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.5}
",
            message: "site.yaml:9:32: BaremetalNode/a: data.addressing[mgmt].address: 10.0.1.5 is \
                not in 10.0.0.0/24, which is `mgmt`",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.255}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.0.0.0/24}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  addressing:
    - {network: mgmt, address: 10.0.0.254}
",
            message: "site.yaml:9:32: BaremetalNode/a: data.addressing[mgmt].address: 10.0.0.255 \
                is the broadcast address of 10.0.0.0/24, which is `mgmt`",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for one in statics(site) {
        let (name, address) = (one.network.name, one.address);
        let Some(cidr) = one.network.spec.cidr else {
            continue;
        };
        let message = if !cidr.contains(address) {
            format!("{address} is not in {cidr}, which is `{name}`")
        } else if let Some(what) = of_no_host(cidr, address) {
            format!("{address} is {what} of {cidr}, which is `{name}`")
        } else {
            continue;
        };
        let path = Path::of("addressing").entry(name).field("address");
        report.node(one.node, path, message);
    }
}
