//! An interface called as no kernel calls one.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::link::TrunkingMode;

pub(super) const RULE: Rule = Rule {
    code: "interface_name",
    severity: Severity::Error,
    summary: "a name that no network interface can have",
    explanation: "Linux takes names of 1 to 15 bytes, without a space, slash or colon. Where the \
        link is trunked, the interface of a VLAN is called after it with a dot and the VLAN's \
        number, so that there is room for four to five bytes less: too long a name of that is a \
        warning, because tools differ in how they shorten it.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    storage-backend0: {device_link: back, slaves: [eno1]}
",
        passing: "schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  interfaces:
    storage0: {device_link: back, slaves: [eno1]}
",
        message: "site.yaml:5:23: BaremetalNode/a: data.interfaces.storage-backend0: \
            `storage-backend0` has 16 bytes, more than 15",
    }],
    check,
};

/// Bytes: `IFNAMSIZ` with the final zero.
const LONGEST: usize = 15;

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        for (name, interface) in node.spec.interfaces.iter() {
            let path = || Path::of("interfaces").field(name);
            if name.len() > LONGEST {
                let message = format!("`{name}` has {} bytes, more than {LONGEST}", name.len());
                report.node(node, path(), message);
                continue;
            }
            let refused = |c: char| c.is_whitespace() || c == '/' || c == ':';
            if name.is_empty() || name == "." || name == ".." || name.contains(refused) {
                let message = format!("no interface can be called `{name}`");
                report.node(node, path(), message);
                continue;
            }
            let link = interface.device_link.as_deref();
            let link = link.and_then(|link| site.link(link));
            let Some(link) =
                link.filter(|link| link.spec.trunking.mode == Some(TrunkingMode::Tagged))
            else {
                continue;
            };
            for network in &interface.networks {
                let vlan = site.network(network).and_then(|network| network.spec.vlan);
                let tagged = link.spec.trunking.default_network.as_ref() != Some(network);
                let Some(vlan) = vlan.filter(|_| tagged) else {
                    continue;
                };
                let length = format!("{name}.{vlan}").len();
                if length > LONGEST {
                    let interface = Path::of("interfaces").field(name);
                    let path = interface.field("networks").entry(network);
                    let message =
                        format!("`{name}.{vlan}` has {length} bytes, more than {LONGEST}");
                    report.node_as(Severity::Warning, node, path, message);
                }
            }
        }
    }
}
