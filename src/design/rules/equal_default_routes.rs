//! Nodes with two default routes of one metric.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "equal_default_routes",
    severity: Severity::Warning,
    summary: "nodes with two default routes of one metric",
    explanation: "A node has addresses on two networks that both bring a default route, and no \
        `metric` says which one is to be taken. The kernel takes the one that was set up last, so \
        it changes with every boot. Give one of the routes a larger metric, or remove it.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes: [{subnet: 0.0.0.0/0, gateway: 10.0.0.1, metric: 10}]
---
schema: drydock/Network/v1
metadata: {name: public}
data:
  cidr: 10.0.1.0/24
  routes: [{subnet: 0.0.0.0/0, gateway: 10.0.1.1, metric: 10}]
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {networks: [mgmt]}
    eno2: {networks: [public]}
",
        passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  routes: [{subnet: 0.0.0.0/0, gateway: 10.0.0.1, metric: 10}]
---
schema: drydock/Network/v1
metadata: {name: public}
data:
  cidr: 10.0.1.0/24
  routes: [{subnet: 0.0.0.0/0, gateway: 10.0.1.1, metric: 100}]
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    eno1: {networks: [mgmt]}
    eno2: {networks: [public]}
",
        message: "site.yaml:11:59: Network/public: data.routes[0].metric: node `a` has this \
            default route and that of network `mgmt`, which has the same metric",
    }],
    check,
};

/// The routes between which only the metric chooses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Choice {
    ipv4: bool,
    metric: Option<u32>,
}

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    // Of networks with a default route: by family and metric, the first of them.
    let mut defaults: HashMap<&str, Vec<(Choice, usize)>> = HashMap::new();
    for network in &site.networks {
        for (at, route) in network.spec.routes.iter().enumerate() {
            if let Some(subnet) = route.subnet.filter(|subnet| subnet.prefix == 0) {
                let ipv4 = subnet.address.is_ipv4();
                let metric = route.metric;
                let choice = Choice { ipv4, metric };
                defaults.entry(network.name).or_default().push((choice, at));
            }
        }
    }
    let mut seen = HashSet::new();
    for node in &site.nodes {
        // Nodes of one profile share their interfaces.
        if !seen.insert(Arc::as_ptr(&node.spec.interfaces)) {
            continue;
        }
        let interfaces = node.spec.interfaces.values();
        let mut first: HashMap<Choice, &str> = HashMap::new();
        for name in interfaces.flat_map(|interface| &interface.networks) {
            let Some((network, routes)) = site.network(name).zip(defaults.get(name.as_str()))
            else {
                continue;
            };
            for (choice, at) in routes {
                let other = *first.entry(*choice).or_insert(name);
                if other != name {
                    let field = if choice.metric.is_some() {
                        "metric"
                    } else {
                        "subnet"
                    };
                    let path = Path::of("routes").index(*at).field(field);
                    let message = format!(
                        "node `{}` has this default route and that of network `{other}`, which has \
                         the same metric",
                        node.name
                    );
                    report.document(network.id, path, message);
                }
            }
        }
    }
}
