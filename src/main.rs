//! The `drydock` command: parse, run, exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use drydock::cli::{self, Cli};

/// How long work that was left behind may still take once the command is done: a file being read on a dead
/// file system must not keep the process.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return cli::Error::Runtime(error).report(),
    };
    let code = runtime.block_on(cli.run());
    runtime.shutdown_timeout(LEFT_BEHIND);
    code
}
