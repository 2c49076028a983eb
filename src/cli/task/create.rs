//! `drydock task create` and `drydock task retry`: new tasks.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use uuid::Uuid;

use super::watch::{self, FollowArgs};
use super::{Form, TaskForm, confirm, show};
use crate::cli::connection::{Link, ServerArgs, patiently};
use crate::cli::error::Error;
use crate::cli::follow::Follow;
use crate::cli::node_filter::NodeFilterArgs;
use crate::cli::pair::{self, Pair};
use crate::cli::{document, moment, output, token};
use crate::domain::{Action, plan};
use crate::proto::v1::task_service_client::TaskServiceClient;
use crate::proto::v1::{
    CreateTaskRequest, RetryScope, RetryTaskRequest, Task, TaskAction, TaskStatus,
};

/// Largest task document that is read: the server takes no larger request.
const MAX_DOCUMENT_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Debug, Args)]
pub(in crate::cli) struct Create {
    /// What to do
    #[arg(long, required_unless_present = "file", requires = "design_ref", value_parser = token::action)]
    action: Option<Action>,
    /// URI of the design
    #[arg(long, value_name = "URI", requires = "action")]
    design_ref: Option<String>,
    /// Read action, design and nodes from a task document
    #[arg(short, long, value_name = "JSON", conflicts_with_all = ["action", "design_ref", "node_filter"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    common: NewTaskArgs,
    /// Label to find the task by
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair::argument)]
    labels: Vec<Pair>,
    /// How long the task may run, such as 2h
    #[arg(long, value_parser = moment::span)]
    timeout: Option<Duration>,
    /// Show the nodes and the steps, and create nothing
    #[arg(long, conflicts_with = "watch")]
    dry_run: bool,
    /// Do not ask before machines are changed
    #[arg(short, long)]
    yes: bool,
    // Last, as its heading is that of every flag after it.
    #[command(flatten)]
    nodes: NodeFilterArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Retry {
    /// The finished task
    task_id: String,
    /// Which of its nodes: failed-nodes, unfinished-nodes or all-nodes
    #[arg(long, default_value = "failed-nodes", value_parser = token::argument::<RetryScope>)]
    scope: RetryScope,
    #[command(flatten)]
    common: NewTaskArgs,
}

/// What creating a task has in common, whatever it is made from.
#[derive(Debug, Args)]
struct NewTaskArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Makes repeating the command safe: the same id gives the same task [default: a new one]
    #[arg(long, value_name = "UUID")]
    request_id: Option<Uuid>,
    /// Follow the task to its end
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    follow: FollowArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: TaskForm,
}

impl Create {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let request = self.request()?;
        let action = match Action::parse(&token::of::<TaskAction>(request.action)) {
            Some(action) => action,
            None => return Err(Error::Usage("the action is unknown".to_owned())),
        };
        let client = self.common.server.tasks()?;
        if self.dry_run {
            let preview = preview(&client, &request).await?;
            return self.show_preview(action, &preview);
        }
        // Who names nodes means some: a task for none of them would end well and hide the slip.
        if action.is_per_node() || action.is_mutating() {
            let preview = preview(&client, &request).await?;
            refuse_nothing(action, &preview)?;
            if action.is_mutating() && !self.yes {
                confirm::ask(action, &preview).await?;
            }
        }
        let response = patiently(|| {
            let mut client = client.clone();
            let request = request.clone();
            async move { client.create_task(request).await }
        })
        .await?;
        self.common.created(client, response).await
    }

    fn request(&self) -> Result<CreateTaskRequest, Error> {
        let asked = match (&self.file, self.action, &self.design_ref) {
            (Some(path), ..) => read_document(path.clone())?,
            (None, Some(action), Some(design_ref)) => CreateTaskRequest {
                action: token::wire_action(action).into(),
                design_ref: design_ref.clone(),
                node_filter: self.nodes.to_filter_set()?,
                ..CreateTaskRequest::default()
            },
            (None, ..) => {
                let problem = "give --action and --design-ref, or --file";
                return Err(Error::Usage(problem.to_owned()));
            }
        };
        Ok(CreateTaskRequest {
            request_id: self.common.request_id(),
            timeout: self.timeout.and_then(moment::wire),
            labels: pair::map(&self.labels, "--label")?,
            ..asked
        })
    }

    fn show_preview(&self, action: Action, preview: &Task) -> Result<ExitCode, Error> {
        if self.common.output != TaskForm::Table {
            show::print(preview, self.common.output)?;
        } else {
            output::line(&confirm::question(action, preview))?;
            for step in plan::steps(action) {
                let condition = if step.only_if_unknown {
                    " (if the node is not yet known)"
                } else {
                    ""
                };
                output::line(&format!("  {}{condition}", step.kind))?;
            }
        }
        refuse_nothing(action, preview)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Retry {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let client = self.common.server.tasks()?;
        let request = RetryTaskRequest {
            task_id: self.task_id.clone(),
            request_id: self.common.request_id(),
            scope: self.scope.into(),
        };
        let response = patiently(|| {
            let mut client = client.clone();
            let request = request.clone();
            async move { client.retry_task(request).await }
        })
        .await?;
        self.common.created(client, response).await
    }
}

impl NewTaskArgs {
    /// One id for all attempts of this command, so that an attempt whose answer was lost is found again.
    fn request_id(&self) -> String {
        self.request_id.unwrap_or_else(Uuid::new_v4).to_string()
    }

    async fn created(
        &self,
        client: TaskServiceClient<Link>,
        response: tonic::Response<Task>,
    ) -> Result<ExitCode, Error> {
        let replayed = response.metadata().contains_key("drydock-replayed");
        let task = response.into_inner();
        if self.watch {
            output::note(&format!("task {}", task.task_id));
            let form = match self.output {
                TaskForm::Table => Form::Table,
                TaskForm::Json | TaskForm::Document => Form::Json,
            };
            let options = self.follow.options(task.task_id, String::new());
            let presentation = self.follow.presentation(form);
            let program = self.server.program();
            return watch::to_the_end(Follow::new(client, options), presentation, &program).await;
        }
        if self.output == TaskForm::Table {
            // An earlier command with the same request id may have been long ago.
            let existed = if replayed {
                " (it existed already)"
            } else {
                ""
            };
            let status = token::of::<TaskStatus>(task.status);
            output::line(&format!("task {} {status}{existed}", task.task_id))?;
        } else {
            show::print(&task, self.output)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn preview(
    client: &TaskServiceClient<Link>,
    request: &CreateTaskRequest,
) -> Result<Task, Error> {
    let request = CreateTaskRequest {
        validate_only: true,
        ..request.clone()
    };
    let response = patiently(|| {
        let mut client = client.clone();
        let request = request.clone();
        async move { client.create_task(request).await }
    })
    .await?;
    Ok(response.into_inner())
}

fn refuse_nothing(action: Action, preview: &Task) -> Result<(), Error> {
    let count = preview.target_node_count.unwrap_or_default();
    if action.is_per_node() && count == 0 && preview.target_nodes.is_empty() {
        return Err(Error::NothingSelected {
            design_ref: preview.design_ref.clone(),
        });
    }
    Ok(())
}

fn read_document(path: PathBuf) -> Result<CreateTaskRequest, Error> {
    use std::io::Read as _;
    let read = || {
        let mut text = String::new();
        let file = std::fs::File::open(&path)?;
        file.take(MAX_DOCUMENT_BYTES).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    document::parse(&text).map_err(|source| Error::Document { path, source })
}
