//! `drydock node builddata` and `drydock task builddata`: what steps found out about nodes.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::connection::{ServerArgs, patiently};
use super::json::Json;
use super::line::plain;
use super::table::Table;
use super::{Error, moment, output};
use crate::proto::v1::{BuildData, ListBuildDataRequest};

#[derive(Debug, Args)]
pub(super) struct OfNode {
    /// Name of the node
    node: String,
    /// Only what this task and those below it collected
    #[arg(long = "task", value_name = "ID")]
    task_id: Option<String>,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
pub(super) struct OfTask {
    /// The task: what it and those below it collected
    task_id: String,
    /// Only what is about this node
    #[arg(long = "node", value_name = "NAME")]
    node: Option<String>,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
struct What {
    /// Only what this generator made, such as redfish
    #[arg(long, value_name = "NAME")]
    generator: Option<String>,
    /// Only the latest of each generator
    #[arg(long, overrides_with = "no_latest")]
    latest: bool,
    /// All that is kept
    #[arg(long, overrides_with = "latest")]
    no_latest: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: DataForm,
}

/// The form of what a command prints, where there is data as somebody else made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DataForm {
    /// For people: what there is
    Table,
    /// Every field, in the protobuf JSON form
    Json,
    /// The data alone, as it was collected
    Data,
}

impl OfNode {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let latest = !self.what.no_latest;
        self.what.run(self.task_id, Some(self.node), latest).await
    }
}

impl OfTask {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let latest = self.what.latest;
        self.what.run(Some(self.task_id), self.node, latest).await
    }
}

impl What {
    async fn run(
        self,
        task_id: Option<String>,
        node_name: Option<String>,
        latest: bool,
    ) -> Result<ExitCode, Error> {
        let client = self.server.build_data()?;
        let mut found: Vec<BuildData> = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListBuildDataRequest {
                task_id: task_id.clone().unwrap_or_default(),
                node_name: node_name.clone().unwrap_or_default(),
                generator: self.generator.clone().unwrap_or_default(),
                latest,
                include_elements: Some(self.output != DataForm::Table),
                page_token,
                ..ListBuildDataRequest::default()
            };
            let response = patiently(|| {
                let mut client = client.clone();
                let request = request.clone();
                async move { client.list_build_data(request).await }
            })
            .await?
            .into_inner();
            found.extend(response.build_data);
            page_token = response.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        self.print(&found)?;
        // As a search does: nothing found is not success.
        Ok(if found.is_empty() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    fn print(&self, found: &[BuildData]) -> Result<(), Error> {
        match self.output {
            DataForm::Table => {
                let mut table = Table::new(["NODE", "GENERATOR", "FORMAT", "COLLECTED", "TASK"]);
                for data in found {
                    table.push([
                        plain(&data.node_name),
                        plain(&data.generator),
                        plain(&data.data_format),
                        moment::short(data.collected_date.as_ref()),
                        data.task_id.clone(),
                    ]);
                }
                table.lines().try_for_each(|line| output::line(&line))
            }
            DataForm::Json => {
                let json = Json::new()?;
                let values = found.iter().map(|data| json.value("BuildData", data));
                let values = values.collect::<Result<serde_json::Value, Error>>()?;
                output::line(&format!("{values:#}"))
            }
            DataForm::Data => found
                .iter()
                .try_for_each(|data| output::line(&data.data_element)),
        }
    }
}
