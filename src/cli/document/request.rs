//! Task documents: what a task should do, read as they were always written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::token;
use crate::proto::v1::{CreateTaskRequest, FilterType, NodeFilter, NodeFilterSet};

/// Keys of the status document that say how a task was, not what one should do. They are ignored, so that
/// a status document can be submitted again.
const READ_ONLY: [&str; 12] = [
    "Kind",
    "apiVersion",
    "created",
    "created_by",
    "parent_task_id",
    "result",
    "status",
    "subtask_id_list",
    "task_id",
    "terminated",
    "terminated_by",
    "updated",
];

/// Why a text is no task document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not JSON, a key is unknown or missing, or a value has the wrong type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A token has no meaning.
    #[error("{key}: `{token}` has no meaning, give {expected}")]
    Token {
        /// The key it is under.
        key: String,
        /// The token.
        token: String,
        /// What could be there.
        expected: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskDocument {
    action: String,
    design_ref: String,
    node_filter: Option<FilterSetDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterSetDocument {
    filter_set_type: Option<String>,
    filter_set: Vec<FilterDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterDocument {
    filter_type: Option<String>,
    node_names: Option<Vec<String>>,
    node_tags: Option<Vec<String>>,
    node_labels: Option<BTreeMap<String, String>>,
    rack_names: Option<Vec<String>>,
    rack_labels: Option<BTreeMap<String, String>>,
}

/// The request of a task document. What the server checks is left to it, such as a filter without criteria.
pub(in crate::cli) fn parse(text: &str) -> Result<CreateTaskRequest, DocumentError> {
    let mut object: Map<String, Value> = serde_json::from_str(text)?;
    for key in READ_ONLY {
        object.remove(key);
    }
    let document: TaskDocument = serde_json::from_value(Value::Object(object))?;
    let action = token::action(&document.action).map_err(|expected| DocumentError::Token {
        key: "action".to_owned(),
        token: document.action.clone(),
        expected,
    })?;
    Ok(CreateTaskRequest {
        action: token::wire_action(action).into(),
        design_ref: document.design_ref,
        node_filter: document.node_filter.map(filter_set).transpose()?,
        ..CreateTaskRequest::default()
    })
}

fn filter_set(document: FilterSetDocument) -> Result<NodeFilterSet, DocumentError> {
    let filters = document.filter_set.into_iter().enumerate();
    Ok(NodeFilterSet {
        filter_set_type: filter_type("node_filter.filter_set_type", document.filter_set_type)?
            .into(),
        filter_set: filters
            .map(|(index, document)| filter(index, document))
            .collect::<Result<_, _>>()?,
    })
}

fn filter(index: usize, document: FilterDocument) -> Result<NodeFilter, DocumentError> {
    let key = format!("node_filter.filter_set[{index}].filter_type");
    Ok(NodeFilter {
        filter_type: filter_type(&key, document.filter_type)?.into(),
        node_names: document.node_names.unwrap_or_default(),
        node_tags: document.node_tags.unwrap_or_default(),
        node_labels: document.node_labels.unwrap_or_default(),
        rack_names: document.rack_names.unwrap_or_default(),
        rack_labels: document.rack_labels.unwrap_or_default(),
    })
}

/// A type that is left out stays unset: the server refuses it with the path of the field.
fn filter_type(key: &str, given: Option<String>) -> Result<FilterType, DocumentError> {
    let Some(given) = given else {
        return Ok(FilterType::Unspecified);
    };
    token::argument(&given).map_err(|expected| DocumentError::Token {
        key: key.to_owned(),
        token: given,
        expected,
    })
}
