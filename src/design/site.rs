//! From documents to the inventory: site, racks and effective nodes.
//!
//! A design loads when its documents
//! parse, names are unique per kind and profiles resolve, so a value of an unusable form is a
//! warning here and the node goes without it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::document::{Document, Kind, MAX_NAME_BYTES, scalar};
use super::finding::{Code, Finding, Findings, Severity};
use super::inherit::{Effective, Profiles, Section};
use super::read;
use crate::domain::inventory::{Inventory, Labels, Node, Surroundings};
use crate::domain::site::{HardwareProfile, HostSpec, Oob};

/// Tags of one node, and labels of one node or rack: as many as one filter can ask for. It also
/// keeps a node's description small enough for one message.
const MAX_ENTRIES: usize = 1_000;

/// Checks names and profiles and builds the inventory. `broken` names the documents that could not
/// be read. Nodes whose profiles resolve go to `keep`, too, in the order of their documents. `None`
/// when something in `findings` prevents it.
pub(super) fn inventory(
    documents: &[Document<'_>],
    broken: &BTreeSet<(Kind, String)>,
    findings: &mut Findings,
    mut keep: impl FnMut(Effective),
) -> Option<Inventory> {
    check_names(documents, findings);

    let racks = documents
        .iter()
        .filter(|document| document.kind == Kind::Rack);
    let racks = racks
        .map(|rack| (rack.name.clone(), rack_labels(rack, findings)))
        .collect();

    let hardware = hardware(documents);
    let mut profiles = Profiles::new(documents, broken);
    profiles.resolve_all(findings);
    let mut nodes = Vec::new();
    for (at, document) in documents.iter().enumerate() {
        if document.kind != Kind::BaremetalNode {
            continue;
        }
        if let Some(effective) = profiles.effective(at, findings) {
            nodes.push(node(document, &effective, &hardware, findings));
            keep(effective.without_sections());
        }
    }

    let name = site_name(documents, findings);
    if findings.has_errors() {
        return None;
    }
    match Inventory::new(name, nodes, racks) {
        Ok(inventory) => Some(inventory.amid(surroundings(documents))),
        Err(error) => {
            findings.push(Finding::error(Code::TooLarge, error.to_string()));
            None
        }
    }
}

/// The first hardware profile of each name.
fn hardware<'d>(documents: &'d [Document<'_>]) -> HashMap<&'d str, Arc<HardwareProfile>> {
    let mut profiles = HashMap::new();
    for document in documents {
        if document.kind == Kind::HardwareProfile {
            let profile = profiles.entry(document.name.as_str());
            profile.or_insert_with(|| {
                // What does not fit is for validation to say.
                let (profile, _misfits) = read::read(&document.body, read::hardware_profile);
                Arc::new(profile)
            });
        }
    }
    profiles
}

/// What nodes refer to: the first document of each name.
fn surroundings(documents: &[Document<'_>]) -> Surroundings {
    let mut found = Surroundings::default();
    for Document {
        kind, name, body, ..
    } in documents
    {
        // What does not fit is for validation to say.
        match kind {
            Kind::Network => {
                let network = found.networks.entry(name.clone());
                network.or_insert_with(|| read::read(body, read::network).0);
            }
            Kind::NetworkLink => {
                let link = found.links.entry(name.clone());
                link.or_insert_with(|| read::read(body, read::network_link).0);
            }
            Kind::Region if found.authorized_keys.is_empty() => {
                found.authorized_keys = read::read(body, read::region).0.authorized_keys;
            }
            Kind::Region
            | Kind::Rack
            | Kind::HostProfile
            | Kind::HardwareProfile
            | Kind::BaremetalNode
            | Kind::BootAction => {}
        }
    }
    found
}

fn check_names(documents: &[Document<'_>], findings: &mut Findings) {
    let mut first_places: HashMap<(Kind, &str), &Document<'_>> = HashMap::new();
    for document in documents {
        let key = (document.kind, document.name.as_str());
        if let Some(first) = first_places.get(&key) {
            findings.push_with(Severity::Error, || {
                let message = format!(
                    "another {} of this name is at {}:{}",
                    document.kind, first.origin.file, first.origin.line
                );
                document.finding_at_name(Severity::Error, Code::DuplicateName, message)
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

fn node(
    document: &Document<'_>,
    effective: &Effective,
    hardware: &HashMap<&str, Arc<HardwareProfile>>,
    findings: &mut Findings,
) -> Node {
    let field = |section: Section, inner: &str| effective.section(section)?.get(inner);
    let spec = &effective.spec;
    let profile = spec.hardware_profile.clone();
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
        host_profile: spec.host_profile.clone(),
        hardware: profile
            .as_deref()
            .and_then(|name| hardware.get(name).cloned()),
        hardware_profile: profile,
        primary_network: spec.primary_network.clone(),
        boot_mac: spec.metadata.boot_mac.as_deref().map(Arc::from),
        oob: addressed(spec),
        interfaces: spec.interfaces.clone(),
        addressing: spec.addressing.clone(),
        storage: spec.storage.clone(),
        platform: spec.platform.clone(),
    }
}

/// The management controller with the address it has by the node's addressing.
fn addressed(spec: &HostSpec) -> Arc<Oob> {
    let network = spec.oob.network.as_deref();
    match network.and_then(|network| spec.static_address(network)) {
        Some(address) if spec.oob.address.is_none() => Arc::new(Oob {
            address: Some(address.to_string()),
            ..Oob::clone(&spec.oob)
        }),
        Some(_) | None => spec.oob.clone(),
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
