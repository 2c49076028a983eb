//! Selecting nodes, in this process: what a filter costs once the design is loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use drydock::domain::inventory::{Inventory, Node};
use drydock::domain::node_filter::{FilterType, NodeFilter, NodeFilterSet, select};

use crate::Result;
use crate::report::{Floor, Row, count};
use crate::sample::{Figures, Sample};
use crate::world::World;

const FLOOR: Duration = Duration::from_millis(1);

/// Selections of one run.
const SELECTIONS: usize = 200;

/// Nodes of a rack.
const RACK_SIZE: usize = 40;

/// Names in the filter that has as many as a request may.
const NAMES: usize = 10_000;

pub(crate) async fn run(world: &World) -> Result<Vec<Row>> {
    let nodes = world.sizes.filtered_nodes;
    let inventory = inventory(nodes)?;
    let one = |filter: NodeFilter| NodeFilterSet {
        filter_set_type: FilterType::Intersection,
        filter_set: vec![filter],
    };
    let none = || empty(FilterType::Intersection);
    let filters = [
        (
            "one name",
            one(NodeFilter {
                node_names: vec![node_name(nodes / 2)],
                ..none()
            }),
        ),
        (
            "one tag",
            one(NodeFilter {
                node_tags: vec!["tag-1".to_owned()],
                ..none()
            }),
        ),
        (
            "one label",
            one(NodeFilter {
                node_labels: pairs([("color", "color-1")]),
                ..none()
            }),
        ),
        (
            "one rack",
            one(NodeFilter {
                rack_names: vec!["rack-7".to_owned()],
                ..none()
            }),
        ),
        ("labels, tags and rack labels, intersected", labels()),
        ("two filters that select nearly everything, united", most()),
        ("10,000 names", names(nodes)),
    ];
    let mut rows = Vec::new();
    for (name, filters) in filters {
        let mut sample = Sample::default();
        let mut selected = 0;
        let begun = Instant::now();
        for _ in 0..SELECTIONS {
            let begun = Instant::now();
            selected = black_box(select(black_box(&inventory), Some(&filters)))
                .nodes
                .len();
            sample.latencies.push(begun.elapsed());
        }
        sample.elapsed = begun.elapsed();
        sample.operations = SELECTIONS as u64;
        let verdict = Floor::AtMost(FLOOR.as_secs_f64()).judge(sample.p50().as_secs_f64());
        rows.push(Row {
            name: name.to_owned(),
            unit: "filters",
            figures: Figures::of(&[sample]),
            result: format!(
                "{} of {} nodes",
                count(selected as f64),
                count(nodes as f64)
            ),
            floor: format!("p50 <= {} ms", FLOOR.as_millis()),
            verdict: Some(verdict),
        });
    }
    Ok(rows)
}

fn node_name(number: usize) -> String {
    format!("node-{number:06}")
}

fn inventory(nodes: usize) -> Result<Inventory> {
    let pair = |key: &str, value: String| (key.to_owned(), value);
    let nodes = (0..nodes).map(|number| Node {
        name: node_name(number),
        rack: Some(format!("rack-{}", number / RACK_SIZE)),
        tags: BTreeSet::from([format!("tag-{}", number % 3), "all".to_owned()]),
        labels: BTreeMap::from([
            pair("color", format!("color-{}", number % 2)),
            pair("type", "physical".to_owned()),
        ]),
        oob_type: Some("redfish".to_owned()),
        ..Node::default()
    });
    let nodes: Vec<Node> = nodes.collect();
    let racks = (0..nodes.len().div_ceil(RACK_SIZE))
        .map(|rack| {
            let row = BTreeMap::from([pair("row", format!("row-{}", rack % 4))]);
            (format!("rack-{rack}"), row)
        })
        .collect();
    Ok(Inventory::new(Some("site".to_owned()), nodes, racks)?)
}

fn empty(filter_type: FilterType) -> NodeFilter {
    NodeFilter {
        filter_type,
        node_names: Vec::new(),
        node_tags: Vec::new(),
        node_labels: BTreeMap::new(),
        rack_names: Vec::new(),
        rack_labels: BTreeMap::new(),
    }
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn labels() -> NodeFilterSet {
    NodeFilterSet {
        filter_set_type: FilterType::Intersection,
        filter_set: vec![NodeFilter {
            node_tags: vec!["all".to_owned(), "tag-0".to_owned()],
            node_labels: pairs([("color", "color-1"), ("type", "physical")]),
            rack_labels: pairs([("row", "row-1")]),
            ..empty(FilterType::Intersection)
        }],
    }
}

fn most() -> NodeFilterSet {
    let filter = |color| NodeFilter {
        node_tags: vec!["all".to_owned()],
        node_labels: pairs([("color", color), ("type", "physical")]),
        ..empty(FilterType::Union)
    };
    NodeFilterSet {
        filter_set_type: FilterType::Union,
        filter_set: vec![filter("color-0"), filter("color-1")],
    }
}

fn names(nodes: usize) -> NodeFilterSet {
    let step = (nodes / NAMES).max(1);
    NodeFilterSet {
        filter_set_type: FilterType::Intersection,
        filter_set: vec![NodeFilter {
            node_names: (0..nodes)
                .step_by(step)
                .take(NAMES)
                .map(node_name)
                .collect(),
            ..empty(FilterType::Union)
        }],
    }
}
