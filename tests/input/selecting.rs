//! Bad node filters: each could select other nodes than its author meant.

use drydock::proto::v1::{CreateTaskRequest, FilterType, NodeFilter, NodeFilterSet};

use crate::call::{Call, Case};
use crate::creating::good;
use crate::naming::{label, labels, long, names};

/// Every case. `design_ref` is a good reference.
pub(crate) fn cases(design_ref: &str) -> Vec<Case> {
    let mut cases = sets(design_ref);
    cases.extend(filters(design_ref));
    cases
}

/// A good filter.
pub(crate) fn filter() -> NodeFilter {
    NodeFilter {
        filter_type: FilterType::Intersection.into(),
        node_names: names(1),
        ..NodeFilter::default()
    }
}

/// A good set of filters.
pub(crate) fn set(filter_set: Vec<NodeFilter>) -> Option<NodeFilterSet> {
    Some(NodeFilterSet {
        filter_set_type: FilterType::Union.into(),
        filter_set,
    })
}

fn sets(design_ref: &str) -> Vec<Case> {
    let case = |what, node_filter, paths: &[&str]| {
        let request = CreateTaskRequest {
            node_filter,
            ..good(design_ref)
        };
        Case::new(what, Call::Create(request), paths)
    };
    let of_type = |filter_set_type| {
        Some(NodeFilterSet {
            filter_set_type,
            filter_set: vec![filter()],
        })
    };
    let without_type = NodeFilter {
        filter_type: 0,
        ..filter()
    };
    let unknown_type = NodeFilter {
        filter_type: 3,
        ..filter()
    };
    let without_criterion = NodeFilter {
        node_names: Vec::new(),
        ..filter()
    };
    vec![
        case(
            "an empty set, which would be all nodes",
            Some(NodeFilterSet::default()),
            &["node_filter.filter_set_type", "node_filter.filter_set"],
        ),
        case(
            "a set without filters",
            set(Vec::new()),
            &["node_filter.filter_set"],
        ),
        case(
            "too many filters",
            set(vec![filter(); 101]),
            &["node_filter.filter_set"],
        ),
        case(
            "a set without a type",
            of_type(0),
            &["node_filter.filter_set_type"],
        ),
        case(
            "a set of an unknown type",
            of_type(3),
            &["node_filter.filter_set_type"],
        ),
        case(
            "a set of a negative type",
            of_type(-1),
            &["node_filter.filter_set_type"],
        ),
        case(
            "a filter without a type",
            set(vec![filter(), without_type]),
            &["node_filter.filter_set[1].filter_type"],
        ),
        case(
            "a filter of an unknown type",
            set(vec![unknown_type]),
            &["node_filter.filter_set[0].filter_type"],
        ),
        case(
            "a filter without a criterion, which would widen a destroy",
            set(vec![filter(), filter(), without_criterion]),
            &["node_filter.filter_set[2]"],
        ),
        case(
            "a filter with nothing at all",
            set(vec![NodeFilter::default()]),
            &[
                "node_filter.filter_set[0]",
                "node_filter.filter_set[0].filter_type",
            ],
        ),
    ]
}

fn filters(design_ref: &str) -> Vec<Case> {
    let case = |what, change: &dyn Fn(&mut NodeFilter), field: &str| {
        let mut changed = filter();
        change(&mut changed);
        let request = CreateTaskRequest {
            node_filter: set(vec![changed]),
            ..good(design_ref)
        };
        let path = format!("node_filter.filter_set[0].{field}");
        Case::new(what, Call::Create(request), &[&path])
    };
    let long_key = format!("node_labels[{}]", "k".repeat(64));
    vec![
        case(
            "too many names",
            &|f| f.node_names = names(10_001),
            "node_names",
        ),
        case(
            "an empty name",
            &|f| f.node_names = vec![String::new()],
            "node_names[0]",
        ),
        case(
            "a name too long",
            &|f| f.node_names = long(254),
            "node_names[0]",
        ),
        case(
            "a NUL in a name",
            &|f| f.node_names = vec!["a\u{0}".into()],
            "node_names[0]",
        ),
        case(
            "a second name too long",
            &|f| f.node_names.extend(long(254)),
            "node_names[1]",
        ),
        case("too many tags", &|f| f.node_tags = names(1001), "node_tags"),
        case(
            "an empty tag",
            &|f| f.node_tags = vec![String::new()],
            "node_tags[0]",
        ),
        case(
            "a tag too long",
            &|f| f.node_tags = long(254),
            "node_tags[0]",
        ),
        case(
            "an escape in a tag",
            &|f| f.node_tags = vec!["\u{1b}".into()],
            "node_tags[0]",
        ),
        case(
            "too many labels of nodes",
            &|f| f.node_labels = labels(1001),
            "node_labels",
        ),
        case(
            "a node label without a key",
            &|f| f.node_labels = label("", ""),
            "node_labels[]",
        ),
        case(
            "a key of a node label too long",
            &|f| f.node_labels = label("k".repeat(64), ""),
            &long_key,
        ),
        case(
            "a value of a node label too long",
            &|f| f.node_labels = label("k", "v".repeat(254)),
            "node_labels[k]",
        ),
        case(
            "too many racks",
            &|f| f.rack_names = names(10_001),
            "rack_names",
        ),
        case(
            "an empty rack",
            &|f| f.rack_names = vec![String::new()],
            "rack_names[0]",
        ),
        case(
            "a rack too long",
            &|f| f.rack_names = long(254),
            "rack_names[0]",
        ),
        case(
            "too many labels of racks",
            &|f| f.rack_labels = labels(1001),
            "rack_labels",
        ),
        case(
            "a value of a rack label too long",
            &|f| f.rack_labels = label("k", "v".repeat(254)),
            "rack_labels[k]",
        ),
        case(
            "a NUL in a rack label",
            &|f| f.rack_labels = label("k", "\u{0}"),
            "rack_labels[k]",
        ),
    ]
}
