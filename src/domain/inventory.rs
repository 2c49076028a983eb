//! The nodes and racks of one site, indexed for node filters.
//!
//! An inventory is what a design says about its nodes after inheritance. It is built once per
//! design, never changes, and is shared by every task that reads that design. Each name is kept with
//! the position of its node, and each tag, label pair and rack with the sorted positions of its
//! nodes, so that a filter over a site of 100,000 nodes costs what it selects and not a walk over every node's strings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::site::hardware::{Device, HardwareProfile};
use super::site::host::{self, Addressing, Interface, Platform};
use super::site::{Network, NetworkLink, Oob, Storage};

/// The most nodes one site may have: twice the 100,000 that a single task is sized for.
pub const MAX_NODES: usize = 200_000;

/// One bare-metal node, with everything it inherits from its host profiles.
///
/// What it inherits whole is shared with its profile and all who inherit it: a site of 100,000 nodes
/// holds the storage layout of one profile once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// The name of its document, unique in the site.
    pub name: String,
    /// The rack it stands in; a rack needs no document of its own.
    pub rack: Option<String>,
    /// Free-form tags.
    pub tags: BTreeSet<String>,
    /// Labels: the document's `owner_data`, every value in its string form.
    pub labels: BTreeMap<String, String>,
    /// How its management controller is reached, for example `redfish` or `simulated`.
    pub oob_type: Option<String>,
    /// The HostProfile it inherits from.
    pub host_profile: Option<Arc<str>>,
    /// The HardwareProfile it names, which the design may not have.
    pub hardware_profile: Option<Arc<str>>,
    /// The network that its default route and its host name belong to.
    pub primary_network: Option<Arc<str>>,
    /// The hardware address it boots from, as the design spells it.
    pub boot_mac: Option<Arc<str>>,
    /// Its management controller; `address` is the node's on the out-of-band network unless the
    /// design says another.
    pub oob: Arc<Oob>,
    /// Its network interfaces, by the name they get in its operating system.
    pub interfaces: Arc<BTreeMap<String, Interface>>,
    /// Its addresses.
    pub addressing: Arc<Vec<Addressing>>,
    /// How its disks are used.
    pub storage: Arc<Storage>,
    /// Its operating system.
    pub platform: Arc<Platform>,
    /// What the machine is made of; none if the design does not have its hardware profile.
    pub hardware: Option<Arc<HardwareProfile>>,
}

impl Node {
    /// The device that a port of an interface or a disk names, if it is an alias of the hardware
    /// profile. Any other name is one of the operating system's.
    #[must_use]
    pub fn device(&self, alias: &str) -> Option<&Device> {
        self.hardware.as_ref()?.device_aliases.get(alias)
    }

    /// Its static address on a network, if it has one.
    #[must_use]
    pub fn static_address(&self, network: &str) -> Option<IpAddr> {
        host::static_address(&self.addressing, network)
    }
}

/// What the nodes of a site refer to and share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Networks, by their names.
    pub networks: BTreeMap<String, Network>,
    /// Links, by their names.
    pub links: BTreeMap<String, NetworkLink>,
    /// OpenSSH public keys that may log in to every node.
    pub authorized_keys: Vec<String>,
}

/// Labels by key, as racks carry them.
pub type Labels = BTreeMap<String, String>;

/// Why a set of nodes is no inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// Two nodes have one name, so no filter could tell them apart.
    #[error("two nodes are named `{name}`")]
    DuplicateNode {
        /// The name that occurs twice.
        name: String,
    },
    /// More than [`MAX_NODES`].
    #[error("{count} nodes are more than the {MAX_NODES} a site may have")]
    TooManyNodes {
        /// How many were given.
        count: usize,
    },
}

/// All nodes of a site, sorted by name, and the labels of its racks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    site: Option<String>,
    nodes: Vec<Node>,
    racks: BTreeMap<String, Labels>,
    surroundings: Surroundings,
    by_name: HashMap<Box<str>, u32>,
    by_tag: Index,
    by_label: PairIndex,
    by_rack: Index,
    by_rack_label: PairIndex,
}

/// Positions of nodes, ascending: [`MAX_NODES`] fits in 32 bits with room to spare.
pub(super) type Positions = Vec<u32>;

type Index = HashMap<String, Positions>;
type PairIndex = HashMap<String, HashMap<String, Positions>>;

