//! Tests of node filters, against the contract's example and a naive reference.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::domain::inventory::Node;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn filter(filter_type: FilterType) -> NodeFilter {
    NodeFilter {
        filter_type,
        node_names: Vec::new(),
        node_tags: Vec::new(),
        node_labels: Labels::new(),
        rack_names: Vec::new(),
        rack_labels: Labels::new(),
    }
}

fn set(filter_set_type: FilterType, filter_set: Vec<NodeFilter>) -> NodeFilterSet {
    NodeFilterSet {
        filter_set_type,
        filter_set,
    }
}

/// Three nodes: those of the contract's worked example, each in a rack of its own kind.
fn site() -> Result<Inventory, crate::domain::inventory::InventoryError> {
    let node = |name: &str, rack: Option<&str>, tags: &[&str], owner: &[(&str, &str)]| Node {
        name: name.to_owned(),
        rack: rack.map(str::to_owned),
        tags: strings(tags).into_iter().collect(),
        labels: labels(owner),
        oob_type: None,
        ..Node::default()
    };
    Inventory::new(
        Some("example".to_owned()),
        vec![
            node(
                "a",
                Some("r1"),
                &["t1", "t2"],
                &[("type", "physical"), ("color", "blue")],
            ),
            node(
                "b",
                Some("r2"),
                &["t1"],
                &[("type", "virtual"), ("color", "yellow")],
            ),
            node("c", None, &[], &[("type", "physical"), ("color", "yellow")]),
        ],
        BTreeMap::from([
            ("r1".to_owned(), labels(&[("row", "1"), ("feed", "a")])),
            ("r2".to_owned(), labels(&[("row", "2"), ("feed", "a")])),
            ("r3".to_owned(), labels(&[("row", "3")])),
        ]),
    )
}

fn selected(filters: Option<&NodeFilterSet>) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let site = site()?;
    let selection = select(&site, filters);
    Ok(selection.names(&site).map(str::to_owned).collect())
}

