//! `drydock design rules`: what is looked for in designs, and what each finding means.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;

use crate::cli::table::Table;
use crate::cli::{Error, output};
use crate::design::{Entry, Severity, catalogue};

/// What the document of all rules begins with.
const HEAD: &str = "\
# Design rules

What validation looks for, by the code that a finding has. This page is made from the rules themselves:
`drydock design rules --markdown`. `drydock design rules CODE` shows one of them.

An *error* is wrong. A *warning* is worth a look, and stops nothing unless it is asked to. Where a rule
names actions, its errors keep these actions from the nodes that they are about; a design that does not
load keeps every action.
";

#[derive(Debug, Args)]
pub(in crate::cli) struct Rules {
    /// One code, explained; without it, all of them in a table
    code: Option<String>,
    /// All of them explained, as one Markdown document
    #[arg(long, conflicts_with = "code")]
    markdown: bool,
}

impl Rules {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        if self.markdown {
            output::line(document().trim_end())?;
        } else if let Some(code) = &self.code {
            let rule = catalogue().find(|rule| rule.code == code);
            let rule = rule.ok_or_else(|| Error::Usage(format!("no rule is called `{code}`")))?;
            output::line(page(&rule, 1).trim_end())?;
        } else {
            let mut table = Table::new(["CODE", "SEVERITY", "WHAT IS WRONG"]);
            for rule in catalogue() {
                table.push([
                    rule.code.to_owned(),
                    word(rule.severity).to_owned(),
                    rule.summary.to_owned(),
                ]);
            }
            table.lines().try_for_each(|line| output::line(&line))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    for rule in catalogue() {
        text.push('\n');
        text.push_str(&page(&rule, 2));
    }
    text
}

/// One rule under a heading of this level.
fn page(rule: &Entry, level: usize) -> String {
    let mut text = format!(
        "{} {}\n\n*{}*: {}.\n\n{}\n",
        "#".repeat(level),
        rule.code,
        word(rule.severity),
        rule.summary,
        rule.explanation
    );
    // Writing to a string does not fail.
    if !rule.needed_by.is_empty() {
        let actions: Vec<String> = rule
            .needed_by
            .iter()
            .map(|action| format!("`{action}`"))
            .collect();
        writeln!(text, "\nKeeps from a node: {}.", actions.join(", ")).ok();
    }
    for example in rule.examples {
        write!(
            text,
            "\n```yaml\n{}```\n\n> {}\n\nRight:\n\n```yaml\n{}```\n",
            example.failing, example.message, example.passing
        )
        .ok();
    }
    text
}

/// The severity as findings show it.
pub(super) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
