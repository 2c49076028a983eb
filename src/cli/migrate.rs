//! `drydock migrate`: the schema of the database.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::settings::SettingsArgs;
use super::{Error, output};
use crate::store::admin;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply every pending migration
    Up(SettingsArgs),
    /// Take back the newest migrations
    Down {
        #[command(flatten)]
        settings: SettingsArgs,
        /// How many
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
    },
    /// Show which migrations are applied
    Status(SettingsArgs),
    /// After a restore: make positions from before it invalid
    NewEpoch(SettingsArgs),
}

impl Migrate {
    pub(super) async fn run(self) -> Result<ExitCode, Error> {
        match self.command {
            Command::Up(settings) => {
                let config = settings.load(Vec::new())?;
                let applied = admin::migrate_up(config.database.url).await?;
                output::line(&format!("applied {applied} migrations"))?;
            }
            Command::Down { settings, steps } => {
                let config = settings.load(Vec::new())?;
                admin::migrate_down(config.database.url, steps).await?;
            }
            Command::Status(settings) => {
                let config = settings.load(Vec::new())?;
                for migration in admin::migrate_status(config.database.url).await? {
                    let state = if migration.applied {
                        "applied"
                    } else {
                        "pending"
                    };
                    output::line(&format!("{state}  {}", migration.name))?;
                }
            }
            Command::NewEpoch(settings) => {
                let config = settings.load(Vec::new())?;
                let epoch = admin::new_epoch(config.database.url).await?;
                output::line(&format!("epoch {epoch}"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
