//! The sites of the demo: the example of the documentation, and larger ones that are generated.

use std::fmt::Write as _;

/// The site that is deployed, the one that comes with the documentation.
pub(super) const EXAMPLE: &str = include_str!("../../../examples/site/site.yaml");

/// A node of it, with a hardware profile.
pub(super) const EXAMPLE_NODE: &str = "control-1";

/// The file that the site is written to.
pub(super) const FILE: &str = "site.yaml";

/// The file that [`SILENT`] is written to.
pub(super) const SILENT_FILE: &str = "silent.yaml";

/// A site of one machine that never answers, so that a task on it can be stopped at leisure.
pub(super) const SILENT: &str = "\
schema: drydock/Region/v1
metadata: {name: far-reef}
data: {}
---
schema: drydock/HostProfile/v1
metadata: {name: base}
data:
  oob: {type: simulated}
---
schema: drydock/BaremetalNode/v1
metadata: {name: silent-1}
data:
  host_profile: base
  metadata:
    owner_data: {drydock.dev/simulate-hang: deploy_node}
";

/// Largest site that is generated: what a design is meant to hold.
pub(super) const MAX_NODES: i64 = 100_000;

/// Machines in a rack.
const PER_RACK: u32 = 16;

/// One in so many machines fails, and one in so many stumbles: some of each on two racks.
const ONE_FAILS: u32 = 24;
const ONE_STUMBLES: u32 = 9;

/// Steps that machines fail in, in turn.
const FAILING_STEPS: [&str; 3] = ["deploy_node", "apply_node_storage", "apply_node_networking"];

/// What generated machines have in common.
const COMMON: &str = "\
schema: drydock/Region/v1
metadata: {name: long-harbour}
data: {}
---
schema: drydock/HostProfile/v1
metadata: {name: base}
data:
  oob: {type: simulated}
  metadata:
    tags: [site-managed]
    owner_data: {tier: general}
---
schema: drydock/HostProfile/v1
metadata: {name: control}
data:
  host_profile: base
  metadata:
    tags: [control-plane]
    owner_data: {tier: critical}
---
schema: drydock/HostProfile/v1
metadata: {name: worker}
data:
  host_profile: base
  metadata:
    tags: [worker]
---
schema: drydock/HostProfile/v1
metadata: {name: keeper}
data:
  host_profile: worker
  metadata:
    tags: [storage]
    owner_data: {tier: bulk}
";

/// A site of `nodes` machines in racks, the same one each time: a control node, workers and keepers in each
/// rack, some of which fail and some of which stumble.
pub(super) fn generate(nodes: u32) -> String {
    let mut text = COMMON.to_owned();
    let racks = nodes.div_ceil(PER_RACK);
    for rack in 1..=racks {
        let row = ["quay", "loft"][usize::from(rack % 2 == 0)];
        push(
            &mut text,
            &format!(
                "schema: drydock/Rack/v1\nmetadata: {{name: rack-{rack:04}}}\ndata:\n  labels: {{row: {row}}}\n"
            ),
        );
    }
    for index in 0..nodes {
        let rack = index / PER_RACK + 1;
        let profile = match index % PER_RACK {
            0 => "control",
            1..=12 => "worker",
            _ => "keeper",
        };
        let number = index % PER_RACK + 1;
        let mut node = format!(
            "schema: drydock/BaremetalNode/v1\nmetadata: {{name: {profile}-{rack:04}-{number:02}}}\ndata:\n  host_profile: {profile}\n  metadata:\n    rack: rack-{rack:04}\n"
        );
        if let Some(label) = misbehaviour(index) {
            // Writing to a text does not fail.
            writeln!(node, "    owner_data: {{{label}}}").ok();
        }
        push(&mut text, &node);
    }
    text
}

fn misbehaviour(index: u32) -> Option<String> {
    if index % ONE_FAILS == ONE_FAILS / 3 {
        let step = FAILING_STEPS[(index / ONE_FAILS) as usize % FAILING_STEPS.len()];
        return Some(format!("drydock.dev/simulate-fail: {step}"));
    }
    if index % ONE_STUMBLES == ONE_STUMBLES / 2 {
        let attempts = index / ONE_STUMBLES % 3 + 1;
        return Some(format!(
            "drydock.dev/simulate-flaky: deploy_node={attempts}"
        ));
    }
    None
}

fn push(text: &mut String, document: &str) {
    text.push_str("---\n");
    text.push_str(document);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_site_has_its_machines_and_some_that_misbehave() {
        let site = generate(40);
        let count = |what: &str| site.matches(what).count();
        assert_eq!(count("schema: drydock/BaremetalNode/v1"), 40);
        assert_eq!(count("schema: drydock/Rack/v1"), 3);
        assert_eq!(count("simulate-fail"), 2);
        assert!(count("simulate-flaky") > 2);
        assert_eq!(generate(1).matches("drydock.dev").count(), 0);
    }
}
