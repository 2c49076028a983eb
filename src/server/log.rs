//! Logs: to standard error, as text or JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// The variable that wins over the configured level, as it does in other programs.
const VARIABLE: &str = "RUST_LOG";

/// Libraries whose everyday words are no operator's business.
const QUIET: &str = "sea_orm_migration=warn,sqlx=warn";

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// What should be logged is not understood.
    #[error("read what to log from {place}")]
    Filter {
        /// Where it says so.
        place: &'static str,
        /// Why.
        #[source]
        source: ParseError,
    },
    /// The process has its logs already.
    #[error("start the log")]
    Started(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts the log of this process.
///
/// # Errors
///
/// The filter is wrong, or this was called before.
pub fn start(config: &Log) -> Result<(), LogError> {
    let (place, directives) = match std::env::var(VARIABLE) {
        Ok(directives) if !directives.is_empty() => (VARIABLE, directives),
        // What the level names is ours; libraries tell of trouble only.
        Ok(_) | Err(_) => ("log.level", format!("{},{QUIET}", config.level)),
    };
    let filter =
        EnvFilter::try_new(directives).map_err(|source| LogError::Filter { place, source })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(LogError::Started)
}
