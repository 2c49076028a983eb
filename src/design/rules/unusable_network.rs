//! A network of addresses that hosts cannot have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::address::Cidr;

pub(super) const RULE: Rule = Rule {
    code: "unusable_network",
    severity: Severity::Error,
    summary: "a network of addresses that hosts cannot have",
    explanation: "Loopback, multicast, reserved and unspecified addresses belong to no interface \
        that other hosts reach; kernels refuse them. Link-local addresses work on one link only and \
        are a warning, and so is a network of a single address. Most often a digit of the `cidr` is \
        wrong.",
    needed_by: need::NETWORKING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 240.10.0.0/24}
",
        passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data: {cidr: 10.240.0.0/24}
",
        message: "site.yaml:3:14: Network/mgmt: data.cidr: 240.10.0.0/24 is reserved, of no use \
            to nodes",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        let Some(cidr) = network.spec.cidr else {
            continue;
        };
        let width = if cidr.address.is_ipv4() { 32 } else { 128 };
        let single = (cidr.prefix == width).then_some((Severity::Warning, "a single address"));
        if let Some((severity, what)) = special(cidr).or(single) {
            let message = format!("{cidr} is {what}, of no use to nodes");
            report.document_as(severity, network.id, Path::of("cidr"), message);
        }
    }
}

fn special(cidr: Cidr) -> Option<(Severity, &'static str)> {
    let v4 = |a, b, prefix| Cidr {
        address: IpAddr::V4(Ipv4Addr::new(a, b, 0, 0)),
        prefix,
    };
    let v6 = |first, last, prefix| Cidr {
        address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last)),
        prefix,
    };
    let specials = [
        (v4(0, 0, 8), Severity::Error, "unspecified"),
        (v4(127, 0, 8), Severity::Error, "loopback"),
        (v4(169, 254, 16), Severity::Warning, "link-local"),
        (v4(224, 0, 4), Severity::Error, "multicast"),
        (v4(240, 0, 4), Severity::Error, "reserved"),
        (v6(0, 1, 128), Severity::Error, "loopback"),
        (v6(0xff00, 0, 8), Severity::Error, "multicast"),
        (v6(0xfe80, 0, 10), Severity::Warning, "link-local"),
    ];
    let found = specials
        .into_iter()
        .find(|(special, _, _)| special.overlaps(cidr));
    found.map(|(_, severity, what)| (severity, what))
}
