//! `drydock design`: what is wrong with a design, in the forms that people and pipelines read.

mod report;

mod excerpt;
mod human;

mod github;
mod json;
mod sarif;

mod rules;
mod validate;

use std::process::ExitCode;

use clap::Subcommand;

use super::Error;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with a design
    Validate(validate::Validate),
    /// Say what is looked for in designs, and what each finding means
    Rules(rules::Rules),
}

impl Command {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        match self {
            Self::Validate(command) => command.run().await,
            Self::Rules(command) => command.run(),
        }
    }
}
