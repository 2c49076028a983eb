//! `drydock task list`: tasks that match a filter.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::Form;
use crate::cli::connection::{ServerArgs, patiently};
use crate::cli::json::Json;
use crate::cli::pair::{self, Pair};
use crate::cli::{Error, describe, moment, output, token};
use crate::domain::Action;
use crate::proto::v1::{ListTasksRequest, ResultStatus, Task, TaskFilter, TaskStatus};

/// Largest page that the server gives.
const MAX_PAGE: u32 = 500;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Tasks in this status; repeat for more
    #[arg(long, value_parser = token::argument::<TaskStatus>)]
    status: Vec<TaskStatus>,
    /// Tasks with this action; repeat for more
    #[arg(long, value_parser = token::action)]
    action: Vec<Action>,
    /// Tasks with this outcome; repeat for more
    #[arg(long, value_parser = token::argument::<ResultStatus>)]
    result: Vec<ResultStatus>,
    /// Tasks of this creator
    #[arg(long, value_name = "NAME")]
    created_by: Option<String>,
    /// Tasks created at this time or later
    #[arg(long, value_name = "TIME", value_parser = moment::argument)]
    created_after: Option<prost_types::Timestamp>,
    /// Tasks created before this time
    #[arg(long, value_name = "TIME", value_parser = moment::argument)]
    created_before: Option<prost_types::Timestamp>,
    /// Tasks directly below this one
    #[arg(long, value_name = "TASK_ID")]
    parent: Option<String>,
    /// Tasks of the tree with this root
    #[arg(long, value_name = "TASK_ID")]
    root: Option<String>,
    /// Subtasks of this node
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Tasks on this design
    #[arg(long, value_name = "URI")]
    design_ref: Option<String>,
    /// Tasks with this label; repeat for more
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair::argument)]
    labels: Vec<Pair>,
    /// Also subtasks, which --parent, --root and --node imply
    #[arg(long)]
    subtasks: bool,
    /// The order
    #[arg(long, value_enum, default_value = "created-desc")]
    order: Order,
    /// Most tasks to list
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// Newest first
    CreatedDesc,
    /// Oldest first
    Created,
    /// Changed last, first; without subtasks
    UpdatedDesc,
}

impl Order {
    fn wire(self) -> &'static str {
        match self {
            Self::CreatedDesc => "created desc",
            Self::Created => "created",
            Self::UpdatedDesc => "updated desc",
        }
    }
}

impl List {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.tasks()?;
        let filter = self.filter()?;
        let mut tasks: Vec<Task> = Vec::new();
        let mut page_token = String::new();
        let mut left = self.limit;
        // A page may hold fewer than were asked for, or none, and still have another one behind it.
        let more = loop {
            let request = ListTasksRequest {
                page_size: i32::try_from(left.min(MAX_PAGE)).unwrap_or(i32::MAX),
                page_token,
                filter: Some(filter.clone()),
                order_by: self.order.wire().to_owned(),
                ..ListTasksRequest::default()
            };
            let response = patiently(|| {
                let mut client = client.clone();
                let request = request.clone();
                async move { client.list_tasks(request).await }
            })
            .await?
            .into_inner();
            left = left.saturating_sub(u32::try_from(response.tasks.len()).unwrap_or(u32::MAX));
            tasks.extend(response.tasks);
            page_token = response.next_page_token;
            if left == 0 || page_token.is_empty() {
                break !page_token.is_empty();
            }
        };
        self.print(&tasks)?;
        if more {
            output::note(&format!(
                "There are more than {}: raise --limit.",
                self.limit
            ));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn filter(&self) -> Result<TaskFilter, Error> {
        let below = self.parent.is_some() || self.root.is_some() || self.node.is_some();
        Ok(TaskFilter {
            status: self.status.iter().map(|one| i32::from(*one)).collect(),
            action: self
                .action
                .iter()
                .map(|one| token::wire_action(*one).into())
                .collect(),
            result_status: self.result.iter().map(|one| i32::from(*one)).collect(),
            created_by: self.created_by.clone().unwrap_or_default(),
            created_after: self.created_after,
            created_before: self.created_before,
            parent_task_id: self.parent.clone().unwrap_or_default(),
            root_task_id: self.root.clone().unwrap_or_default(),
            roots_only: !self.subtasks && !below,
            node_name: self.node.clone().unwrap_or_default(),
            design_ref: self.design_ref.clone().unwrap_or_default(),
            labels: pair::map(&self.labels, "--label")?,
        })
    }

    fn print(&self, tasks: &[Task]) -> Result<(), Error> {
        match self.output {
            Form::Table => describe::table(tasks)
                .iter()
                .try_for_each(|line| output::line(line)),
            Form::Json => {
                let json = Json::new()?;
                let tasks = tasks.iter().map(|task| json.value("Task", task));
                let tasks = tasks.collect::<Result<serde_json::Value, Error>>()?;
                output::line(&format!("{tasks:#}"))
            }
        }
    }
}
