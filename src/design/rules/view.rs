//! What rules see of a design: its documents as types, and its nodes with all they inherit.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::document::{Document, Kind};
use super::super::inherit::Effective;
use super::super::read::{self, Misfit, Scope};
use crate::domain::inventory::Inventory;
use crate::domain::site::{
    BootAction, HardwareProfile, HostSpec, Network, NetworkLink, Rack, Region,
};

/// The position of a document in its design.
pub(crate) type DocumentId = usize;

/// A whole design, as far as it could be read. Documents are in the order of the files.
pub(crate) struct SiteView<'d> {
    pub(crate) regions: Vec<Typed<'d, Region>>,
    pub(crate) racks: Vec<Typed<'d, Rack>>,
    pub(crate) networks: Vec<Typed<'d, Network>>,
    pub(crate) links: Vec<Typed<'d, NetworkLink>>,
    /// As they are written, nothing inherited.
    pub(crate) host_profiles: Vec<Typed<'d, HostSpec>>,
    pub(crate) hardware_profiles: Vec<Typed<'d, HardwareProfile>>,
    /// BaremetalNode documents as they are written, nothing inherited.
    pub(crate) node_documents: Vec<Typed<'d, HostSpec>>,
    pub(crate) boot_actions: Vec<Typed<'d, BootAction>>,
    /// Nodes with all they inherit. A node is not here if its profiles do not resolve.
    pub(crate) nodes: Vec<Node<'d>>,
    /// What node filters select from; `None` if the design does not load.
    pub(crate) inventory: Option<&'d Inventory>,
    /// Fields that do not fit the schema.
    pub(super) misfits: Vec<(DocumentId, Misfit)>,
    pub(super) documents: &'d [Document<'d>],
    broken: &'d BTreeSet<(Kind, String)>,
    /// The first document of a name, by its position in the list of its kind.
    by_name: HashMap<(Kind, &'d str), usize>,
    /// The first link that carries a network.
    by_network: HashMap<String, usize>,
}

/// A document and what it says.
pub(crate) struct Typed<'d, T> {
    pub(crate) name: &'d str,
    pub(crate) id: DocumentId,
    pub(crate) spec: T,
}

/// A node and what it says with all it inherits.
pub(crate) struct Node<'d> {
    pub(crate) name: &'d str,
    pub(crate) spec: HostSpec,
    /// Its position in the view.
    pub(super) position: u32,
    /// The documents it is made of, its own first.
    pub(super) lineage: Arc<[DocumentId]>,
}

