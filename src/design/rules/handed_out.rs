//! A gateway, relay, name server or switch whose address is handed out by DHCP.

use super::addresses::Spans;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::network::RangeKind;

pub(super) const RULE: Rule = Rule {
    code: "handed_out",
    severity: Severity::Warning,
    summary: "the address of a gateway or server in a DHCP range",
    explanation: "The address of a gateway, DHCP relay or name server is in a `dhcp` range of its \
        network, so that a node may get it. It is a warning because most servers look whether an \
        address is in use before they hand it out; they do not find a gateway that is being \
        restarted. Let the range begin behind it.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
  ranges: [{type: dhcp, start: 10.0.0.1, end: 10.0.0.200}]
  routes: [{subnet: 0.0.0.0/0, gateway: 10.0.0.1}]
",
        passing: "schema: drydock/Network/v1
metadata: {name: pxe}
data:
  cidr: 10.0.0.0/24
  ranges: [{type: dhcp, start: 10.0.0.2, end: 10.0.0.200}]
  routes: [{subnet: 0.0.0.0/0, gateway: 10.0.0.1}]
",
        message: "site.yaml:6:41: Network/pxe: data.routes[0].gateway: 10.0.0.1, the gateway, is \
            in a DHCP range of this network",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        let dhcp = Spans::of(&network.spec, &[RangeKind::Dhcp]);
        let Some(cidr) = network.spec.cidr.filter(|_| !dhcp.is_empty()) else {
            continue;
        };
        let routes = network.spec.routes.iter().enumerate();
        let gateways = routes.filter_map(|(at, route)| {
            let path = Path::of("routes").index(at).field("gateway");
            Some((path, route.gateway?, "the gateway"))
        });
        let relay = network.spec.dhcp_relay.as_ref();
        let relay = relay.and_then(|relay| relay.self_ip).map(|address| {
            let path = Path::of("dhcp_relay").field("self_ip");
            (path, address, "the relay")
        });
        let servers = network.spec.dns.servers.iter().map(|server| {
            let path = Path::of("dns").field("servers");
            (path, *server, "a name server")
        });
        for (path, address, what) in gateways.chain(relay).chain(servers) {
            if cidr.contains(address) && dhcp.contains(address) {
                let message = format!("{address}, {what}, is in a DHCP range of this network");
                report.document(network.id, path, message);
            }
        }
    }
}
