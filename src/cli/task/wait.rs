//! `drydock task wait`: wait for the end of a task without its events.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use super::{TaskForm, show, watch};
use crate::cli::connection::{ServerArgs, patiently};
use crate::cli::{Error, moment, token};
use crate::config::duration;
use crate::proto::v1::{TaskStatus, WaitTaskRequest};

/// Longest wait of one call (api contract, section 2).
const MAX_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(in crate::cli) struct Wait {
    /// The task
    task_id: String,
    /// How long to wait, such as 90s [default: to the end]
    #[arg(long, value_parser = moment::span)]
    timeout: Option<Duration>,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: TaskForm,
}

impl Wait {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let client = self.server.tasks()?;
        let began = Instant::now();
        loop {
            let left = self
                .timeout
                .map(|timeout| timeout.saturating_sub(began.elapsed()));
            let response = patiently(|| {
                let mut client = client.clone();
                let request = WaitTaskRequest {
                    task_id: self.task_id.clone(),
                    timeout: moment::wire(left.unwrap_or(MAX_WAIT).min(MAX_WAIT)),
                };
                async move { client.wait_task(request).await }
            })
            .await?
            .into_inner();
            let task = response.task.unwrap_or_default();
            if response.done.unwrap_or_default() {
                show::print(&task, self.output)?;
                return Ok(watch::exit_code(&task));
            }
            if let Some(timeout) = self.timeout
                && began.elapsed() >= timeout
            {
                return Err(Error::NotDone {
                    status: token::of::<TaskStatus>(task.status),
                    waited: duration::format(timeout),
                });
            }
        }
    }
}
