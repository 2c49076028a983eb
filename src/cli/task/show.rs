//! `drydock task get` and `drydock task tree`: what is known of a task.

use std::process::ExitCode;

use clap::Args;

use super::TaskForm;
use crate::cli::connection::{ServerArgs, patiently};
use crate::cli::json::Json;
use crate::cli::{Error, describe, document, output};
use crate::proto::v1::{GetTaskRequest, GetTaskTreeRequest, Task};

#[derive(Debug, Args)]
pub(in crate::cli) struct Get {
    /// The task
    task_id: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: TaskForm,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Tree {
    /// The task at the top
    task_id: String,
    /// Levels below it [default: all]
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
    max_depth: Option<i32>,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: TaskForm,
}

impl Get {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.tasks()?;
        let response = patiently(|| {
            let mut client = client.clone();
            let request = GetTaskRequest {
                task_id: self.task_id.clone(),
                ..GetTaskRequest::default()
            };
            async move { client.get_task(request).await }
        })
        .await?;
        print(response.get_ref(), self.output)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Tree {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.tasks()?;
        let response = patiently(|| {
            let mut client = client.clone();
            let request = GetTaskTreeRequest {
                task_id: self.task_id.clone(),
                max_depth: self.max_depth,
                ..GetTaskTreeRequest::default()
            };
            async move { client.get_task_tree(request).await }
        })
        .await?;
        let tree = response.get_ref();
        match self.output {
            TaskForm::Table => {
                for line in describe::tree(&tree.init_task_id, &tree.tasks) {
                    output::line(&line)?;
                }
            }
            TaskForm::Json => {
                output::line(&Json::new()?.pretty("GetTaskTreeResponse", tree)?)?;
            }
            TaskForm::Document => {
                let document = document::tree(&tree.init_task_id, &tree.tasks);
                output::line(&format!("{document:#}"))?;
            }
        }
        if tree.truncated {
            output::note(
                "The tree is larger than what is shown; `drydock task list --root` has all of it.",
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints one task.
pub(super) fn print(task: &Task, form: TaskForm) -> Result<(), Error> {
    match form {
        TaskForm::Table => describe::task(task)
            .iter()
            .try_for_each(|line| output::line(line)),
        TaskForm::Json => output::line(&Json::new()?.pretty("Task", task)?),
        TaskForm::Document => output::line(&format!("{:#}", document::task(task))),
    }
}
