//! The report: a table for people, or for the documentation, with the machine it is about.

use std::fmt;
use std::io::Write as _;
use std::time::Duration;

use crate::Result;
use crate::machine::Machine;
use crate::sample::{Figures, Spread};
use crate::world::World;

const HEAD: [&str; 8] = [
    "", "rate", "p50", "p99", "CPU/op", "result", "floor", "verdict",
];

/// What a figure has to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Floor {
    AtLeast(f64),
    AtMost(f64),
}

/// How a figure stands to its floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// Not even half of what was to be reached.
    MissedByFar,
}

impl Floor {
    pub(crate) fn judge(self, value: f64) -> Verdict {
        // How much of the floor is reached; 1 is all of it.
        let reached = match self {
            Self::AtLeast(floor) => value / floor,
            Self::AtMost(ceiling) => ceiling / value,
        };
        if reached >= 1.0 {
            Verdict::Met
        } else if reached >= 0.5 {
            Verdict::Missed
        } else {
            Verdict::MissedByFar
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::MissedByFar => "missed by more than half",
        })
    }
}

/// A line of the report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// What the rate counts, as in `tasks`.
    pub(crate) unit: &'static str,
    pub(crate) figures: Figures,
    /// What is judged, or said beside the figures.
    pub(crate) result: String,
    /// In words.
    pub(crate) floor: String,
    pub(crate) verdict: Option<Verdict>,
}

impl Row {
    /// The line of a bound.
    pub(crate) fn bound(name: impl Into<String>, unit: &'static str, figures: Figures) -> Self {
        Self {
            name: format!("bound: {}", name.into()),
            unit,
            figures,
            ..Self::default()
        }
    }

    fn cells(&self) -> [String; 8] {
        let rate = self
            .figures
            .rate
            .filter(|_| !self.unit.is_empty())
            .map(|rate| format!("{} {}/s", count(rate), self.unit));
        [
            self.name.clone(),
            rate.unwrap_or_default(),
            self.figures.p50.map(time).unwrap_or_default(),
            self.figures.p99.map(time).unwrap_or_default(),
            self.figures
                .cpu
                .map(|cpu| format!("{:.1} us", cpu.as_secs_f64() * 1e6))
                .unwrap_or_default(),
            self.result.clone(),
            self.floor.clone(),
            self.verdict
                .map(|verdict| verdict.to_string())
                .unwrap_or_default(),
        ]
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.cells();
        let labelled = cells.iter().zip(HEAD).filter(|(cell, _)| !cell.is_empty());
        for (place, (cell, head)) in labelled.enumerate() {
            match (place, head) {
                (0, _) => write!(f, "{cell}")?,
                (_, "p50" | "p99" | "CPU/op" | "floor") => write!(f, ", {head} {cell}")?,
                (_, _) => write!(f, ", {cell}")?,
            }
        }
        Ok(())
    }
}

/// Lines as they come in.
pub(crate) struct Report {
    quick: bool,
    before: Result<Machine>,
    sections: Vec<(&'static str, Vec<Row>)>,
}

impl Report {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            quick: world.quick,
            before: Machine::look(world),
            sections: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, title: &'static str, row: Row) {
        match self.sections.last_mut() {
            Some((last, rows)) if *last == title => rows.push(row),
            Some(_) | None => self.sections.push((title, vec![row])),
        }
    }

    /// The report with the machine's facts, which need everything that was measured to be still there.
    pub(crate) async fn finish(self, world: &World) -> Result<Finished> {
        let facts = Machine::facts(world, &self.before?).await?;
        Ok(Finished {
            quick: self.quick,
            facts,
            sections: self.sections,
        })
    }
}

/// The whole report.
pub(crate) struct Finished {
    quick: bool,
    facts: Vec<(&'static str, String)>,
    sections: Vec<(&'static str, Vec<Row>)>,
}

impl Finished {
    pub(crate) fn text(&self) -> String {
        let table: Vec<[String; 8]> = self
            .sections
            .iter()
            .flat_map(|(_, rows)| rows.iter().map(Row::cells))
            .chain([HEAD.map(str::to_owned)])
            .collect();
        let widths: [usize; 8] = std::array::from_fn(|column| {
            table
                .iter()
                .map(|cells| cells[column].chars().count())
                .max()
                .unwrap_or_default()
        });
        let line = |cells: &[String; 8]| {
            let mut line = String::new();
            for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
                // Numbers stand at the right, words at the left.
                line.push_str(&match place {
                    1..=4 => format!("{cell:>width$}  "),
                    _ => format!("{cell:<width$}  "),
                });
            }
            format!("{}\n", line.trim_end())
        };
        let mut text = String::new();
        if self.quick {
            text.push_str("QUICK: small sizes, few rounds; the verdicts mean nothing\n\n");
        }
        for (fact, value) in &self.facts {
            text.push_str(&format!("{fact:<12} {value}\n"));
        }
        text.push('\n');
        text.push_str(&line(&HEAD.map(str::to_owned)));
        for (title, rows) in &self.sections {
            text.push_str(&format!("{title}\n"));
            for row in rows {
                text.push_str(&line(&row.cells()));
            }
        }
        text
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        if self.quick {
            text.push_str("**Quick: small sizes, few rounds; the verdicts mean nothing.**\n\n");
        }
        for (fact, value) in &self.facts {
            text.push_str(&format!("- {fact}: {value}\n"));
        }
        text.push_str(&format!("\n| {} |\n", HEAD.join(" | ")));
        text.push_str("|---|---:|---:|---:|---:|---|---|---|\n");
        for (title, rows) in &self.sections {
            text.push_str(&format!("| **{title}** | | | | | | | |\n"));
            for row in rows {
                let mut cells = row.cells();
                if row.verdict.is_some_and(|verdict| verdict != Verdict::Met) {
                    cells[7] = format!("**{}**", cells[7]);
                }
                text.push_str(&format!("| {} |\n", cells.join(" | ")));
            }
        }
        text
    }
}

/// A ratio and how far it was from pair to pair.
pub(crate) fn times(spread: Spread) -> String {
    format!(
        "{:.2} x ({:.2}-{:.2})",
        spread.median, spread.least, spread.most
    )
}

/// A time with three digits that count.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{:.0} us", seconds * 1e6)
    }
}

/// Mebibytes.
pub(crate) fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

/// A number with its thousands apart.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Prints what the benchmark is run for.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

/// Says on standard error what goes on.
pub(crate) fn note(text: &str) {
    // Without anybody to tell, the benchmark goes on.
    writeln!(std::io::stderr(), "{text}").ok();
}
