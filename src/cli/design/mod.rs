//! `drydock design`: what is wrong with a design, in the forms that people and pipelines read.

mod report;

mod excerpt;
mod human;

mod github;
mod json;
mod sarif;

mod validate;

use std::process::ExitCode;

use clap::Subcommand;

use super::Error;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with a design
    Validate(validate::Validate),
}

impl Command {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        match self {
            Self::Validate(command) => command.run().await,
        }
    }
}
