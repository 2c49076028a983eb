//! Inventories: values that are unusable, sites of full size, and the example.

use std::fmt::Write as _;

use super::super::support::{TestResult, codes, design, errors};
use super::*;
use crate::domain::node_filter::{FilterType, NodeFilter, NodeFilterSet, select};

#[test]
fn unusable_values_are_warnings_and_left_out() -> TestResult {
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    let text = format!(
        "schema: drydock/BaremetalNode/v1\nmetadata: {{name: n}}\ndata:\n  oob: {{type: [a]}}\n  \
         metadata:\n    rack: {{a: b}}\n    tags: [a, [b], {long}]\n    \
         owner_data: {{a: b, c: [d], e: {long}}}\n---\n\
         schema: drydock/BaremetalNode/v1\nmetadata: {{name: m}}\ndata:\n  \
         metadata: {{tags: a, owner_data: b}}\n---\n\
         schema: drydock/Rack/v1\nmetadata: {{name: r}}\ndata: {{labels: [a]}}\n"
    );

    let design = design(&text)?;

    assert_eq!(codes(&design.findings), [Code::UnusableValue; 7]);
    assert_eq!(
        design.findings[2].to_string(),
        "site.yaml:7:11: BaremetalNode/n: data.metadata.tags: 2 entries have no form that a node \
         filter could ask for, and this is ignored"
    );
    let Some(node) = design.inventory.get("n") else {
        panic!("n is missing")
    };
    assert_eq!((&node.rack, &node.oob_type), (&None, &None));
    assert_eq!(node.tags.iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(node.labels.keys().collect::<Vec<_>>(), ["a"]);
    assert!(design.inventory.racks()["r"].is_empty());
    Ok(())
}

#[test]
fn a_design_without_regions_has_no_site_name() -> TestResult {
    assert_eq!(design("# nothing\n")?.inventory.site(), None);
    assert_eq!(codes(&design("")?.findings), [Code::NoDocuments]);
    Ok(())
}

#[test]
fn the_first_of_several_regions_names_the_site() -> TestResult {
    let region =
        |name: &str| format!("---\nschema: drydock/Region/v1\nmetadata: {{name: {name}}}\n");

    let design = design(&format!("{}{}", region("b"), region("a")))?;

    assert_eq!(design.inventory.site(), Some("b"));
    assert_eq!(codes(&design.findings), [Code::SeveralRegions]);
    Ok(())
}

#[test]
fn a_node_has_a_most_of_tags() {
    let tags: Vec<String> = (0..=MAX_ENTRIES).map(|at| format!("t{at}")).collect();
    let text = format!(
        "schema: drydock/BaremetalNode/v1\nmetadata: {{name: n}}\ndata: {{metadata: {{tags: [{}]}}}}\n",
        tags.join(", ")
    );
    assert_eq!(codes(&errors(&text)), [Code::TooLarge]);
}

#[test]
fn ten_thousand_nodes_load() -> TestResult {
    let mut text = "schema: drydock/Region/v1\nmetadata: {name: large}\n---\n\
                    schema: drydock/HostProfile/v1\nmetadata: {name: p}\ndata:\n  \
                    oob: {type: simulated}\n  metadata: {tags: [a, b, c]}\n"
        .to_owned();
    for at in 0..10_000 {
        write!(
            text,
            "---\nschema: drydock/BaremetalNode/v1\nmetadata:\n  schema: metadata/Document/v1\n  \
             name: node-{at}\n  storagePolicy: cleartext\ndata:\n  host_profile: p\n  addressing:\n    \
             - network: pxe\n      address: dhcp\n    - network: mgmt\n      address: 10.0.0.1\n  \
             metadata:\n    rack: rack-{}\n    tags: [t{}]\n    owner_data: {{serial: s{at}}}\n",
            at / 40,
            at % 7,
        )?;
    }

    let design = design(&text)?;

    assert_eq!(design.inventory.nodes().len(), 10_000);
    assert!(design.stored.len() < text.len() / 5);
    Ok(())
}

#[test]
fn the_example_site_loads_and_is_all_simulated() -> TestResult {
    let design = design(include_str!("../../../examples/site/site.yaml"))?;

    assert!(design.findings.is_empty(), "{:?}", design.findings);
    let site = &design.inventory;
    assert_eq!(site.site(), Some("port-ellis"));
    assert_eq!(site.nodes().len(), 13);
    assert_eq!(site.racks().len(), 3);
    assert!(
        site.nodes()
            .iter()
            .all(|node| node.oob_type.as_deref() == Some("simulated"))
    );
    assert!(site.nodes().iter().all(|node| node.rack.is_some()));

    let labelled = |key: &str| {
        let with = site
            .nodes()
            .iter()
            .filter(|node| node.labels.contains_key(key));
        with.map(|node| (node.name.as_str(), node.labels[key].as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        labelled("drydock.dev/simulate-fail"),
        [("worker-2", "deploy_node")]
    );
    assert_eq!(
        labelled("drydock.dev/simulate-flaky"),
        [("worker-3", "deploy_node=2")]
    );

    let Some(keeper) = site.get("keeper-4") else {
        panic!("keeper-4 is missing")
    };
    assert_eq!(
        keeper.tags.iter().collect::<Vec<_>>(),
        ["site-managed", "storage", "worker"]
    );
    assert_eq!(
        keeper.labels,
        Labels::from([("tier".to_owned(), "bulk".to_owned())])
    );

    let filter = NodeFilter {
        filter_type: FilterType::Intersection,
        node_names: Vec::new(),
        node_tags: vec!["worker".to_owned()],
        node_labels: Labels::new(),
        rack_names: Vec::new(),
        rack_labels: Labels::from([("row".to_owned(), "loft".to_owned())]),
    };
    let filters = NodeFilterSet {
        filter_set_type: FilterType::Union,
        filter_set: vec![filter],
    };
    let selection = select(site, Some(&filters));
    let names: Vec<_> = selection.names(site).collect();
    assert_eq!(names, ["keeper-3", "keeper-4", "worker-5", "worker-6"]);
    Ok(())
}
