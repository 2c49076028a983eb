//! The worked example of the node filter: `a` and `c`, whoever is asked.

use std::collections::BTreeMap;

use drydock::proto::v1::{
    CreateTaskRequest, FilterType, NodeFilter, NodeFilterSet, ResolveNodeFilterRequest, TaskAction,
    TaskStatus,
};

use crate::support::client::{Client, create_request};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};

on_both_databases!(
    the_worked_example_selects_a_and_c,
    a_rehearsal_names_a_and_c_and_stores_nothing,
    each_criterion_selects_as_its_filter_type_says,
);

/// Three machines and a filter that selects two of them.
pub(crate) fn worked_site() -> Site {
    Site::of(&[
        Machine::named("a")
            .label("type", "physical")
            .label("color", "blue"),
        Machine::named("b")
            .label("type", "virtual")
            .label("color", "yellow"),
        Machine::named("c")
            .label("type", "physical")
            .label("color", "yellow"),
    ])
}

fn worked_filter() -> NodeFilterSet {
    let labels = [("color", "yellow"), ("type", "physical")];
    NodeFilterSet {
        filter_set_type: FilterType::Union.into(),
        filter_set: vec![
            NodeFilter {
                filter_type: FilterType::Intersection.into(),
                node_labels: BTreeMap::from(
                    labels.map(|(key, value)| (key.to_owned(), value.to_owned())),
                ),
                ..NodeFilter::default()
            },
            NodeFilter {
                filter_type: FilterType::Intersection.into(),
                node_names: vec!["a".to_owned()],
                ..NodeFilter::default()
            },
        ],
    }
}

async fn the_worked_example_selects_a_and_c(database: Database) {
    let site = worked_site();
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let request = ResolveNodeFilterRequest {
        design_ref: site.reference(),
        node_filter: Some(worked_filter()),
        ..ResolveNodeFilterRequest::default()
    };
    let answer = client.designs.clone().resolve_node_filter(request).await;
    let answer = answer.expect("the filter is resolved").into_inner();
    let names: Vec<_> = answer.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(answer.total, Some(2));
    let matched: Vec<_> = answer
        .match_counts
        .iter()
        .map(|one| one.node_count)
        .collect();
    assert_eq!(matched, [Some(1), Some(1)]);
}

async fn a_rehearsal_names_a_and_c_and_stores_nothing(database: Database) {
    let site = worked_site();
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let rehearsed = client
        .try_create(CreateTaskRequest {
            node_filter: Some(worked_filter()),
            validate_only: true,
            ..create_request(TaskAction::DestroyNode, &site.reference())
        })
        .await
        .expect("the rehearsal is answered");
    assert_eq!(rehearsed.target_nodes, ["a", "c"]);
    assert_eq!(rehearsed.target_node_count, Some(2));
    assert_eq!(rehearsed.status(), TaskStatus::Requested);
    assert_eq!(rehearsed.task_id, "");
    assert_eq!(client.list().await, []);
}

async fn each_criterion_selects_as_its_filter_type_says(database: Database) {
    let site = Site::of(&[
        Machine::named("a")
            .tag("x")
            .tag("y")
            .rack("r1")
            .label("k", "1"),
        Machine::named("b")
            .tag("x")
            .rack("r2")
            .label("k", "1")
            .label("l", "2"),
        Machine::named("c").tag("z"),
    ]);
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let labels = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let none = NodeFilter::default;
    for (what, criteria, intersection, union) in [
        (
            "names",
            NodeFilter {
                node_names: texts(&["c", "a", "nobody"]),
                ..none()
            },
            "a c",
            "a c",
        ),
        (
            "tags",
            NodeFilter {
                node_tags: texts(&["x", "y"]),
                ..none()
            },
            "a",
            "a b",
        ),
        (
            "labels",
            NodeFilter {
                node_labels: labels(&[("k", "1"), ("l", "2")]),
                ..none()
            },
            "b",
            "a b",
        ),
        (
            "racks",
            NodeFilter {
                rack_names: texts(&["r1", "r2"]),
                ..none()
            },
            "a b",
            "a b",
        ),
        (
            "rack labels",
            NodeFilter {
                rack_labels: labels(&[("rack", "r2")]),
                ..none()
            },
            "b",
            "b",
        ),
        (
            "two criteria",
            NodeFilter {
                node_tags: texts(&["x"]),
                rack_names: texts(&["r2", "r3"]),
                ..none()
            },
            "b",
            "a b",
        ),
    ] {
        let types = [FilterType::Intersection, FilterType::Union];
        for (filter_type, expected) in types.into_iter().zip([intersection, union]) {
            let filter = NodeFilter {
                filter_type: filter_type.into(),
                ..criteria.clone()
            };
            let request = ResolveNodeFilterRequest {
                design_ref: site.reference(),
                node_filter: Some(NodeFilterSet {
                    filter_set_type: FilterType::Intersection.into(),
                    filter_set: vec![filter],
                }),
                ..ResolveNodeFilterRequest::default()
            };
            let answer = client.designs.clone().resolve_node_filter(request).await;
            let nodes = answer.expect("the filter is resolved").into_inner().nodes;
            let names: Vec<_> = nodes.into_iter().map(|node| node.name).collect();
            assert_eq!(names.join(" "), expected, "{what}, {filter_type:?}");
        }
    }
}
