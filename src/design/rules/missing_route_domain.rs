//! A route to the networks of a route domain that no network is in.

use std::collections::HashSet;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "missing_route_domain",
    severity: Severity::Warning,
    summary: "a route to a route domain that has no networks",
    explanation: "A route names a `routedomain` instead of a `subnet`: it leads to every network \
        of that route domain. No network is in this one, so the route leads nowhere.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: rack1}
data:
  cidr: 10.0.0.0/24
  routedomain: storage
  routes: [{routedomain: storrage, gateway: 10.0.0.1}]
",
        passing: "schema: drydock/Network/v1
metadata: {name: rack1}
data:
  cidr: 10.0.0.0/24
  routedomain: storage
  routes: [{routedomain: storage, gateway: 10.0.0.1}]
",
        message: "site.yaml:6:26: Network/rack1: data.routes[0].routedomain: no network is in \
            route domain `storrage`",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    // A network that could not be read may be the one.
    if site.has_broken(crate::design::document::Kind::Network) {
        return;
    }
    let domains = site.networks.iter();
    let domains: HashSet<&str> = domains
        .filter_map(|network| network.spec.routedomain.as_deref())
        .collect();
    for network in &site.networks {
        for (at, route) in network.spec.routes.iter().enumerate() {
            if let Some(domain) = &route.routedomain
                && !domains.contains(domain.as_str())
            {
                let path = Path::of("routes").index(at).field("routedomain");
                let message = format!("no network is in route domain `{domain}`");
                report.document(network.id, path, message);
            }
        }
    }
}
