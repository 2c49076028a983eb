//! A task's node filter as it is shown, and what of it is left out where it is too large.

use std::collections::BTreeMap;

use prost::Message as _;

use super::enums;
use super::size::{Budget, FIRST_ENTRIES_BYTES, LABEL_OVERHEAD, NAME_OVERHEAD};
use crate::domain::node_filter::{NodeFilter, NodeFilterSet};
use crate::proto::v1;

/// A node filter, whole if it fits into `bytes`. Otherwise names, tags and labels are left out from the end,
/// and only in what is shown: the task acts by the whole filter. Every criterion keeps its first entry, as
/// one without any would read as a wider filter than it is.
pub(super) fn show_node_filter(set: &NodeFilterSet, bytes: usize) -> v1::NodeFilterSet {
    let mut budget = Budget::of(usize::MAX);
    let whole = show(set, &mut budget);
    if whole.encoded_len() <= bytes {
        return whole;
    }
    let mut budget = Budget::of(bytes).without(FIRST_ENTRIES_BYTES);
    show(set, &mut budget)
}

fn show(set: &NodeFilterSet, budget: &mut Budget) -> v1::NodeFilterSet {
    v1::NodeFilterSet {
        filter_set_type: enums::to_filter_type(set.filter_set_type).into(),
        filter_set: set
            .filter_set
            .iter()
            .map(|filter| show_filter(filter, budget))
            .collect(),
    }
}

fn show_filter(filter: &NodeFilter, budget: &mut Budget) -> v1::NodeFilter {
    v1::NodeFilter {
        filter_type: enums::to_filter_type(filter.filter_type).into(),
        node_names: texts(&filter.node_names, budget),
        node_tags: texts(&filter.node_tags, budget),
        node_labels: labels(&filter.node_labels, budget),
        rack_names: texts(&filter.rack_names, budget),
        rack_labels: labels(&filter.rack_labels, budget),
    }
}

fn texts(texts: &[String], budget: &mut Budget) -> Vec<String> {
    texts
        .iter()
        .enumerate()
        .take_while(|(index, text)| budget.take(text.len() + NAME_OVERHEAD) || *index == 0)
        .map(|(_, text)| text.clone())
        .collect()
}

fn labels(labels: &BTreeMap<String, String>, budget: &mut Budget) -> BTreeMap<String, String> {
    labels
        .iter()
        .enumerate()
        .take_while(|(index, (key, value))| {
            budget.take(key.len() + value.len() + LABEL_OVERHEAD) || *index == 0
        })
        .map(|(_, (key, value))| (key.clone(), value.clone()))
        .collect()
}
