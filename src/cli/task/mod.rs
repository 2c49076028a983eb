//! `drydock task`: create, read, follow, stop and delete tasks.

mod confirm;

mod create;

mod list;

mod messages;

mod purge;

mod show;

mod stop;

mod wait;

pub(super) mod watch;

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::Error;
use super::build_data::OfTask;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Ask for work on nodes
    Create(Box<create::Create>),
    /// Show a task
    Get(show::Get),
    /// Show a task and everything below it
    Tree(show::Tree),
    /// List tasks, newest first
    List(Box<list::List>),
    /// Print each transition of a task as it comes, to its end
    Watch(watch::Watch),
    /// Wait for the end of a task
    Wait(wait::Wait),
    /// Stop a task
    Terminate(stop::Terminate),
    /// Try a finished task again
    Retry(create::Retry),
    /// Show what a task had to say
    Messages(messages::Messages),
    /// Show what a task found out about nodes: all of it, unless told otherwise
    #[command(name = "builddata")]
    BuildData(OfTask),
    /// Delete tasks that ended long ago
    Purge(Box<purge::Purge>),
}

impl Command {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        match self {
            Self::Create(command) => command.run().await,
            Self::Get(command) => command.run().await,
            Self::Tree(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Watch(command) => command.run().await,
            Self::Wait(command) => command.run().await,
            Self::Terminate(command) => command.run().await,
            Self::Retry(command) => command.run().await,
            Self::Messages(command) => command.run().await,
            Self::BuildData(command) => command.run().await,
            Self::Purge(command) => command.run().await,
        }
    }
}

/// The form of what a command prints, where documents make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TaskForm {
    /// For people
    Table,
    /// Every field, in the protobuf JSON form
    Json,
    /// The status document of the original service
    Document,
}

/// The form of what a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people
    Table,
    /// Every field, in the protobuf JSON form
    Json,
}
