//! `drydock task messages`: what a task had to say, all of it.

use std::process::ExitCode;

use clap::Args;

use super::Form;
use crate::cli::connection::{ServerArgs, patiently};
use crate::cli::json::Json;
use crate::cli::{Error, describe, output};
use crate::proto::v1::{ListTaskMessagesRequest, TaskMessage};

#[derive(Debug, Args)]
pub(in crate::cli) struct Messages {
    /// The task
    task_id: String,
    /// Also what the tasks below it had to say
    #[arg(long)]
    subtasks: bool,
    /// Only errors
    #[arg(long)]
    errors: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output: lines, or one JSON object a line
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
}

impl Messages {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.tasks()?;
        let json = Json::new()?;
        let mut page_token = String::new();
        loop {
            let request = ListTaskMessagesRequest {
                task_id: self.task_id.clone(),
                include_subtasks: self.subtasks,
                errors_only: self.errors,
                page_token,
                ..ListTaskMessagesRequest::default()
            };
            let response = patiently(|| {
                let mut client = client.clone();
                let request = request.clone();
                async move { client.list_task_messages(request).await }
            })
            .await?
            .into_inner();
            for message in &response.messages {
                self.print(message, &json)?;
            }
            page_token = response.next_page_token;
            if page_token.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }

    fn print(&self, message: &TaskMessage, json: &Json) -> Result<(), Error> {
        match self.output {
            Form::Json => output::line(&json.line("TaskMessage", message)?),
            Form::Table => {
                let text = message.message.clone().unwrap_or_default();
                output::line(&describe::message(&text))
            }
        }
    }
}
