//! Which nodes a document is for: those that an error in it concerns.

use std::collections::{BTreeMap, BTreeSet};

use super::view::{DocumentId, Node, SiteView};
use crate::domain::node_filter::select;

/// The nodes that use any of some documents, by their position in the view: through their profiles,
/// their hardware, their networks and links, their rack, or a boot action that selects them. Regions
/// are everybody's.
pub(in crate::design) fn users(
    site: &SiteView<'_>,
    documents: &BTreeSet<DocumentId>,
) -> BTreeMap<DocumentId, BTreeSet<u32>> {
    let mut users: BTreeMap<DocumentId, BTreeSet<u32>> = BTreeMap::new();
    if documents.is_empty() {
        return users;
    }
    let everybodys: Vec<DocumentId> = site
        .regions
        .iter()
        .map(|region| region.id)
        .filter(|id| documents.contains(id))
        .collect();
    for node in &site.nodes {
        let used = used(site, node);
        for id in used.into_iter().chain(everybodys.iter().copied()) {
            if documents.contains(&id) {
                users.entry(id).or_default().insert(node.position);
            }
        }
    }
    for action in &site.boot_actions {
        if documents.contains(&action.id) {
            users.insert(action.id, selected(site, action.spec.node_filter.as_ref()));
        }
    }
    users
}

fn used(site: &SiteView<'_>, node: &Node<'_>) -> Vec<DocumentId> {
    let spec = &node.spec;
    let mut used = node.lineage.to_vec();
    used.extend(site.hardware_of(node).map(|profile| profile.id));
    let rack = spec.metadata.rack.as_deref();
    used.extend(rack.and_then(|rack| site.rack(rack)).map(|rack| rack.id));

    let links = spec.interfaces.values();
    let links = links.filter_map(|interface| site.link(interface.device_link.as_deref()?));
    used.extend(links.map(|link| link.id));

    let interfaces = spec.interfaces.values();
    let networks = interfaces.flat_map(|interface| interface.networks.iter().map(String::as_str));
    let addressed = spec.addressing.iter();
    let networks = networks
        .chain(addressed.filter_map(|entry| entry.network.as_deref()))
        .chain(spec.oob.network.as_deref())
        .chain(spec.primary_network.as_deref());
    for network in networks {
        used.extend(site.network(network).map(|network| network.id));
        used.extend(site.link_of(network).map(|link| link.id));
    }
    used
}

/// The nodes that a boot action is for; all of them if it does not say well enough.
fn selected(
    site: &SiteView<'_>,
    filter: Option<&crate::domain::site::boot_action::FilterSet>,
) -> BTreeSet<u32> {
    let complete = filter.and_then(|filter| filter.complete());
    let nodes = site.nodes.iter();
    match (complete, site.inventory) {
        (Some(filter), Some(inventory)) => {
            let selection = select(inventory, Some(&filter));
            let names: BTreeSet<&str> = selection.names(inventory).collect();
            nodes
                .filter(|node| names.contains(node.name))
                .map(|node| node.position)
                .collect()
        }
        (Some(_) | None, _) => nodes.map(|node| node.position).collect(),
    }
}
