//! What a start freezes: the site, the target nodes and the design a root runs on.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use super::sql::{Column, Dialect, Kind, hex, names, uuid_hex};
use super::write::{RootChange, TreeWrite};
use crate::domain::task::LIST_LIMIT;

const START_COLUMNS: &[Column] = &[
    ("task_id", Kind::Uuid),
    ("site", Kind::Text),
    ("target_nodes", Kind::Json),
    ("target_nodes_head", Kind::Json),
    ("design_digest", Kind::Text),
];

const DESIGN_COLUMNS: &[Column] = &[
    ("digest", Kind::Text),
    ("bytes", Kind::Bytes),
    ("fetched_at", Kind::Time),
];

/// What is frozen of one root.
#[derive(Serialize)]
pub(super) struct StartRow<'a> {
    task_id: String,
    site: &'a str,
    target_nodes: &'a [Arc<str>],
    target_nodes_head: &'a [Arc<str>],
    design_digest: Option<&'a str>,
}

/// A design as it is stored.
#[derive(Serialize)]
pub(super) struct DesignRow<'a> {
    pub(super) digest: &'a str,
    bytes: String,
    fetched_at: i64,
}

/// What the writes freeze, and the designs that they bring.
pub(super) fn rows<'a>(writes: &[&'a TreeWrite]) -> (Vec<StartRow<'a>>, Vec<DesignRow<'a>>) {
    let mut starts = Vec::new();
    let mut designs = Vec::new();
    let mut digests = HashSet::new();
    for write in writes {
        let RootChange::Start(start) = &write.root else {
            continue;
        };
        let head = start.target_nodes.len().min(LIST_LIMIT);
        starts.push(StartRow {
            task_id: uuid_hex(write.root_task_id.0),
            site: &start.site,
            target_nodes: &start.target_nodes,
            target_nodes_head: &start.target_nodes[..head],
            design_digest: start.design.as_ref().map(|design| design.digest.as_ref()),
        });
        if let Some(design) = &start.design
            && digests.insert(&design.digest)
        {
            designs.push(DesignRow {
                digest: &design.digest,
                bytes: hex(&design.bytes),
                fetched_at: write.now.timestamp_micros(),
            });
        }
    }
    // In one order on every replica, so that two that bring the same do not deadlock.
    designs.sort_unstable_by(|a, b| a.digest.cmp(b.digest));
    (starts, designs)
}

/// The UPDATE that freezes the [`StartRow`]s in placeholder `rows`.
pub(super) fn start_specs(dialect: Dialect, rows: &str) -> String {
    format!(
        "UPDATE task_specs SET site = e.site, target_nodes = e.target_nodes, \
           target_nodes_head = e.target_nodes_head, design_digest = e.design_digest \
         FROM {} AS e WHERE task_specs.task_id = e.task_id",
        dialect.rows(rows, START_COLUMNS)
    )
}

/// The INSERT of those [`DesignRow`]s in placeholder `rows` that are not stored yet.
pub(super) fn insert_designs(dialect: Dialect, rows: &str) -> String {
    let names = names(DESIGN_COLUMNS, "");
    format!(
        "INSERT INTO designs ({names}) SELECT {names} FROM {} AS e WHERE true \
         ON CONFLICT DO NOTHING",
        dialect.rows(rows, DESIGN_COLUMNS)
    )
}
