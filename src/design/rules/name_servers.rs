//! Name servers that hosts cannot ask.

use std::collections::HashSet;

use super::addresses::{of_no_host, special};
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "name_servers",
    severity: Severity::Warning,
    summary: "name servers that hosts cannot ask",
    explanation: "A name server is written twice, has an address that is not one host's, such as \
        the broadcast address of the network, or is one of more than three: resolvers ask the first \
        three and never the others.",
    needed_by: need::NOTHING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  dns: {servers: '10.0.0.2,10.0.0.255'}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  dns: {servers: '10.0.0.2,10.0.0.25'}
",
            message: "site.yaml:5:18: Network/mgmt: data.dns.servers: 10.0.0.255 is the broadcast \
                address",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  dns: {servers: '10.0.0.2,10.0.0.2'}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  dns: {servers: '10.0.0.2,10.0.0.3'}
",
            message: "site.yaml:5:18: Network/mgmt: data.dns.servers: 10.0.0.2 is there twice",
        },
    ],
    check,
};

/// What the resolver of the C library asks.
const MOST: usize = 3;

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        let servers = &network.spec.dns.servers;
        let path = || Path::of("dns").field("servers");
        let mut known = HashSet::new();
        for server in servers {
            let cidr = network.spec.cidr.filter(|cidr| cidr.contains(*server));
            let of_network = cidr.and_then(|cidr| of_no_host(cidr, *server));
            if let Some(what) = special(*server).or(of_network) {
                report.document(network.id, path(), format!("{server} is {what}"));
            } else if !known.insert(server) {
                report.document(network.id, path(), format!("{server} is there twice"));
            }
        }
        if known.len() > MOST {
            let message = format!(
                "there are {} name servers, and {MOST} are asked",
                known.len()
            );
            report.document(network.id, path(), message);
        }
    }
}
