//! What Ironic's inspection found out about a node, as build data.

use serde_json::{Map, Value};

use super::super::{DriverError, ErrorKind};
use super::client::Session;
use super::error::ApiError;
use super::microversion::Microversion;
use super::node::Node;
use crate::domain::Collected;

/// The inventory: the machine, in the form that Ironic's agent and its drivers give it.
const INVENTORY: &str = "ironic";

/// What plug-ins of the inspection found beside it, such as LLDP.
const PLUGIN_DATA: &str = "ironic-plugin-data";

/// What came of asking for an inventory.
pub(super) struct Inspected {
    /// What there is.
    pub(super) build_data: Vec<Collected>,
    /// Why there is nothing, for the step's message.
    pub(super) lacking: Option<String>,
}

impl Session<'_> {
    /// Reads what the last inspection of `node` found. A node is prepared without it, too: only what
    /// may pass is an error, so that it is asked for again.
    pub(super) async fn inventory(&self, node: &Node) -> Result<Inspected, DriverError> {
        let lacking = |why: String| Inspected {
            build_data: Vec::new(),
            lacking: Some(why),
        };
        let version = self.version().await.map_err(ApiError::while_polling)?;
        if version < Microversion::INVENTORY {
            let why = format!("version {version} of its API has no inventories");
            return Ok(lacking(why));
        }
        let path = ["nodes", node.uuid.as_str(), "inventory"];
        let read: Result<Map<String, Value>, _> = self.get(&path, &[]).await;
        match read {
            Ok(found) => Ok(Inspected {
                build_data: collected(&found),
                lacking: None,
            }),
            Err(error) if error.is_missing() => Ok(lacking("its inspection left none".to_owned())),
            // Ironic's own store is broken, and may be so for long.
            Err(error) if error.meaning.kind == ErrorKind::Failed => {
                Ok(lacking(error.meaning.message))
            }
            Err(error) if error.meaning.transient => Err(error.meaning),
            Err(error) => Ok(lacking(error.meaning.message)),
        }
    }
}

fn collected(found: &Map<String, Value>) -> Vec<Collected> {
    let parts = [("inventory", INVENTORY), ("plugin_data", PLUGIN_DATA)];
    let parts = parts.into_iter().filter_map(|(key, generator)| {
        let part = found.get(key)?;
        let is_empty = part.is_null() || part.as_object().is_some_and(Map::is_empty);
        (!is_empty).then(|| Collected {
            generator: generator.to_owned(),
            data_format: "application/json".to_owned(),
            data_element: part.to_string(),
        })
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_that_says_something_is_collected() {
        let found = serde_json::json!({
            "inventory": {"cpu": {"count": 2}},
            "plugin_data": {"lldp": [1]},
            "more": {"a": 1},
        });
        let found = collected(found.as_object().unwrap());
        let shown = found
            .iter()
            .map(|one| (one.generator.as_str(), one.data_element.as_str()));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                ("ironic", r#"{"cpu":{"count":2}}"#),
                ("ironic-plugin-data", r#"{"lldp":[1]}"#)
            ]
        );
        for nothing in [
            serde_json::json!({}),
            serde_json::json!({"inventory": null, "plugin_data": {}}),
        ] {
            assert_eq!(collected(nothing.as_object().unwrap()), []);
        }
    }
}
