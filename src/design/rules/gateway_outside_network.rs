//! A gateway that is not on the network of its route.

use super::addresses::of_no_host;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "gateway_outside_network",
    severity: Severity::Error,
    summary: "a gateway that is not on its network",
    explanation: "The `gateway` of a route is the next hop, so it has an address of the network \
        that the route belongs to, and neither the network's own nor its broadcast address. Kernels \
        refuse any other. A destination of the other family than the gateway is an error, too.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: 0.0.0.0/0, gateway: 10.0.1.1}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: 0.0.0.0/0, gateway: 10.0.0.1}
",
            message: "site.yaml:6:36: Network/mgmt: data.routes[0].gateway: 10.0.1.1 is not in \
                10.0.0.0/24, the network of the route",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: '::/0', gateway: 10.0.0.1}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes:
    - {subnet: 0.0.0.0/0, gateway: 10.0.0.1}
",
            message: "site.yaml:6:16: Network/mgmt: data.routes[0].subnet: ::/0 is of another \
                family than the gateway 10.0.0.1",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        for (at, route) in network.spec.routes.iter().enumerate() {
            let Some(gateway) = route.gateway else {
                continue;
            };
            let path = |field| Path::of("routes").index(at).field(field);
            if let Some(cidr) = network.spec.cidr {
                if !cidr.contains(gateway) {
                    let message = format!("{gateway} is not in {cidr}, the network of the route");
                    report.document(network.id, path("gateway"), message);
                    continue;
                }
                if let Some(what) = of_no_host(cidr, gateway) {
                    let message = format!("{gateway} is {what} of {cidr}");
                    report.document(network.id, path("gateway"), message);
                }
            }
            if let Some(subnet) = route.subnet
                && subnet.address.is_ipv4() != gateway.is_ipv4()
            {
                let message = format!("{subnet} is of another family than the gateway {gateway}");
                report.document(network.id, path("subnet"), message);
            }
        }
    }
}
