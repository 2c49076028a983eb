//! A network whose address is not its first one.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "cidr_host_bits",
    severity: Severity::Error,
    summary: "a network address with host bits set",
    explanation: "The address before the slash of a `cidr` or of a route's `subnet` has bits set \
        beyond the prefix: it is the address of a host, and either it or the prefix is wrong. \
        Provisioners refuse such a network. Write the first address of the network.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1\nmetadata: {name: mgmt}\ndata:\n  cidr: 172.16.1.9/24\n",
            passing: "schema: drydock/Network/v1\nmetadata: {name: mgmt}\ndata:\n  cidr: 172.16.1.0/24\n",
            message: "site.yaml:4:9: Network/mgmt: data.cidr: the network of 172.16.1.9/24 is 172.16.1.0/24",
        },
        Example {
            failing: "schema: drydock/Network/v1\nmetadata: {name: mgmt}\ndata:\n  cidr: 172.16.1.0/24\n  \
                routes:\n    - subnet: 10.1.0.0/8\n      gateway: 172.16.1.1\n",
            passing: "schema: drydock/Network/v1\nmetadata: {name: mgmt}\ndata:\n  cidr: 172.16.1.0/24\n  \
                routes:\n    - subnet: 10.0.0.0/8\n      gateway: 172.16.1.1\n",
            message: "site.yaml:6:15: Network/mgmt: data.routes[0].subnet: the network of 10.1.0.0/8 is 10.0.0.0/8",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        let own = network.spec.cidr.map(|cidr| (Path::of("cidr"), cidr));
        let routes = network.spec.routes.iter().enumerate();
        let routes = routes.filter_map(|(at, route)| {
            Some((Path::of("routes").index(at).field("subnet"), route.subnet?))
        });
        for (path, cidr) in own.into_iter().chain(routes) {
            if cidr.has_host_bits() {
                let message = format!("the network of {cidr} is {}", cidr.truncated());
                report.document(network.id, path, message);
            }
        }
    }
}
