//! `drydock serve`: the server.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::settings::{SettingsArgs, flag};
use super::{Error, output};
use crate::config::Flag;
use crate::server::signal::StopSignals;
use crate::server::{Server, log};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Address to listen on, port 0 picks a free one [default: 127.0.0.1:50051] (also DRYDOCK_LISTEN)
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Directory that `file://` design references may read; repeat for more
    #[arg(long = "design-root", value_name = "DIR")]
    design_roots: Vec<PathBuf>,
    /// Simulate every node: a rehearsal that touches no machine
    #[arg(long)]
    simulate: bool,
    /// Serve beyond this machine although nobody is authenticated
    #[arg(long)]
    insecure: bool,
}

impl Serve {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        let config = self.settings.load(self.flags()?)?;
        log::start(&config.log)?;
        let mut signals = StopSignals::new().map_err(Error::Signals)?;
        // A task of its own: it waits for the database, and that must not be dropped half-way.
        let starting = tokio::spawn(async move { Server::start(&config).await });
        let server = tokio::select! {
            started = starting => started.map_err(Error::Panicked)??,
            () = signals.next() => return Ok(ExitCode::SUCCESS),
        };
        output::line(&format!("listening on {}", server.address()))?;

        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut running = tokio::spawn(server.run_until(async {
            // Told, or left by whoever could tell: both mean stop.
            stopped.await.ok();
        }));
        tokio::select! {
            ended = &mut running => {
                ended.map_err(Error::Panicked)??;
                return Ok(ExitCode::SUCCESS);
            }
            () = signals.next() => drop(stop),
        }
        tokio::select! {
            ended = running => {
                ended.map_err(Error::Panicked)??;
                Ok(ExitCode::SUCCESS)
            }
            // Whoever asks twice does not want to wait.
            () = signals.next() => Err(Error::Impatient),
        }
    }

    fn flags(&self) -> Result<Vec<Flag>, Error> {
        let mut flags = Vec::new();
        flags.extend(
            self.listen
                .as_ref()
                .map(|address| flag("--listen", "server.listen", address)),
        );
        if !self.design_roots.is_empty() {
            let roots = self
                .design_roots
                .iter()
                .map(|root| root.to_str().map(str::to_owned));
            flags.push(Flag {
                name: "--design-root",
                key: "design.roots",
                values: roots
                    .collect::<Option<_>>()
                    .ok_or_else(|| Error::Usage("--design-root is not UTF-8".to_owned()))?,
            });
        }
        if self.simulate {
            flags.push(flag("--simulate", "simulated.all", "true"));
        }
        if self.insecure {
            flags.push(flag("--insecure", "server.insecure", "true"));
        }
        Ok(flags)
    }
}
