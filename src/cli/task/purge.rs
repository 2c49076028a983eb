//! `drydock task purge`: delete trees that ended long ago.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Form, confirm};
use crate::cli::connection::{ServerArgs, patiently};
use crate::cli::json::Json;
use crate::cli::pair::{self, Pair};
use crate::cli::{Error, moment, output, token};
use crate::domain::Action;
use crate::proto::v1::{
    PurgeTasksRequest, PurgeTasksResponse, ResultStatus, TaskFilter, TaskStatus,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Purge {
    /// Tasks that ended at least so long ago, for example 90d
    #[arg(long, value_name = "DURATION", value_parser = moment::span)]
    older_than: Duration,
    /// Tasks in this status, complete or terminated
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
    /// Tasks created before this time
    #[arg(long, value_name = "TIME", value_parser = moment::argument)]
    created_before: Option<prost_types::Timestamp>,
    /// The task with this id
    #[arg(long, value_name = "TASK_ID")]
    root: Option<String>,
    /// Tasks on this design
    #[arg(long, value_name = "URI")]
    design_ref: Option<String>,
    /// Tasks with this label; repeat for more
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair::argument)]
    labels: Vec<Pair>,
    /// Only say what would be deleted
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask before deleting
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
}

impl Purge {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        if self.yes {
            let purged = self.purge(true).await?;
            return self.print(&purged, "deleted");
        }
        let preview = self.purge(false).await?;
        if self.dry_run || preview.purge_count == Some(0) {
            return self.print(&preview, "would be deleted");
        }
        confirm::to_continue(&question(&preview)).await?;
        let purged = self.purge(true).await?;
        self.print(&purged, "deleted")
    }

    async fn purge(&self, force: bool) -> Result<PurgeTasksResponse, Error> {
        let client = self.server.tasks()?;
        let request = PurgeTasksRequest {
            older_than: moment::wire(self.older_than),
            filter: Some(self.filter()?),
            force,
        };
        // Made again after a failure it deletes the rest, and counts that alone.
        let response = patiently(|| {
            let mut client = client.clone();
            let request = request.clone();
            async move { client.purge_tasks(request).await }
        })
        .await?;
        Ok(response.into_inner())
    }

    fn filter(&self) -> Result<TaskFilter, Error> {
        Ok(TaskFilter {
            status: self.status.iter().map(|one| i32::from(*one)).collect(),
            action: self
                .action
                .iter()
                .map(|one| token::wire_action(*one).into())
                .collect(),
            result_status: self.result.iter().map(|one| i32::from(*one)).collect(),
            created_by: self.created_by.clone().unwrap_or_default(),
            created_before: self.created_before,
            root_task_id: self.root.clone().unwrap_or_default(),
            roots_only: true,
            design_ref: self.design_ref.clone().unwrap_or_default(),
            labels: pair::map(&self.labels, "--label")?,
            ..TaskFilter::default()
        })
    }

    fn print(&self, purged: &PurgeTasksResponse, what: &str) -> Result<ExitCode, Error> {
        match self.output {
            Form::Table => output::line(&format!("{} {what}", trees(purged)))?,
            Form::Json => {
                let json = Json::new()?.value("PurgeTasksResponse", purged)?;
                output::line(&format!("{json:#}"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is about to be deleted.
fn question(preview: &PurgeTasksResponse) -> String {
    let count = preview.purge_count.unwrap_or_default();
    let mut text = format!(
        "delete {} for good, with subtasks, messages and events:",
        trees(preview)
    );
    for task_id in &preview.purge_sample {
        text.push_str(&format!("\n  {task_id}"));
    }
    let named = i32::try_from(preview.purge_sample.len()).unwrap_or(i32::MAX);
    if count > named {
        text.push_str(&format!("\n  and {} more", count - named));
    }
    text
}

fn trees(purged: &PurgeTasksResponse) -> String {
    match purged.purge_count.unwrap_or_default() {
        1 => "1 task".to_owned(),
        count => format!("{count} tasks"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_says_how_many_and_names_some() {
        let preview = |purge_count, names: &[&str]| PurgeTasksResponse {
            purge_count: Some(purge_count),
            purge_sample: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(
            question(&preview(1, &["a"])),
            "delete 1 task for good, with subtasks, messages and events:\n  a"
        );
        assert_eq!(
            question(&preview(5, &["a", "b"])),
            "delete 5 tasks for good, with subtasks, messages and events:\n  a\n  b\n  and 3 more"
        );
    }
}
