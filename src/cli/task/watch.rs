//! `drydock task watch`: each transition of a task as it comes, to its end.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::Form;
use crate::cli::connection::ServerArgs;
use crate::cli::follow::{Follow, FollowOptions};
use crate::cli::program::Program;
use crate::cli::show::{Presentation, show};
use crate::cli::{Error, moment, output};
use crate::proto::v1::{ResultStatus, Task, TaskStatus};
use crate::server::signal::StopSignals;

/// The exit code of a command that was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
pub(in crate::cli) struct Watch {
    /// The task
    task_id: String,
    #[command(flatten)]
    follow: FollowArgs,
    /// Continue after the event that had this token
    #[arg(
        long,
        visible_alias = "resume",
        value_name = "TOKEN",
        default_value = ""
    )]
    resume_token: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output: a picture or lines, or one JSON object a line
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
    /// A line for each transition also on a terminal, instead of a picture
    #[arg(long)]
    lines: bool,
}

impl Watch {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.tasks()?;
        let presentation = match self.follow.presentation(self.output) {
            // A picture has to begin with what was before.
            Presentation::Picture if !self.resume_token.is_empty() => Presentation::Lines,
            presentation => presentation,
        };
        let options = self.follow.options(self.task_id, self.resume_token);
        let program = self.server.program();
        to_the_end(Follow::new(client, options), presentation, &program).await
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

    pub(super) fn presentation(&self, form: Form) -> Presentation {
        match form {
            Form::Json => Presentation::Json,
            Form::Table if self.lines => Presentation::Lines,
            Form::Table => Presentation::for_people(),
        }
    }
}

/// Shows what happens to a task until its end, which decides the exit code. Who leaves before is told how
/// to come back.
pub(super) async fn to_the_end(
    mut follow: Follow,
    presentation: Presentation,
    program: &Program,
) -> Result<ExitCode, Error> {
    let mut signals = StopSignals::new().map_err(Error::Signals)?;
    let foot = "ctrl-C leaves; the task goes on";
    tokio::select! {
        task = show(&mut follow, presentation, foot, Some(program)) => {
            return Ok(task?.map_or(ExitCode::FAILURE, |task| exit_code(&task)));
        }
        () = signals.next() => {}
    }
    let mut command = format!("task watch {}", follow.task_id());
    if presentation != Presentation::Picture && !follow.position().is_empty() {
        command.push_str(&format!(" --resume-token {}", follow.position()));
    }
    output::note("The task goes on. To follow it from here:");
    output::note(&format!("  {}", program.call(&command)));
    Ok(ExitCode::from(INTERRUPTED))
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
