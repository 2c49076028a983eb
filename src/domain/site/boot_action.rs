//! BootAction: files and packages that are placed on nodes at their first boot.

use std::collections::BTreeMap;

use crate::domain::node_filter::{FilterType, NodeFilter, NodeFilterSet};

/// Files, units and packages for some nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootAction {
    /// `signaling`: whether the action reports its end; default yes.
    pub signaling: Option<bool>,
    /// `assets`, in their order.
    pub assets: Vec<Asset>,
    /// `node_filter`: the nodes it is for; all of them when absent.
    pub node_filter: Option<FilterSet>,
}

/// What is placed on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asset {
    /// `type`. Required.
    pub kind: Option<AssetKind>,
    /// `path` on the node, absolute.
    pub path: Option<String>,
    /// `location`: a URL that the content is fetched from, instead of `data`.
    pub location: Option<String>,
    /// `data`: the content.
    pub data: Option<AssetData>,
    /// `location_pipeline`: what `location` goes through before it is fetched.
    pub location_pipeline: Vec<PipelineStage>,
    /// `data_pipeline`: what the content goes through.
    pub data_pipeline: Vec<PipelineStage>,
    /// `permissions` of the file: the mode, written as three octal digits.
    pub permissions: Option<u16>,
}

/// What an [`Asset`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetKind {
    /// `unit`: a systemd unit, which is enabled.
    Unit,
    /// `file`.
    File,
    /// `pkg_list`: packages to install.
    PackageList,
}

/// The content of an [`Asset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetData {
    /// A text: a file's content, or encoded.
    Text(String),
    /// Packages with their version; any version for none.
    Packages(BTreeMap<String, Option<String>>),
}

/// A stage that an asset's content goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineStage {
    /// `base64_encode`: bytes to base64.
    Base64Encode,
    /// `base64_decode`: base64 to bytes.
    Base64Decode,
    /// `utf8_encode`: text to bytes.
    Utf8Encode,
    /// `utf8_decode`: bytes to text.
    Utf8Decode,
    /// `template`: text as a template over what is known of the node.
    Template,
}

/// A node filter as a document has it, which may be incomplete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterSet {
    /// `filter_set_type`: how the filters join.
    pub filter_set_type: Option<FilterType>,
    /// `filter_set`.
    pub filter_set: Vec<Filter>,
}

/// One filter of a [`FilterSet`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// `filter_type`: how its criteria join.
    pub filter_type: Option<FilterType>,
    /// `node_names`.
    pub node_names: Vec<String>,
    /// `node_tags`.
    pub node_tags: Vec<String>,
    /// `node_labels`.
    pub node_labels: BTreeMap<String, String>,
    /// `rack_names`.
    pub rack_names: Vec<String>,
    /// `rack_labels`.
    pub rack_labels: BTreeMap<String, String>,
}

impl FilterSet {
    /// The filter as it selects nodes; `None` when it does not say how filters or criteria join.
    #[must_use]
    pub fn complete(&self) -> Option<NodeFilterSet> {
        let filters = self.filter_set.iter().map(|filter| {
            Some(NodeFilter {
                filter_type: filter.filter_type?,
                node_names: filter.node_names.clone(),
                node_tags: filter.node_tags.clone(),
                node_labels: filter.node_labels.clone(),
                rack_names: filter.rack_names.clone(),
                rack_labels: filter.rack_labels.clone(),
            })
        });
        Some(NodeFilterSet {
            filter_set_type: self.filter_set_type?,
            filter_set: filters.collect::<Option<_>>()?,
        })
    }
}
