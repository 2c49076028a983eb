//! A DHCP relay that hears no requests, or sends them nowhere.

use super::addresses::of_no_host;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "dhcp_relay",
    severity: Severity::Warning,
    summary: "a DHCP relay that hears no requests, or sends them nowhere",
    explanation: "A relay has an address on the network that it listens on (`self_ip`), and sends \
        the requests to a server on another one (`upstream_target`). A server on the same network \
        hears them itself, and answers twice. It is a warning because the switch's own settings \
        decide.",
    needed_by: need::NOTHING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
  dhcp_relay: {self_ip: 10.0.1.4, upstream_target: 10.9.0.5}
",
            passing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
  dhcp_relay: {self_ip: 10.0.0.4, upstream_target: 10.9.0.5}
",
            message: "site.yaml:5:25: Network/pxe: data.dhcp_relay.self_ip: 10.0.1.4 is not in \
                10.0.0.0/24, the network it listens on",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
  dhcp_relay: {self_ip: 10.0.0.4, upstream_target: 10.0.0.5}
",
            passing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
  dhcp_relay: {self_ip: 10.0.0.4, upstream_target: 10.9.0.5}
",
            message: "site.yaml:5:52: Network/pxe: data.dhcp_relay.upstream_target: 10.0.0.5 is \
                in 10.0.0.0/24, so it hears the requests without a relay",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        let (Some(cidr), Some(relay)) = (network.spec.cidr, &network.spec.dhcp_relay) else {
            continue;
        };
        let path = |field| Path::of("dhcp_relay").field(field);
        if let Some(own) = relay.self_ip {
            if !cidr.contains(own) {
                let message = format!("{own} is not in {cidr}, the network it listens on");
                report.document(network.id, path("self_ip"), message);
            } else if let Some(what) = of_no_host(cidr, own) {
                report.document(
                    network.id,
                    path("self_ip"),
                    format!("{own} is {what} of {cidr}"),
                );
            }
        }
        if let Some(target) = relay
            .upstream_target
            .filter(|target| cidr.contains(*target))
        {
            let message =
                format!("{target} is in {cidr}, so it hears the requests without a relay");
            report.document(network.id, path("upstream_target"), message);
        }
    }
}
