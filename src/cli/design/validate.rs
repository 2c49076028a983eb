//! `drydock design validate`: of files at hand, or of a reference that a server reads.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::report::Report;
use super::{github, human, json, sarif};
use crate::cli::connection::{ServerArgs, patiently};
use crate::cli::program::Program;
use crate::cli::{Error, output};
use crate::design;
use crate::proto::v1::ValidateDesignRequest;

#[derive(Debug, Args)]
pub(in crate::cli) struct Validate {
    /// Files of one design, or directories whose `*.yaml` and `*.yml` files belong to it
    #[arg(value_name = "FILE", required_unless_present = "design_ref")]
    files: Vec<PathBuf>,
    /// URI of a design that the server reads and validates, instead of files
    #[arg(long, value_name = "URI", conflicts_with = "files")]
    design_ref: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "human")]
    format: Format,
    /// Fail on warnings, too
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the lines that are wrong
    Human,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code scanners
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

impl Validate {
    /// The exit code is 1 for a design with errors - with warnings, where these are denied - and 2 for
    /// one that cannot be read.
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let (report, sources) = match &self.design_ref {
            Some(design_ref) => (self.ask(design_ref).await?, HashMap::new()),
            None => {
                let files = self.files;
                // Reading and checking a large site takes seconds of a thread's time.
                let checked = tokio::task::spawn_blocking(move || check(&files)).await;
                checked.map_err(Error::Panicked)??
            }
        };
        print(self.format, &report, &sources)?;
        let failed = report.errors > 0 || (self.deny_warnings && report.warnings > 0);
        Ok(if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    async fn ask(&self, design_ref: &str) -> Result<Report, Error> {
        let client = self.server.designs()?;
        let status = patiently(|| {
            let mut client = client.clone();
            let request = ValidateDesignRequest {
                design_ref: design_ref.to_owned(),
            };
            async move { client.validate_design(request).await }
        })
        .await?;
        Ok(Report::of_status(status.get_ref()))
    }
}

/// Reads and validates; the files' texts by their names, for excerpts.
fn check(paths: &[PathBuf]) -> Result<(Report, HashMap<String, String>), Error> {
    let files = design::read_files(paths).map_err(Error::Design)?;
    let findings = design::validate(&files).map_err(Error::Design)?;
    let report = Report::of_findings(&findings);
    let sources = files
        .into_iter()
        .filter_map(|file| Some((file.name, String::from_utf8(file.bytes).ok()?)))
        .collect();
    Ok((report, sources))
}

fn print(format: Format, report: &Report, sources: &HashMap<String, String>) -> Result<(), Error> {
    match format {
        Format::Human => {
            // The convention of no-color.org: set and not empty.
            let plain = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
            let colours = std::io::stdout().is_terminal() && !plain;
            let text = human::text(report, sources, colours);
            if !text.is_empty() {
                output::line(text.trim_end_matches('\n'))?;
            }
            let hidden = report.errors + report.warnings - report.found.len();
            if hidden > 0 {
                output::note(&format!(
                    "{hidden} more are not shown: a validate_design task has all of them"
                ));
            }
            output::note(&report.summary());
            if let Some(first) = report.found.first() {
                let program = Program::local();
                let explain = program.call(&format!("design rules {}", first.code));
                output::note(&format!("what a code means: {explain}"));
            }
            Ok(())
        }
        Format::Json => output::line(&format!("{:#}", json::document(report))),
        Format::Sarif => output::line(&format!("{:#}", sarif::log(report))),
        Format::Github => github::lines(report).try_for_each(|line| output::line(&line)),
    }
}