impl<'d> SiteView<'d> {
    pub(in crate::design) fn new(
        documents: &'d [Document<'d>],
        broken: &'d BTreeSet<(Kind, String)>,
        hosts: Vec<Effective>,
        inventory: Option<&'d Inventory>,
    ) -> Self {
        // There are fewer documents than 32 bits count.
        let hosts = (0..).zip(hosts).filter_map(|(position, host)| {
            let id = host.lineage.first()?;
            Some(Node {
                position,
                name: &documents.get(*id)?.name,
                spec: host.spec,
                lineage: host.lineage,
            })
        });
        let mut view = Self {
            regions: Vec::new(),
            racks: Vec::new(),
            networks: Vec::new(),
            links: Vec::new(),
            host_profiles: Vec::new(),
            hardware_profiles: Vec::new(),
            node_documents: Vec::new(),
            boot_actions: Vec::new(),
            nodes: hosts.collect(),
            inventory,
            misfits: Vec::new(),
            documents,
            broken,
            by_name: HashMap::new(),
            by_network: HashMap::new(),
        };
        for (id, document) in documents.iter().enumerate() {
            view.read(id, document);
        }
        for (at, link) in view.links.iter().enumerate() {
            for network in &link.spec.allowed_networks {
                view.by_network.entry(network.clone()).or_insert(at);
            }
        }
        view
    }

    /// Whether the design has a document of this kind and name, be it readable or not.
    pub(crate) fn exists(&self, kind: Kind, name: &str) -> bool {
        self.by_name.contains_key(&(kind, name)) || self.broken.contains(&(kind, name.to_owned()))
    }

    /// Whether a document of this kind could not be read, so that not all of them are in the view.
    pub(crate) fn has_broken(&self, kind: Kind) -> bool {
        self.broken.iter().any(|(broken, _)| *broken == kind)
    }

    /// The names of the documents of a kind that could be read.
    pub(crate) fn names(&self, kind: Kind) -> impl Iterator<Item = &'d str> {
        let documents = self.documents.iter();
        let documents = documents.filter(move |document| document.kind == kind);
        documents.map(|document| document.name.as_str())
    }

    /// The Rack of this name.
    pub(crate) fn rack(&self, name: &str) -> Option<&Typed<'d, Rack>> {
        self.racks.get(self.position(Kind::Rack, name)?)
    }

    /// The Network of this name.
    pub(crate) fn network(&self, name: &str) -> Option<&Typed<'d, Network>> {
        self.networks.get(self.position(Kind::Network, name)?)
    }

    /// The NetworkLink of this name.
    pub(crate) fn link(&self, name: &str) -> Option<&Typed<'d, NetworkLink>> {
        self.links.get(self.position(Kind::NetworkLink, name)?)
    }

    /// The first NetworkLink that lists this network.
    pub(crate) fn link_of(&self, network: &str) -> Option<&Typed<'d, NetworkLink>> {
        self.links.get(*self.by_network.get(network)?)
    }

    /// The HostProfile of this name, as it is written.
    pub(crate) fn host_profile(&self, name: &str) -> Option<&Typed<'d, HostSpec>> {
        self.host_profiles
            .get(self.position(Kind::HostProfile, name)?)
    }

    /// The HardwareProfile of this name.
    pub(crate) fn hardware_profile(&self, name: &str) -> Option<&Typed<'d, HardwareProfile>> {
        let at = self.position(Kind::HardwareProfile, name)?;
        self.hardware_profiles.get(at)
    }

    /// The HardwareProfile of a node, if it names one that exists.
    pub(crate) fn hardware_of(&self, node: &Node<'d>) -> Option<&Typed<'d, HardwareProfile>> {
        self.hardware_profile(node.spec.hardware_profile.as_deref()?)
    }

    fn position(&self, kind: Kind, name: &str) -> Option<usize> {
        self.by_name.get(&(kind, name)).copied()
    }

    fn read(&mut self, id: DocumentId, document: &'d Document<'d>) {
        let Document {
            kind, name, body, ..
        } = document;
        let (misfits, at) = match kind {
            Kind::Region => add(&mut self.regions, id, name, body, read::region),
            Kind::Rack => add(&mut self.racks, id, name, body, read::rack),
            Kind::Network => add(&mut self.networks, id, name, body, read::network),
            Kind::NetworkLink => add(&mut self.links, id, name, body, read::network_link),
            Kind::HostProfile => add(&mut self.host_profiles, id, name, body, read::host::host),
            Kind::HardwareProfile => {
                let list = &mut self.hardware_profiles;
                add(list, id, name, body, read::hardware_profile)
            }
            Kind::BaremetalNode => add(&mut self.node_documents, id, name, body, read::host::host),
            Kind::BootAction => add(&mut self.boot_actions, id, name, body, read::boot_action),
        };
        self.misfits
            .extend(misfits.into_iter().map(|misfit| (id, misfit)));
        self.by_name.entry((*kind, name)).or_insert(at);
    }
}

/// Adds the typed form of a document to its list: what does not fit, and the position.
fn add<'d, T>(
    list: &mut Vec<Typed<'d, T>>,
    id: DocumentId,
    name: &'d str,
    body: &Map<String, Value>,
    reader: fn(&mut Scope<'_, '_>) -> T,
) -> (Vec<Misfit>, usize) {
    let (spec, misfits) = read::read(body, reader);
    list.push(Typed { name, id, spec });
    (misfits, list.len() - 1)
}