#[test]
fn worked_example_selects_a_and_c() -> TestResult {
    let yellow_metal = NodeFilter {
        node_labels: labels(&[("color", "yellow"), ("type", "physical")]),
        ..filter(FilterType::Intersection)
    };
    let named = NodeFilter {
        node_names: strings(&["a"]),
        ..filter(FilterType::Intersection)
    };
    let both = set(FilterType::Union, vec![yellow_metal, named]);

    let site = site()?;
    let selection = select(&site, Some(&both));

    assert_eq!(selection.names(&site).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(
        selection
            .matches
            .iter()
            .map(|each| each.node_count)
            .collect::<Vec<_>>(),
        [1, 1]
    );
    Ok(())
}

#[test]
fn no_filter_set_selects_every_node() -> TestResult {
    assert_eq!(selected(None)?, ["a", "b", "c"]);
    Ok(())
}

#[test]
fn what_is_empty_selects_nothing() -> TestResult {
    for how in [FilterType::Intersection, FilterType::Union] {
        assert!(selected(Some(&set(how, Vec::new())))?.is_empty());
        for inner in [FilterType::Intersection, FilterType::Union] {
            assert!(selected(Some(&set(how, vec![filter(inner)])))?.is_empty());
        }
    }
    Ok(())
}

#[test]
fn an_empty_filter_empties_an_intersection_of_filters() -> TestResult {
    let named = NodeFilter {
        node_names: strings(&["a"]),
        ..filter(FilterType::Union)
    };
    let filters = vec![named, filter(FilterType::Intersection)];

    assert!(selected(Some(&set(FilterType::Intersection, filters.clone())))?.is_empty());
    assert_eq!(selected(Some(&set(FilterType::Union, filters)))?, ["a"]);
    Ok(())
}

#[test]
fn filter_type_joins_tags_labels_and_rack_labels() -> TestResult {
    let cases: [(NodeFilter, &[&str], &[&str]); 4] = [
        (
            NodeFilter {
                node_tags: strings(&["t1", "t2"]),
                ..filter(FilterType::Union)
            },
            &["a"],
            &["a", "b"],
        ),
        (
            NodeFilter {
                node_labels: labels(&[("type", "physical"), ("color", "yellow")]),
                ..filter(FilterType::Union)
            },
            &["c"],
            &["a", "b", "c"],
        ),
        (
            NodeFilter {
                rack_labels: labels(&[("row", "2"), ("feed", "a")]),
                ..filter(FilterType::Union)
            },
            &["b"],
            &["a", "b"],
        ),
        (
            NodeFilter {
                node_names: strings(&["a", "c"]),
                rack_names: strings(&["r1", "r2"]),
                ..filter(FilterType::Union)
            },
            &["a"],
            &["a", "b", "c"],
        ),
    ];
    for (filter, every, any) in cases {
        for (filter_type, expected) in [(FilterType::Intersection, every), (FilterType::Union, any)]
        {
            let one = NodeFilter {
                filter_type,
                ..filter.clone()
            };
            assert_eq!(
                selected(Some(&set(FilterType::Union, vec![one])))?,
                expected
            );
        }
    }
    Ok(())
}

#[test]
fn names_that_match_nothing_are_reported_once_and_sorted() -> TestResult {
    let filter = NodeFilter {
        node_names: strings(&["zz", "a", "zz"]),
        rack_names: strings(&["r9", "r1", "r3"]),
        ..filter(FilterType::Union)
    };

    let selection = select(&site()?, Some(&set(FilterType::Union, vec![filter])));

    // Rack `r3` has a document but no node, so it matched nothing.
    assert_eq!(selection.matches[0].unmatched_names, ["r3", "r9", "zz"]);
    assert_eq!(selection.nodes, [0]);
    Ok(())
}

#[test]
fn documents_use_the_seed_keys_and_tokens() -> TestResult {
    let document = serde_json::json!({
        "filter_set_type": "union",
        "filter_set": [{
            "filter_type": "intersection",
            "node_names": null,
            "node_tags": ["t1"],
            "node_labels": {"color": "blue"},
        }],
    });

    let read: NodeFilterSet = serde_json::from_value(document)?;
    assert_eq!(read.filter_set_type, FilterType::Union);
    assert_eq!(selected(Some(&read))?, ["a"]);

    let written = serde_json::to_value(&read)?;
    assert_eq!(
        written["filter_set"][0]["rack_labels"],
        serde_json::json!({})
    );
    assert_eq!(serde_json::from_value::<NodeFilterSet>(written)?, read);
    Ok(())
}

#[test]
fn misspelt_documents_are_refused() {
    for document in [
        r#"{"filter_set_type": "bogus", "filter_set": []}"#,
        r#"{"filter_set_type": "UNION", "filter_set": []}"#,
        r#"{"filter_set": []}"#,
        r#"{"filter_set_type": "union", "filter_set": "zzz"}"#,
        r#"{"filter_set_type": "union", "filter_set": [{"node_names": ["a"]}]}"#,
        r#"{"filter_set_type": "union", "filter_set": [{"filter_type": "union", "names": ["a"]}]}"#,
    ] {
        assert!(
            serde_json::from_str::<NodeFilterSet>(document).is_err(),
            "{document}"
        );
    }
}

#[test]
fn every_filter_type_has_a_token() {
    for each in [FilterType::Intersection, FilterType::Union] {
        assert_eq!(FilterType::parse(each.token()), Some(each));
    }
    assert_eq!(FilterType::parse("Union"), None);
    assert_eq!(FilterType::parse(""), None);
}

/// The contract read aloud, one node at a time and without any index.
fn naive(inventory: &Inventory, filters: &NodeFilterSet) -> Vec<usize> {
    let joined = |how: FilterType, answers: &[bool]| match how {
        FilterType::Intersection => !answers.is_empty() && answers.iter().all(|yes| *yes),
        FilterType::Union => answers.iter().any(|yes| *yes),
    };
    let chosen = |node: &Node, filter: &NodeFilter| {
        let how = filter.filter_type;
        let no_labels = Labels::new();
        let rack = node
            .rack
            .as_ref()
            .and_then(|rack| inventory.racks().get(rack));
        let rack = rack.unwrap_or(&no_labels);
        let has = |wanted: &Labels, labels: &Labels| {
            let each = wanted
                .iter()
                .map(|(key, value)| labels.get(key) == Some(value));
            joined(how, &each.collect::<Vec<_>>())
        };
        let mut answers = Vec::new();
        if !filter.node_names.is_empty() {
            answers.push(filter.node_names.contains(&node.name));
        }
        if !filter.rack_names.is_empty() {
            answers.push(
                node.rack
                    .as_ref()
                    .is_some_and(|rack| filter.rack_names.contains(rack)),
            );
        }
        if !filter.node_tags.is_empty() {
            let each = filter.node_tags.iter().map(|tag| node.tags.contains(tag));
            answers.push(joined(how, &each.collect::<Vec<_>>()));
        }
        if !filter.node_labels.is_empty() {
            answers.push(has(&filter.node_labels, &node.labels));
        }
        if !filter.rack_labels.is_empty() {
            answers.push(has(&filter.rack_labels, rack));
        }
        joined(how, &answers)
    };
    let nodes = inventory.nodes().iter().enumerate();
    let selected = nodes.filter(|(_, node)| {
        let answers: Vec<_> = filters
            .filter_set
            .iter()
            .map(|each| chosen(node, each))
            .collect();
        joined(filters.filter_set_type, &answers)
    });
    selected.map(|(position, _)| position).collect()
}

fn any_type() -> impl Strategy<Value = FilterType> {
    prop_oneof![Just(FilterType::Intersection), Just(FilterType::Union)]
}

fn any_labels(most: usize) -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[kl]", "[xy]", 0..=most)
}

