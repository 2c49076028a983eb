//! Routes of one network to one destination, or to itself.

use std::collections::HashMap;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "duplicate_route",
    severity: Severity::Warning,
    summary: "a route that changes nothing",
    explanation: "Two routes of one network lead to the same destination with the same metric, so \
        it is left to chance which gateway is used; or a route leads to addresses that are on the \
        network itself and need no gateway. Remove the route, or give it another metric.",
    needed_by: need::NOTHING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: 0.0.0.0/0, gateway: 10.0.0.1, metric: 10}
    - {subnet: 0.0.0.0/0, gateway: 10.0.0.2, metric: 10}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: 0.0.0.0/0, gateway: 10.0.0.1, metric: 10}
    - {subnet: 0.0.0.0/0, gateway: 10.0.0.2, metric: 20}
",
            message: "site.yaml:7:16: Network/mgmt: data.routes[1].subnet: 0.0.0.0/0 is the \
                destination of `routes[0]`, too",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: 10.0.0.0/24, gateway: 10.0.0.1}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: 10.0.0.0/16, gateway: 10.0.0.1}
",
            message: "site.yaml:6:16: Network/mgmt: data.routes[0].subnet: 10.0.0.0/24 is in \
                10.0.0.0/24, the network itself",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        let mut known = HashMap::new();
        for (at, route) in network.spec.routes.iter().enumerate() {
            let Some(subnet) = route.subnet else {
                continue;
            };
            let path = Path::of("routes").index(at).field("subnet");
            let cidr = network.spec.cidr;
            if let Some(cidr) =
                cidr.filter(|cidr| cidr.prefix <= subnet.prefix && cidr.contains(subnet.first()))
            {
                let message = format!("{subnet} is in {cidr}, the network itself");
                report.document(network.id, path, message);
                continue;
            }
            let first = *known
                .entry((subnet.truncated(), route.metric))
                .or_insert(at);
            if first != at {
                let message = format!("{subnet} is the destination of `routes[{first}]`, too");
                report.document(network.id, path, message);
            }
        }
    }
}
