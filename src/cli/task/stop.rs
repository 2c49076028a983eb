//! `drydock task terminate`: stop a task.

use std::process::ExitCode;

use clap::Args;

use super::{TaskForm, show};
use crate::cli::connection::{ServerArgs, patiently};
use crate::cli::{Error, output, token};
use crate::proto::v1::{TaskStatus, TerminateTaskRequest};

#[derive(Debug, Args)]
pub(in crate::cli) struct Terminate {
    /// The task
    task_id: String,
    /// Why, for those who look at the task later
    #[arg(long, default_value = "")]
    reason: String,
    /// Only if the task still has this revision
    #[arg(long, value_name = "N")]
    expected_revision: Option<i64>,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: TaskForm,
}

impl Terminate {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.tasks()?;
        let response = patiently(|| {
            let mut client = client.clone();
            let request = TerminateTaskRequest {
                task_id: self.task_id.clone(),
                reason: self.reason.clone(),
                expected_revision: self.expected_revision,
            };
            async move { client.terminate_task(request).await }
        })
        .await?;
        let task = response.get_ref();
        if self.output == TaskForm::Table {
            let status = token::of::<TaskStatus>(task.status);
            output::line(&format!("task {} {status}", task.task_id))?;
        } else {
            show::print(task, self.output)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
