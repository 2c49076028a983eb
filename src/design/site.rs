//! From documents to the inventory: site, racks and effective nodes.
//!
//! Reads only what a node filter and the choice of a driver need. A design loads when its documents
//! parse, names are unique per kind and profiles resolve, so a value of an unusable form is a
//! warning here and the node goes without it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::document::{Document, Kind, MAX_NAME_BYTES, scalar};
use super::finding::{Code, Finding, Findings, Severity};
use super::inherit::{Effective, Profiles, Section};
use crate::domain::inventory::{Inventory, Labels, Node};

/// Tags of one node, and labels of one node or rack: as many as one filter can ask for. It also
/// keeps a node's description small enough for one message.
const MAX_ENTRIES: usize = 1_000;

/// The nodes of a design, whether or not it loads.
pub(super) struct Site {
    /// `None` when something in the findings prevents it.
    pub(super) inventory: Option<Inventory>,
    /// The nodes whose profiles resolve, in the order of their documents.
    pub(super) hosts: Vec<Effective>,
}

/// Checks names and profiles and builds the inventory. `broken` names the documents that could not
/// be read.
pub(super) fn site(
    documents: &[Document<'_>],
    broken: &BTreeSet<(Kind, String)>,
    findings: &mut Findings,
) -> Site {
    check_names(documents, findings);

    let racks = documents
        .iter()
        .filter(|document| document.kind == Kind::Rack);
    let racks = racks
        .map(|rack| (rack.name.clone(), rack_labels(rack, findings)))
        .collect();

    let mut profiles = Profiles::new(documents, broken);
    profiles.resolve_all(findings);
    let mut nodes = Vec::new();
    let mut hosts = Vec::new();
    for (at, document) in documents.iter().enumerate() {
        if document.kind != Kind::BaremetalNode {
            continue;
        }
        if let Some(effective) = profiles.effective(at, findings) {
            nodes.push(node(document, &effective, findings));
            hosts.push(effective.without_sections());
        }
    }

    let name = site_name(documents, findings);
    let inventory = if findings.has_errors() {
        None
    } else {
        let inventory = Inventory::new(name, nodes, racks);
        inventory
            .map_err(|error| findings.push(Finding::error(Code::TooLarge, error.to_string())))
            .ok()
    };
    Site { inventory, hosts }
}

fn check_names(documents: &[Document<'_>], findings: &mut Findings) {
    let mut first_places: HashMap<(Kind, &str), &Document<'_>> = HashMap::new();
    for document in documents {
        let key = (document.kind, document.name.as_str());
        if let Some(first) = first_places.get(&key) {
            findings.push(Finding {
                document: Some(document.title()),
                file: Some(document.origin.file.to_string()),
                line: Some(document.origin.line),
                field: Some("metadata.name".to_owned()),
                ..Finding::error(
                    Code::DuplicateName,
                    format!(
                        "another {} of this name is at {}:{}",
                        document.kind, first.origin.file, first.origin.line
                    ),
                )
            });
        } else {
            first_places.insert(key, document);
        }
    }
}

fn site_name(documents: &[Document<'_>], findings: &mut Findings) -> Option<String> {
    let mut regions = documents
        .iter()
        .filter(|document| document.kind == Kind::Region);
    let first = regions.next()?;
    if let Some(second) = regions.next() {
        let message = format!("a site has one Region; it is named after `{}`", first.name);
        let found = second.finding(Severity::Warning, Code::SeveralRegions, &[], message);
        findings.push(found);
    }
    Some(first.name.clone())
}

fn rack_labels(rack: &Document<'_>, findings: &mut Findings) -> Labels {
    labels(rack, rack.body.get("labels"), &["labels"], findings)
}

fn node(document: &Document<'_>, effective: &Effective, findings: &mut Findings) -> Node {
    let field = |section: Section, inner: &str| effective.section(section)?.get(inner);
    Node {
        name: document.name.clone(),
        rack: text(
            document,
            field(Section::Metadata, "rack"),
            &["metadata", "rack"],
            findings,
        ),
        tags: tags(document, field(Section::Metadata, "tags"), findings),
        labels: labels(
            document,
            field(Section::Metadata, "owner_data"),
            &["metadata", "owner_data"],
            findings,
        ),
        oob_type: text(
            document,
            field(Section::Oob, "type"),
            &["oob", "type"],
            findings,
        ),
    }
}

fn text(
    document: &Document<'_>,
    value: Option<&Value>,
    path: &[&str],
    findings: &mut Findings,
) -> Option<String> {
    let value = value.filter(|value| !value.is_null())?;
    let text = scalar(value).filter(|text| text.len() <= MAX_NAME_BYTES);
    if text.is_none() {
        unusable(
            document,
            path,
            "the value is no text that fits a name",
            findings,
        );
    }
    text
}

fn tags(
    document: &Document<'_>,
    value: Option<&Value>,
    findings: &mut Findings,
) -> BTreeSet<String> {
    let path = ["metadata", "tags"];
    let items = match value {
        Some(Value::Array(items)) => items,
        None | Some(Value::Null) => return BTreeSet::new(),
        Some(_) => {
            unusable(document, &path, "the value is not a list", findings);
            return BTreeSet::new();
        }
    };
    let mut tags = BTreeSet::new();
    let mut left_out = 0;
    for item in items {
        match scalar(item).filter(|tag| tag.len() <= MAX_NAME_BYTES) {
            Some(tag) => {
                tags.insert(tag);
            }
            None => left_out += 1,
        }
    }
    check_entries(document, tags.len(), left_out, &path, findings);
    tags
}

fn labels(
    document: &Document<'_>,
    value: Option<&Value>,
    path: &[&str],
    findings: &mut Findings,
) -> Labels {
    let pairs = match value {
        Some(Value::Object(pairs)) => pairs,
        None | Some(Value::Null) => return Labels::new(),
        Some(_) => {
            unusable(document, path, "the value is not a map", findings);
            return Labels::new();
        }
    };
    let mut labels = BTreeMap::new();
    let mut left_out = 0;
    for (key, value) in pairs {
        let value = if value.is_null() {
            Some(String::new())
        } else {
            scalar(value)
        };
        let fits = |text: &String| text.len() <= MAX_NAME_BYTES;
        match value.filter(|value| fits(value) && fits(key)) {
            Some(value) => {
                labels.insert(key.clone(), value);
            }
            None => left_out += 1,
        }
    }
    check_entries(document, labels.len(), left_out, path, findings);
    labels
}

fn check_entries(
    document: &Document<'_>,
    count: usize,
    left_out: usize,
    path: &[&str],
    findings: &mut Findings,
) {
    // One finding for all of a field's entries: there may be as many as a document has room for.
    if left_out > 0 {
        let what = format!("{left_out} entries have no form that a node filter could ask for");
        unusable(document, path, &what, findings);
    }
    if count > MAX_ENTRIES {
        findings.push_with(Severity::Error, || {
            let message = format!("there are {count} entries, more than {MAX_ENTRIES}");
            document.finding(Severity::Error, Code::TooLarge, path, message)
        });
    }
}

fn unusable(document: &Document<'_>, path: &[&str], what: &str, findings: &mut Findings) {
    findings.push_with(Severity::Warning, || {
        let message = format!("{what}, and this is ignored");
        document.finding(Severity::Warning, Code::UnusableValue, path, message)
    });
}

#[cfg(test)]
#[path = "tests/site.rs"]
mod tests;