impl Inventory {
    /// Sorts and indexes `nodes`. `racks` holds the labels of the racks that have a document.
    ///
    /// # Errors
    ///
    /// Two nodes with one name, or more than [`MAX_NODES`].
    pub fn new(
        site: Option<String>,
        mut nodes: Vec<Node>,
        racks: BTreeMap<String, Labels>,
    ) -> Result<Self, InventoryError> {
        if nodes.len() > MAX_NODES {
            return Err(InventoryError::TooManyNodes { count: nodes.len() });
        }
        nodes.sort_by(|left, right| left.name.cmp(&right.name));
        if let Some(pair) = nodes.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(InventoryError::DuplicateNode {
                name: pair[0].name.clone(),
            });
        }

        let mut inventory = Self {
            site,
            nodes,
            racks,
            surroundings: Surroundings::default(),
            by_name: HashMap::new(),
            by_tag: Index::new(),
            by_label: PairIndex::new(),
            by_rack: Index::new(),
            by_rack_label: PairIndex::new(),
        };
        inventory.index();
        Ok(inventory)
    }

    /// The same nodes, amid what they refer to.
    #[must_use]
    pub fn amid(self, surroundings: Surroundings) -> Self {
        Self {
            surroundings,
            ..self
        }
    }

    /// What its nodes refer to and share.
    #[must_use]
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The site's name, which is its Region's; `None` for a design without one.
    #[must_use]
    pub fn site(&self) -> Option<&str> {
        self.site.as_deref()
    }

    /// Every node, in the order of its name.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.position(name).map(|position| &self.nodes[position])
    }

    /// The racks that have a document, with their labels.
    #[must_use]
    pub fn racks(&self) -> &BTreeMap<String, Labels> {
        &self.racks
    }

    /// Where the node of this name is in [`Self::nodes`].
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).map(|position| *position as usize)
    }

    pub(super) fn tagged(&self, tag: &str) -> &[u32] {
        positions(self.by_tag.get(tag))
    }

    pub(super) fn labelled(&self, key: &str, value: &str) -> &[u32] {
        positions(self.by_label.get(key).and_then(|values| values.get(value)))
    }

    pub(super) fn in_rack(&self, rack: &str) -> &[u32] {
        positions(self.by_rack.get(rack))
    }

    pub(super) fn in_labelled_rack(&self, key: &str, value: &str) -> &[u32] {
        positions(
            self.by_rack_label
                .get(key)
                .and_then(|values| values.get(value)),
        )
    }

    fn index(&mut self) {
        // The nodes are sorted by name, too, but each step of a search through 100,000 of them waits
        // for memory: 10,000 names would take a hundred times as long.
        self.by_name.reserve(self.nodes.len());
        // `MAX_NODES` was checked, so the zip with 32-bit positions leaves no node out.
        for (position, node) in (0_u32..).zip(&self.nodes) {
            self.by_name.insert(node.name.as_str().into(), position);
            for tag in &node.tags {
                add(&mut self.by_tag, tag, position);
            }
            for (key, value) in &node.labels {
                add_pair(&mut self.by_label, key, value, position);
            }
            let Some(rack) = &node.rack else { continue };
            add(&mut self.by_rack, rack, position);
            for (key, value) in self.racks.get(rack).into_iter().flatten() {
                add_pair(&mut self.by_rack_label, key, value, position);
            }
        }
    }
}

fn positions(found: Option<&Positions>) -> &[u32] {
    found.map_or(&[], Vec::as_slice)
}

fn add(index: &mut Index, key: &str, position: u32) {
    // Looked up before it is inserted: most keys are there already, and `entry` would copy each.
    match index.get_mut(key) {
        Some(positions) => positions.push(position),
        None => {
            index.insert(key.to_owned(), vec![position]);
        }
    }
}

fn add_pair(index: &mut PairIndex, key: &str, value: &str, position: u32) {
    match index.get_mut(key) {
        Some(values) => add(values, value, position),
        None => {
            index.insert(
                key.to_owned(),
                HashMap::from([(value.to_owned(), vec![position])]),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> Node {
        Node {
            name: name.to_owned(),
            ..Node::default()
        }
    }

    #[test]
    fn nodes_are_sorted_and_found_by_name() -> Result<(), InventoryError> {
        let inventory =
            Inventory::new(None, vec![node("b"), node("c"), node("a")], BTreeMap::new())?;

        let names: Vec<_> = inventory
            .nodes()
            .iter()
            .map(|node| node.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(inventory.position("b"), Some(1));
        assert_eq!(inventory.get("b").map(|node| node.name.as_str()), Some("b"));
        assert_eq!(inventory.get("d"), None);
        Ok(())
    }

    #[test]
    fn two_nodes_of_one_name_are_refused() {
        let built = Inventory::new(None, vec![node("a"), node("b"), node("a")], BTreeMap::new());

        assert_eq!(
            built,
            Err(InventoryError::DuplicateNode {
                name: "a".to_owned()
            })
        );
    }
}
