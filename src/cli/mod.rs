//! The `drydock` command: what can be typed, and who does it.
//!
//! Each command is one file. What a command has to say goes to standard output through [`output`]; what
//! accompanies it - questions, warnings, errors - goes to standard error.

mod output;

mod error;

mod credentials;

pub mod connection;

mod program;

mod token;

mod moment;

mod pair;

mod table;

mod json;

mod document;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

mod node_filter;

mod line;

pub mod follow;

mod describe;
mod describe_node;

mod view;

mod show;

mod task;

mod node;

mod build_data;

mod design;

mod settings;

mod serve;

mod migrate;

mod config;

mod demo;

mod access_token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::Error;

/// Runs tasks on the bare-metal nodes of a site and streams every transition.
#[derive(Debug, Parser)]
#[command(name = "drydock", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Serve),
    /// Look after the schema of the database
    Migrate(migrate::Migrate),
    /// Look at what can be configured
    #[command(subcommand)]
    Config(config::Command),
    /// Deploy an example site on a server of its own and show what happens
    Demo(demo::Demo),
    /// Create, read, follow, stop and delete tasks
    #[command(subcommand)]
    Task(task::Command),
    /// Make tokens for a server that knows its callers
    #[command(subcommand)]
    Token(access_token::Command),
    /// Look at the nodes of a design
    #[command(subcommand)]
    Node(node::Command),
    /// Say what is wrong with a design
    #[command(subcommand)]
    Design(design::Command),
}

impl Cli {
    /// Does what was asked. The exit code is 0 for success, 1 for a failure - of the command, or of the
    /// task that it followed - and 2 for a command line that makes no sense.
    pub async fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Serve(command) => command.run().await,
            Command::Migrate(command) => command.run().await,
            Command::Config(command) => command.run(),
            Command::Demo(command) => command.run().await,
            Command::Task(command) => command.run().await,
            Command::Token(command) => command.run(),
            Command::Node(command) => command.run().await,
            Command::Design(command) => command.run().await,
        };
        done.unwrap_or_else(|error| error.report())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_makes_sense_is_accepted_and_the_rest_refused() {
        for accepted in [
            "drydock serve --listen 127.0.0.1:0 --design-root a --design-root b --simulate --insecure",
            "drydock migrate up --database-url sqlite:x.db",
            "drydock migrate down --steps 2",
            "drydock migrate new-epoch",
            "drydock demo",
            "drydock demo --nodes 200 --keep --step-duration 1s",
            "drydock task watch 3c9b --resume t --lines",
            "drydock task create --action deploy_node --design-ref file:///x.yaml",
            "drydock node show n1 --design-ref file:///x.yaml -o json",
            "drydock node builddata n1 --no-latest --task 3c9b -o json",
            "drydock node builddata n1 --latest --generator redfish -o data",
            "drydock task builddata 3c9b --latest --node n1",
            "drydock task create --action deploy_nodes --design-ref x --node-name a --yes",
            "drydock task create -f task.json --watch -o json",
            "drydock task list --status running --status queued --label a=b",
            "drydock task retry 3c9b --scope unfinished-nodes --watch",
            "drydock task purge --older-than 90d --label a=b --yes",
            "drydock task list --server https://h --token-file t --ca-file c --client-cert a --client-key b",
            "drydock token new ci --role operate --lifetime 90d",
            "drydock task purge --older-than 0s --dry-run -o json",
        ] {
            let parsed = Cli::try_parse_from(accepted.split(' '));
            assert!(parsed.is_ok(), "{accepted}: {}", parsed.unwrap_err());
        }
        for refused in [
            "drydock task create",
            "drydock task create --action deploy_node",
            "drydock task create --action fly --design-ref x",
            "drydock task create -f task.json --action deploy_node --design-ref x",
            "drydock task create -f task.json --node-name a",
            "drydock demo --nodes 0",
            "drydock task list --label a",
            "drydock node builddata",
            "drydock task wait 3c9b --timeout 30",
            "drydock task purge",
            "drydock task purge --older-than 90",
            "drydock task list --client-cert a",
            "drydock token new ci",
            "drydock token new ci --role admin",
            "drydock token new anonymous --role read",
            "drydock task purge --older-than 90d --dry-run --yes",
        ] {
            assert!(
                Cli::try_parse_from(refused.split(' ')).is_err(),
                "{refused}"
            );
        }
    }
}
