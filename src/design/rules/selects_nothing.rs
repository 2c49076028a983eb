//! Node filters of boot actions that ask for what no node has.

use std::collections::BTreeSet;

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::inventory::Inventory;
use crate::domain::node_filter::select;
use crate::domain::site::boot_action::Filter;

pub(super) const RULE: Rule = Rule {
    code: "selects_nothing",
    severity: Severity::Warning,
    summary: "a boot action for nodes that do not exist",
    explanation: "A node filter asks for a name, tag, label or rack that no node has, or selects no \
        node by all it asks for together. The boot action runs on fewer machines than meant, or on \
        none. It is a warning because the machines may be on their way.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {metadata: {tags: [worker]}}
---
schema: drydock/BootAction/v1
metadata: {name: b}
data:
  node_filter:
    filter_set_type: union
    filter_set:
      - {filter_type: union, node_tags: [worker, wroker]}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {metadata: {tags: [worker]}}
---
schema: drydock/BootAction/v1
metadata: {name: b}
data:
  node_filter:
    filter_set_type: union
    filter_set:
      - {filter_type: union, node_tags: [worker]}
",
        message: "site.yaml:11:50: BootAction/b: \
            data.node_filter.filter_set[0].node_tags[wroker]: no node has the tag `wroker`",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    // A design that does not load has other worries, and no nodes to tell.
    let Some(inventory) = site.inventory else {
        return;
    };
    let mut tags = None;
    for action in &site.boot_actions {
        let Some(set) = &action.spec.node_filter else {
            continue;
        };
        let path = || Path::of("node_filter").field("filter_set");
        let mut told = false;
        for (position, filter) in set.filter_set.iter().enumerate() {
            let tags = tags.get_or_insert_with(|| all_tags(inventory));
            for (field, name, what) in unknown(filter, inventory, tags) {
                let path = path().index(position).field(field).entry(name);
                report.document(action.id, path, format!("no node has the {what} `{name}`"));
                told = true;
            }
        }
        if !told
            && let Some(set) = set.complete()
            && !inventory.nodes().is_empty()
            && select(inventory, Some(&set)).nodes.is_empty()
        {
            report.document(action.id, path(), "the filter selects no node");
        }
    }
}

fn all_tags(inventory: &Inventory) -> BTreeSet<&str> {
    let nodes = inventory.nodes().iter();
    nodes
        .flat_map(|node| node.tags.iter().map(String::as_str))
        .collect()
}

/// What a filter asks for that no node has: the field, the value, and what it is called.
fn unknown<'f>(
    filter: &'f Filter,
    inventory: &Inventory,
    tags: &BTreeSet<&str>,
) -> Vec<(&'static str, &'f str, &'static str)> {
    let names = filter.node_names.iter();
    let names = names.filter(|name| inventory.get(name).is_none());
    let names = names.map(|name| ("node_names", name.as_str(), "name"));
    let asked = filter.node_tags.iter();
    let asked = asked.filter(|tag| !tags.contains(tag.as_str()));
    let asked = asked.map(|tag| ("node_tags", tag.as_str(), "tag"));
    let racks = filter.rack_names.iter();
    let racks = racks.filter(|rack| !stands_in(inventory, rack));
    let racks = racks.map(|rack| ("rack_names", rack.as_str(), "rack"));
    names.chain(asked).chain(racks).collect()
}

fn stands_in(inventory: &Inventory, rack: &str) -> bool {
    let mut nodes = inventory.nodes().iter();
    nodes.any(|node| node.rack.as_deref() == Some(rack))
}
