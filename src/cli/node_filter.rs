//! Node filters as flags: one filter, made of every criterion that was given.

use clap::Args;

use super::pair::{self, Pair};
use super::{Error, token};
use crate::proto::v1::{FilterType, NodeFilter, NodeFilterSet};

/// Which nodes. Without any of these, all of them.
#[derive(Clone, Debug, Args)]
#[group(id = "node_filter", multiple = true)]
#[command(next_help_heading = "Which nodes (all, if none of these is given)")]
pub(super) struct NodeFilterArgs {
    /// Nodes of this name
    #[arg(long = "node-name", value_name = "NAME")]
    node_names: Vec<String>,
    /// Nodes with this tag
    #[arg(long = "node-tag", value_name = "TAG")]
    node_tags: Vec<String>,
    /// Nodes with this label
    #[arg(long = "node-label", value_name = "KEY=VALUE", value_parser = pair::argument)]
    node_labels: Vec<Pair>,
    /// Nodes in this rack
    #[arg(long = "rack-name", value_name = "NAME")]
    rack_names: Vec<String>,
    /// Nodes in racks with this label
    #[arg(long = "rack-label", value_name = "KEY=VALUE", value_parser = pair::argument)]
    rack_labels: Vec<Pair>,
    /// How criteria, tags and labels are joined: intersection or union [default: intersection]
    #[arg(long, value_name = "TYPE", value_parser = token::argument::<FilterType>)]
    filter_type: Option<FilterType>,
}

impl NodeFilterArgs {
    /// The filter; none where no criterion was given.
    pub(super) fn to_filter_set(&self) -> Result<Option<NodeFilterSet>, Error> {
        let filter_type = self.filter_type.unwrap_or(FilterType::Intersection);
        let filter = NodeFilter {
            filter_type: filter_type.into(),
            node_names: self.node_names.clone(),
            node_tags: self.node_tags.clone(),
            node_labels: pair::map(&self.node_labels, "--node-label")?,
            rack_names: self.rack_names.clone(),
            rack_labels: pair::map(&self.rack_labels, "--rack-label")?,
        };
        let unrestricted = NodeFilter {
            filter_type: filter_type.into(),
            ..NodeFilter::default()
        };
        if filter == unrestricted {
            // A type without criteria is a slip, and all nodes would be a costly reading of it.
            if self.filter_type.is_some() {
                let problem = "--filter-type joins criteria, and none was given";
                return Err(Error::Usage(problem.to_owned()));
            }
            return Ok(None);
        }
        Ok(Some(NodeFilterSet {
            filter_set_type: FilterType::Intersection.into(),
            filter_set: vec![filter],
        }))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        filter: NodeFilterArgs,
    }

    fn typed(line: &str) -> Result<Option<NodeFilterSet>, Error> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        Typed::parse_from(words).filter.to_filter_set()
    }

    #[test]
    fn criteria_make_one_filter() {
        let set =
            typed("--node-name a --node-name b --node-label color=yellow --filter-type union");
        let set = set.unwrap().unwrap();
        assert_eq!(set.filter_set_type(), FilterType::Intersection);
        assert_eq!(set.filter_set.len(), 1);
        assert_eq!(set.filter_set[0].filter_type(), FilterType::Union);
        assert_eq!(set.filter_set[0].node_names, ["a", "b"]);
        assert_eq!(set.filter_set[0].node_labels["color"], "yellow");
    }

    #[test]
    fn nothing_given_is_all_nodes() {
        assert_eq!(typed("").unwrap(), None);
        assert!(typed("--filter-type union").is_err());
        assert!(typed("--node-label a=1 --node-label a=2").is_err());
    }
}
