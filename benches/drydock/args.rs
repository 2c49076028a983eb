//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::Parser;

/// Measures the service against what bounds it.
#[derive(Debug, Parser)]
#[command(name = "drydock-bench")]
pub(crate) struct Args {
    /// Small sizes and few rounds: shows that everything works, judges nothing
    #[arg(long)]
    pub(crate) quick: bool,
    /// Also a tree of 100,000 nodes on each database
    #[arg(long)]
    pub(crate) large: bool,
    /// Measure only this; repeat for more
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Print the names of the measures
    #[arg(long)]
    pub(crate) list: bool,
    /// Print the report as Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Pairs of each measure [default: 7, with --quick 3]
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Measure this server instead of the one built with the benchmark
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// Be the bare server that the bounds are measured on
    #[arg(long, hide = true)]
    pub(crate) bare_server: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}
