//! `drydock task watch`: each transition of a task as it comes, to its end.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::Form;
use crate::cli::connection::ServerArgs;
use crate::cli::follow::{Follow, FollowOptions, Followed};
use crate::cli::json::Json;
use crate::cli::line::Lines;
use crate::cli::{Error, moment, output};
use crate::proto::v1::task_event::Event;
use crate::proto::v1::{ResultStatus, Task, TaskStatus};

#[derive(Debug, Args)]
pub(in crate::cli) struct Watch {
    /// The task
    task_id: String,
    #[command(flatten)]
    follow: FollowArgs,
    /// Continue after the event that had this token
    #[arg(long, value_name = "TOKEN", default_value = "")]
    resume_token: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output: lines, or one JSON object a line
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
}

/// How a task is followed.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct FollowArgs {
    /// How long to try while no server answers
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = moment::span)]
    reconnect_for: Duration,
    /// Only the task itself, not what is below it
    #[arg(long)]
    no_subtasks: bool,
}

impl Watch {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.tasks()?;
        let options = self.follow.options(self.task_id, self.resume_token);
        to_the_end(Follow::new(client, options), self.output).await
    }
}

impl FollowArgs {
    pub(super) fn options(&self, task_id: String, resume_token: String) -> FollowOptions {
        FollowOptions {
            task_id,
            resume_token,
            include_subtasks: !self.no_subtasks,
            reconnect_for: self.reconnect_for,
        }
    }
}

/// Prints what happens to a task until its end, which decides the exit code.
pub(in crate::cli) async fn to_the_end(mut follow: Follow, form: Form) -> Result<ExitCode, Error> {
    let json = Json::new()?;
    let mut lines = Lines::default();
    let mut code = ExitCode::FAILURE;
    while let Some(followed) = follow.next().await? {
        let event = match followed {
            Followed::Event(event) => event,
            Followed::Interrupted(why) => {
                output::note(&format!("interrupted: {why}; resuming"));
                continue;
            }
        };
        match form {
            Form::Json => output::line(&json.line("TaskEvent", event.as_ref())?)?,
            Form::Table => {
                if let Some(line) = lines.line(&event) {
                    output::line(&line)?;
                }
            }
        }
        if let Some(Event::TaskFinished(task)) = &event.event
            && task.task_id == follow.task_id()
        {
            code = exit_code(task);
        }
    }
    Ok(code)
}

/// The exit code of a finished task: success only if all of it succeeded.
pub(super) fn exit_code(task: &Task) -> ExitCode {
    let succeeded = task
        .result
        .as_ref()
        .is_some_and(|result| result.status() == ResultStatus::Success);
    if succeeded && task.status() == TaskStatus::Complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