fn any_filters() -> impl Strategy<Value = NodeFilterSet> {
    let some = |pattern: &'static str| prop::collection::vec(pattern, 0..3);
    let filter = (
        any_type(),
        some("n[0-9]{1,2}"),
        some("[tuv]"),
        any_labels(2),
        some("r[0-4]"),
        any_labels(2),
    );
    let filter = filter.prop_map(
        |(filter_type, node_names, node_tags, node_labels, rack_names, rack_labels)| NodeFilter {
            filter_type,
            node_names,
            node_tags,
            node_labels,
            rack_names,
            rack_labels,
        },
    );
    (any_type(), prop::collection::vec(filter, 0..4)).prop_map(|(filter_set_type, filter_set)| {
        NodeFilterSet {
            filter_set_type,
            filter_set,
        }
    })
}

prop_compose! {
    fn any_site()(
        nodes in prop::collection::btree_map(
            "n[0-9]{1,2}",
            (prop::option::of("r[0-4]"), prop::collection::btree_set("[tuv]", 0..3), any_labels(2)),
            // Past 64, so that sets of more than one word are tried.
            0..90,
        ),
        racks in prop::collection::btree_map("r[0-3]", any_labels(2), 0..4),
    ) -> (Vec<Node>, BTreeMap<String, Labels>) {
        let nodes = nodes.into_iter().map(|(name, (rack, tags, labels))| Node {
            name,
            rack,
            tags: tags.into_iter().collect::<BTreeSet<_>>(),
            labels,
            oob_type: None,
            ..Node::default()
        });
        (nodes.collect(), racks)
    }
}

proptest! {
    #[test]
    fn selection_agrees_with_the_naive_reading(
        (nodes, racks) in any_site(),
        filters in any_filters(),
    ) {
        let inventory = Inventory::new(None, nodes, racks)?;

        let selection = select(&inventory, Some(&filters));

        prop_assert_eq!(&selection.nodes, &naive(&inventory, &filters));
        prop_assert!(selection.nodes.windows(2).all(|pair| pair[0] < pair[1]));
        for (index, (each, filter)) in selection.matches.iter().zip(&filters.filter_set).enumerate() {
            let alone = set(FilterType::Union, vec![filter.clone()]);
            prop_assert_eq!(each.filter_index, index);
            prop_assert_eq!(each.node_count, naive(&inventory, &alone).len());
        }
    }
}
