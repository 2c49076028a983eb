//! Which nodes of a site a task is for.
//!
//! Each criterion that is present selects nodes from the whole inventory; `filter_type` joins the
//! criteria of one filter, `filter_set_type` joins the filters. What is present but empty never
//! widens a selection: a filter without a criterion selects nothing, and so does a set without a
//! filter. The seed's documents spell the keys and tokens as they are serialized here.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use super::inventory::{Inventory, Labels};

/// How several selections become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterType {
    /// What every one of them selects.
    Intersection,
    /// What any one of them selects.
    Union,
}

impl FilterType {
    /// The word that documents use.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Intersection => "intersection",
            Self::Union => "union",
        }
    }

    /// Reads a document's word; `None` for any other, which is never a default.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        [Self::Intersection, Self::Union]
            .into_iter()
            .find(|each| each.token() == token)
    }
}

/// Criteria for nodes. An empty one is not present.
///
/// Unknown keys are refused: a misspelt criterion that is ignored would widen what a destroy hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFilter {
    /// Joins the criteria, and the entries of tags, labels and rack labels.
    pub filter_type: FilterType,
    /// The node has one of these names.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub node_names: Vec<String>,
    /// The node has all (intersection) or any (union) of these tags.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub node_tags: Vec<String>,
    /// The node has all or any of these labels.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub node_labels: Labels,
    /// The node stands in one of these racks.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub rack_names: Vec<String>,
    /// The node's rack has all or any of these labels.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub rack_labels: Labels,
}

/// Filters and how they are joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFilterSet {
    /// Joins the filters.
    pub filter_set_type: FilterType,
    /// The filters, in the order that [`FilterMatch::filter_index`] counts.
    pub filter_set: Vec<NodeFilter>,
}

/// What a filter set selects, and how each of its filters did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Positions in [`Inventory::nodes`], ascending, which is the order of the names.
    pub nodes: Vec<usize>,
    /// One entry per filter; none when there was no filter set.
    pub matches: Vec<FilterMatch>,
}

/// How one filter did on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterMatch {
    /// Its place in the set, from 0.
    pub filter_index: usize,
    /// How many nodes it selects, before the filters are joined.
    pub node_count: usize,
    /// Its node names and rack names that no node has, sorted, without repeats.
    pub unmatched_names: Vec<String>,
}

impl Selection {
    /// The names of the selected nodes, in order.
    pub fn names<'a>(&'a self, inventory: &'a Inventory) -> impl Iterator<Item = &'a str> {
        self.nodes
            .iter()
            .map(|position| inventory.nodes()[*position].name.as_str())
    }
}

/// Selects nodes of `inventory`. Without a filter set that is every node.
#[must_use]
pub fn select(inventory: &Inventory, filters: Option<&NodeFilterSet>) -> Selection {
    let size = inventory.nodes().len();
    let Some(filters) = filters else {
        return Selection {
            nodes: (0..size).collect(),
            matches: Vec::new(),
        };
    };

    let mut joined = Join::new(filters.filter_set_type, size);
    let mut matches = Vec::with_capacity(filters.filter_set.len());
    for (filter_index, filter) in filters.filter_set.iter().enumerate() {
        let selected = filter.select(inventory);
        matches.push(FilterMatch {
            filter_index,
            node_count: selected.count(),
            unmatched_names: filter.unmatched_names(inventory),
        });
        joined.add(&selected);
    }
    Selection {
        nodes: joined.finish().positions(),
        matches,
    }
}

impl NodeFilter {
    fn select(&self, inventory: &Inventory) -> NodeSet {
        let size = inventory.nodes().len();
        let mut criteria = Join::new(self.filter_type, size);

        // A node has one name and one rack, so a list of them can only mean "one of these".
        if !self.node_names.is_empty() {
            let mut named = NodeSet::empty(size);
            for position in self
                .node_names
                .iter()
                .filter_map(|name| inventory.position(name))
            {
                named.insert(position);
            }
            criteria.add(&named);
        }
        if !self.rack_names.is_empty() {
            let mut racked = NodeSet::empty(size);
            for rack in &self.rack_names {
                racked.insert_all(inventory.in_rack(rack));
            }
            criteria.add(&racked);
        }

        if !self.node_tags.is_empty() {
            let tagged = self.node_tags.iter().map(|tag| inventory.tagged(tag));
            criteria.add(&self.join(tagged, size));
        }
        if !self.node_labels.is_empty() {
            let labelled = self.node_labels.iter();
            let labelled = labelled.map(|(key, value)| inventory.labelled(key, value));
            criteria.add(&self.join(labelled, size));
        }
        if !self.rack_labels.is_empty() {
            let labelled = self.rack_labels.iter();
            let labelled = labelled.map(|(key, value)| inventory.in_labelled_rack(key, value));
            criteria.add(&self.join(labelled, size));
        }
        criteria.finish()
    }

    fn join<'a>(&self, entries: impl Iterator<Item = &'a [u32]>, size: usize) -> NodeSet {
        let mut joined = Join::new(self.filter_type, size);
        for entry in entries {
            let mut selected = NodeSet::empty(size);
            selected.insert_all(entry);
            joined.add(&selected);
        }
        joined.finish()
    }

    fn unmatched_names(&self, inventory: &Inventory) -> Vec<String> {
        let nodes = self
            .node_names
            .iter()
            .filter(|name| inventory.position(name).is_none());
        let racks = self
            .rack_names
            .iter()
            .filter(|rack| inventory.in_rack(rack).is_empty());
        let unmatched: BTreeSet<&String> = nodes.chain(racks).collect();
        unmatched.into_iter().cloned().collect()
    }
}

/// A selection in the making. Joining nothing gives nothing, under either type.
struct Join {
    how: FilterType,
    size: usize,
    joined: Option<NodeSet>,
}

impl Join {
    fn new(how: FilterType, size: usize) -> Self {
        Self {
            how,
            size,
            joined: None,
        }
    }

    fn add(&mut self, set: &NodeSet) {
        match &mut self.joined {
            None => self.joined = Some(set.clone()),
            Some(joined) => match self.how {
                FilterType::Intersection => joined.intersect(set),
                FilterType::Union => joined.unite(set),
            },
        }
    }

    fn finish(self) -> NodeSet {
        self.joined.unwrap_or_else(|| NodeSet::empty(self.size))
    }
}

/// One bit per node: 12.5 KB for 100,000, so a criterion is a short pass over words.
#[derive(Clone)]
struct NodeSet {
    words: Vec<u64>,
}

impl NodeSet {
    fn empty(size: usize) -> Self {
        Self {
            words: vec![0; size.div_ceil(64)],
        }
    }

    fn insert(&mut self, position: usize) {
        self.words[position / 64] |= 1 << (position % 64);
    }

    fn insert_all(&mut self, positions: &[u32]) {
        for position in positions {
            self.insert(*position as usize);
        }
    }

    fn intersect(&mut self, other: &Self) {
        for (word, theirs) in self.words.iter_mut().zip(&other.words) {
            *word &= theirs;
        }
    }

    fn unite(&mut self, other: &Self) {
        for (word, theirs) in self.words.iter_mut().zip(&other.words) {
            *word |= theirs;
        }
    }

    fn count(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    fn positions(&self) -> Vec<usize> {
        let mut found = Vec::with_capacity(self.count());
        for (index, word) in self.words.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                found.push(index * 64 + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
        found
    }
}

/// The seed writes an unset list as `null`.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
#[path = "node_filter_tests.rs"]
mod tests;
