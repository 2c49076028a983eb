//! `drydock node`: the nodes of a design, as filters see them, and one with all it inherits; what was
//! found out about a node.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::build_data::OfNode;
use super::connection::{ServerArgs, patiently};
use super::json::Json;
use super::node_filter::NodeFilterArgs;
use super::table::Table;
use super::task::Form;
use super::{Error, describe_node, output, pair};
use crate::proto::v1::{FilterMatch, GetNodeRequest, Node, ResolveNodeFilterRequest};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the nodes that a filter selects
    List(List),
    /// Show one node with everything that it inherits
    Show(Show),
    /// Show what was found out about a node: the latest of each generator, unless told otherwise
    #[command(name = "builddata")]
    BuildData(OfNode),
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Name of the node
    name: String,
    /// URI of the design
    #[arg(long, value_name = "URI")]
    design_ref: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// URI of the design
    #[arg(long, value_name = "URI")]
    design_ref: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
    // Last, as its heading is that of every flag after it.
    #[command(flatten)]
    nodes: NodeFilterArgs,
}

impl Command {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        match self {
            Self::List(command) => command.run().await,
            Self::Show(command) => command.run().await,
            Self::BuildData(command) => command.run().await,
        }
    }
}

impl Show {
    async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.designs()?;
        let request = GetNodeRequest {
            design_ref: self.design_ref,
            name: self.name,
        };
        let node = patiently(|| {
            let mut client = client.clone();
            let request = request.clone();
            async move { client.get_node(request).await }
        })
        .await?
        .into_inner();
        match self.output {
            Form::Json => output::line(&Json::new()?.pretty("EffectiveNode", &node)?)?,
            Form::Table => {
                let lines = describe_node::lines(&node);
                lines.iter().try_for_each(|line| output::line(line))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.designs()?;
        let node_filter = self.nodes.to_filter_set()?;
        let mut nodes: Vec<Node> = Vec::new();
        let mut page_token = String::new();
        let matches = loop {
            let request = ResolveNodeFilterRequest {
                design_ref: self.design_ref.clone(),
                node_filter: node_filter.clone(),
                page_token,
                ..ResolveNodeFilterRequest::default()
            };
            let response = patiently(|| {
                let mut client = client.clone();
                let request = request.clone();
                async move { client.resolve_node_filter(request).await }
            })
            .await?
            .into_inner();
            nodes.extend(response.nodes);
            page_token = response.next_page_token;
            if page_token.is_empty() {
                break response.match_counts;
            }
        };
        self.print(&nodes)?;
        warn_of_unmatched(&matches);
        // As a search does: nothing found is not success.
        Ok(if nodes.is_empty() && node_filter.is_some() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    fn print(&self, nodes: &[Node]) -> Result<(), Error> {
        match self.output {
            Form::Json => {
                let json = Json::new()?;
                let nodes = nodes.iter().map(|node| json.value("Node", node));
                let nodes = nodes.collect::<Result<serde_json::Value, Error>>()?;
                output::line(&format!("{nodes:#}"))
            }
            Form::Table => {
                let mut table = Table::new(["NAME", "RACK", "OOB", "TAGS", "LABELS"]);
                for node in nodes {
                    table.push([
                        node.name.clone(),
                        or_dash(&node.rack),
                        or_dash(&node.oob_type),
                        or_dash(&node.tags.join(",")),
                        pair::text(&node.labels),
                    ]);
                }
                table.lines().try_for_each(|line| output::line(&line))
            }
        }
    }
}

/// A name that no node has is no error, but it is more often a slip than not.
fn warn_of_unmatched(matches: &[FilterMatch]) {
    let names: Vec<&str> = matches
        .iter()
        .flat_map(|filter| &filter.unmatched_names)
        .map(String::as_str)
        .collect();
    if !names.is_empty() {
        output::note(&format!("not in the design: {}", names.join(", ")));
    }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text.to_owned()
    }
}
