//! The benchmark: what the service does, against what bounds it, measured by one program in one run.
//!
//! The server is the real binary, a process of its own. Each figure that has a bound is measured in
//! pairs: the bound and the service take turns, for the same time, from the same client, on the same
//! machine, and what counts is the median of the ratios. A shared machine then slows both down.
//! docs/PERFORMANCE.md says what each measure means. The benchmark judges, it never fails by the clock.

mod args;

mod world;

#[path = "../../tests/support/postgres.rs"]
mod postgres;

mod bare;
mod designs;
mod raw;
mod server;
mod site;
mod wire;

mod load;
mod pairs;
mod process;
mod sample;

mod machine;
mod measure;
mod report;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;

use args::Args;
use report::Report;
use world::World;

/// What can go wrong here is for whoever runs the benchmark to read, not for code to tell apart.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::note(&format!("the benchmark stopped: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    if args.bare_server {
        return runtime.block_on(bare::serve());
    }
    if !args.bench {
        // `cargo test --all-targets` runs benchmarks too, to see whether they start.
        report::note("run by `cargo bench --bench drydock`");
        return Ok(());
    }
    if args.list {
        return report::print(&measure::names().join("\n"));
    }
    runtime.block_on(async {
        tokio::select! {
            measured = measure_all(args) => measured,
            // Dropped half-way, it still takes its servers and files with it.
            told = tokio::signal::ctrl_c() => Err(told.err().map_or("interrupted".into(), Into::into)),
        }
    })
}

async fn measure_all(args: &Args) -> Result<()> {
    let world = World::new(args)?;
    let mut report = Report::new(&world);
    for measure in measure::chosen(&args.only)? {
        report::note(&format!("measuring {}", measure.name));
        for row in measure.run(&world).await? {
            report::note(&format!("  {row}"));
            report.add(measure.title, row);
        }
    }
    let finished = report.finish(&world).await?;
    report::print(&if args.markdown {
        finished.markdown()
    } else {
        finished.text()
    })
}
