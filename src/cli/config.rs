//! `drydock config`: what can be configured.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::table::Table;
use super::{Error, output};
use crate::config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List every key, with its default and what it is for
    Keys(Keys),
}

#[derive(Debug, Args)]
pub(super) struct Keys {
    /// As the table of docs/OPERATIONS.md, which a test compares with this
    #[arg(long)]
    markdown: bool,
}

impl Command {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        match self {
            Self::Keys(Keys { markdown: true }) => output::line(markdown().trim_end())?,
            Self::Keys(Keys { markdown: false }) => {
                let mut table = Table::new(["KEY", "DEFAULT", "WHAT IT IS FOR"]);
                for key in config::keys() {
                    table.push([key.name, key.default, key.description]);
                }
                table.lines().try_for_each(|line| output::line(&line))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Every key as a table of a document.
fn markdown() -> String {
    let rows = config::keys().into_iter().map(|key| {
        format!(
            "| `{}` | `{}` | {} |\n",
            key.name, key.default, key.description
        )
    });
    let heading = "| key | default | what it is for |\n|---|---|---|\n".to_owned();
    rows.fold(heading, |table, row| table + &row)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands around the table in the document.
    const BEGIN: &str = "<!-- keys: begin -->\n";
    const END: &str = "<!-- keys: end -->\n";

    #[test]
    fn the_documented_keys_are_those_that_are_read() {
        let document = include_str!("../../docs/OPERATIONS.md");
        let (_, rest) = document.split_once(BEGIN).unwrap();
        let (table, _) = rest.split_once(END).unwrap();
        assert!(
            table == markdown(),
            "docs/OPERATIONS.md is stale: put the output of `drydock config keys --markdown` between its markers"
        );
    }
}
