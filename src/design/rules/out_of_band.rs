//! How management controllers are reached.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

/// Types that drivers of this service speak, and `libvirt`, which the original does.
const TYPES: [&str; 5] = ["ipmi", "libvirt", "manual", "redfish", "simulated"];

/// Types that are reached over a network, with an account.
const REACHED: [&str; 2] = ["ipmi", "redfish"];

pub(super) const TYPE: Rule = Rule {
    code: "oob_type",
    severity: Severity::Warning,
    summary: "an out-of-band type that no driver of this service speaks",
    explanation: "`oob.type` chooses the driver that speaks to the management controller. It is a \
        warning because a plug-in may speak others.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  oob: {type: impi}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  oob: {type: simulated}
",
        message: "site.yaml:4:15: BaremetalNode/a: data.oob.type: no driver of this service \
            speaks `impi`",
    }],
    check: kind,
};

pub(super) const ADDRESS: Rule = Rule {
    code: "oob_address",
    severity: Severity::Error,
    summary: "a management controller without an address",
    explanation: "A controller that speaks IPMI or Redfish is reached at `oob.address` or, without \
        one, at the node's static address on `oob.network`. The node has neither, so nothing can be \
        asked of its controller.",
    needed_by: need::OUT_OF_BAND,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  oob: {type: ipmi, network: oob, account: admin}
  addressing: [{network: pxe, address: dhcp}]
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  oob: {type: ipmi, network: oob, account: admin}
  addressing: [{network: oob, address: 10.0.0.9}]
",
        message: "site.yaml:5:15: BaremetalNode/a: data.addressing: the node has no static address \
            on `oob`, where its controller is",
    }],
    check: address,
};

pub(super) const ACCOUNT: Rule = Rule {
    code: "oob_account",
    severity: Severity::Error,
    summary: "a management controller without an account",
    explanation: "Controllers that speak IPMI or Redfish ask who is there: `oob.account` is the \
        user, and `oob.credential` names where the password is kept, as in `secret://NAME`.",
    needed_by: need::OUT_OF_BAND,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  oob: {type: ipmi, address: 10.0.0.9}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  oob: {type: ipmi, address: 10.0.0.9, account: admin}
",
        message: "site.yaml:4:8: BaremetalNode/a: data.oob.account: `ipmi` needs an account",
    }],
    check: account,
};

fn kind(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        if let Some(kind) = &node.spec.oob.kind
            && !TYPES.contains(&kind.as_str())
        {
            let message = format!("no driver of this service speaks `{kind}`");
            report.node(node, Path::of("oob").field("type"), message);
        }
    }
}

fn address(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let oob = &node.spec.oob;
        if oob.address.is_some() || !is_reached(oob.kind.as_deref()) {
            continue;
        }
        match &oob.network {
            None => {
                let message = "the controller has neither a network nor an address";
                report.node(node, Path::of("oob").field("network"), message);
            }
            Some(network) if node.spec.static_address(network).is_none() => {
                let message = format!(
                    "the node has no static address on `{network}`, where its controller is"
                );
                report.node(node, Path::of("addressing"), message);
            }
            Some(_) => {}
        }
    }
}

fn account(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let oob = &node.spec.oob;
        let named = oob.account.as_ref().is_some_and(|name| !name.is_empty());
        if let Some(kind) = &oob.kind
            && is_reached(Some(kind))
            && !named
        {
            let message = format!("`{kind}` needs an account");
            report.node(node, Path::of("oob").field("account"), message);
        }
    }
}

fn is_reached(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| REACHED.contains(&kind))
}
