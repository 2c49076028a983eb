//! Node filters and task filters of requests.

use super::enums;
use super::fields;
use super::validate::MAX_TASK_LABELS;
use super::violations::Check;
use crate::domain::node_filter::{NodeFilter, NodeFilterSet};
use crate::domain::{TaskFilter, TaskId};
use crate::proto::v1;

/// The most filters of a set.
const MAX_FILTERS: usize = 100;
/// The most names of nodes, or of racks, in a filter.
const MAX_NAMES: usize = 10_000;
/// The most tags, or labels, in a filter.
const MAX_TAGS: usize = 1_000;

/// A node filter; the inner none: all nodes.
pub(super) fn node_filter(
    check: &mut Check,
    set: Option<v1::NodeFilterSet>,
) -> Option<Option<NodeFilterSet>> {
    let Some(set) = set else {
        return Some(None);
    };
    let filter_set_type = fields::known(
        check,
        "node_filter.filter_set_type",
        set.filter_set_type,
        enums::filter_type,
    );
    if set.filter_set.is_empty() || set.filter_set.len() > MAX_FILTERS {
        check.refuse(
            "node_filter.filter_set",
            format!("must be 1 to {MAX_FILTERS} filters"),
        );
        return None;
    }
    let count = set.filter_set.len();
    let mut filter_set = Vec::with_capacity(count);
    for (index, filter) in set.filter_set.into_iter().enumerate() {
        filter_set.extend(one_filter(check, index, filter));
    }
    if filter_set.len() < count {
        return None;
    }
    Some(Some(NodeFilterSet {
        filter_set_type: filter_set_type?,
        filter_set,
    }))
}

fn one_filter(check: &mut Check, index: usize, filter: v1::NodeFilter) -> Option<NodeFilter> {
    let path = format!("node_filter.filter_set[{index}]");
    let empty = filter.node_names.is_empty()
        && filter.node_tags.is_empty()
        && filter.node_labels.is_empty()
        && filter.rack_names.is_empty()
        && filter.rack_labels.is_empty();
    if empty {
        check.refuse(&path, "must have at least one criterion");
    }
    let field = |name: &str| format!("{path}.{name}");
    let filter_type = fields::known(
        check,
        field("filter_type"),
        filter.filter_type,
        enums::filter_type,
    );
    let node_names = fields::names(check, field("node_names"), filter.node_names, MAX_NAMES);
    let node_tags = fields::names(check, field("node_tags"), filter.node_tags, MAX_TAGS);
    let node_labels = fields::labels(check, field("node_labels"), filter.node_labels, MAX_TAGS);
    let rack_names = fields::names(check, field("rack_names"), filter.rack_names, MAX_NAMES);
    let rack_labels = fields::labels(check, field("rack_labels"), filter.rack_labels, MAX_TAGS);
    if empty {
        return None;
    }
    Some(NodeFilter {
        filter_type: filter_type?,
        node_names: node_names?,
        node_tags: node_tags?,
        node_labels: node_labels?,
        rack_names: rack_names?,
        rack_labels: rack_labels?,
    })
}

/// A task filter. The one without a field matches every task.
pub(super) fn task_filter(check: &mut Check, filter: v1::TaskFilter) -> Option<TaskFilter> {
    let status = fields::known_set(check, "filter.status", &filter.status, enums::task_status);
    let action = fields::known_set(check, "filter.action", &filter.action, enums::action);
    let result_status = fields::known_set(
        check,
        "filter.result_status",
        &filter.result_status,
        enums::result_status,
    );
    // An identity may be a URI, so it gets the room of one.
    let created_by = text(
        check,
        "filter.created_by",
        filter.created_by,
        fields::MAX_DESIGN_REF,
    );
    let created_after = optional(filter.created_after, |time| {
        fields::moment(check, "filter.created_after", &time)
    });
    let created_before = optional(filter.created_before, |time| {
        fields::moment(check, "filter.created_before", &time)
    });
    let parent_task_id = id(check, "filter.parent_task_id", &filter.parent_task_id);
    let root_task_id = id(check, "filter.root_task_id", &filter.root_task_id);
    let node_name = text(
        check,
        "filter.node_name",
        filter.node_name,
        fields::MAX_NAME,
    );
    let design_ref = text(
        check,
        "filter.design_ref",
        filter.design_ref,
        fields::MAX_DESIGN_REF,
    );
    let labels = fields::labels(check, "filter.labels", filter.labels, MAX_TASK_LABELS);
    Some(TaskFilter {
        status: status?,
        action: action?,
        result_status: result_status?,
        created_by: created_by?,
        created_after: created_after?,
        created_before: created_before?,
        parent_task_id: parent_task_id?,
        root_task_id: root_task_id?,
        roots_only: filter.roots_only,
        node_name: node_name?,
        design_ref: design_ref?,
        labels: labels?,
    })
}

/// A text that is not asked for where it is empty.
pub(super) fn text(
    check: &mut Check,
    path: &str,
    value: String,
    max: usize,
) -> Option<Option<String>> {
    if value.is_empty() {
        return Some(None);
    }
    fields::text(check, path, &value, max)?;
    Some(Some(value))
}

/// An id that is not asked for where it is empty.
pub(super) fn id(check: &mut Check, path: &str, value: &str) -> Option<Option<TaskId>> {
    if value.is_empty() {
        return Some(None);
    }
    fields::uuid(check, path, value).map(|uuid| Some(TaskId(uuid)))
}

fn optional<T, U>(value: Option<T>, read: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}
