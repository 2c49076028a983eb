//! Flags of the commands that run on the server's side: each sets a key of the configuration.

use std::path::PathBuf;

use clap::Args;

use super::Error;
use crate::config::{Config, Flag, Sources};

/// Where the configuration and the database are.
#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// Configuration file, TOML
    #[arg(long, env = "DRYDOCK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database, `sqlite:PATH` or `postgres://...` (also DRYDOCK_DATABASE_URL)
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

impl SettingsArgs {
    /// The configuration, with `flags` above everything else.
    pub(super) fn load(&self, mut flags: Vec<Flag>) -> Result<Config, Error> {
        flags.extend(
            self.database_url
                .as_ref()
                .map(|url| flag("--database-url", "database.url", url)),
        );
        let config = Config::load(&Sources {
            flags,
            environment: std::env::vars_os().collect(),
            file: self.config.clone(),
        })?;
        Ok(config)
    }
}

/// A flag with one value.
pub(super) fn flag(name: &'static str, key: &'static str, value: impl Into<String>) -> Flag {
    Flag {
        name,
        key,
        values: vec![value.into()],
    }
}
