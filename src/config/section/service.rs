//! Sections of the process: what it serves, where it keeps things, what it says.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::web::Web;
use super::{MAX_COUNT, SECOND, TICK};
use crate::config::reader::Reader;
use crate::config::{DataDir, database_url};
use crate::store::DatabaseUrl;

/// Where the server listens and keeps its data, and how it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Serve beyond this machine although nobody is authenticated.
    pub insecure: bool,
    /// Where files go that have no place of their own.
    pub data_dir: PathBuf,
    /// How long a stop may take before connections are cut.
    pub drain_timeout: Duration,
}

impl Server {
    pub(in crate::config) fn read(reader: &mut Reader, default_data_dir: &DataDir) -> Self {
        let default_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 50051));
        let listen = reader
            .text(
                "server.listen",
                &default_listen.to_string(),
                "Address to listen on, IP:PORT; port 0 picks a free one.",
                |text| {
                    text.parse::<SocketAddr>()
                        .map_err(|_| "must be an address such as 127.0.0.1:50051 or [::1]:0")
                },
            )
            .unwrap_or(default_listen);
        let insecure = reader.boolean(
            "server.insecure",
            false,
            "Whether to serve beyond this machine without authentication.",
        );
        Self {
            listen,
            insecure,
            data_dir: reader
                .path(
                    "server.data_dir",
                    default_data_dir.described,
                    "Directory for the database and the simulated machines, where they have no place of their own.",
                )
                .unwrap_or_else(|| default_data_dir.path.clone()),
            drain_timeout: reader.duration(
                "server.drain_timeout",
                20 * SECOND,
                TICK,
                "How long a stop may take before what is still connected is cut off.",
            ),
        }
    }
}

/// What happens to a schema that is not current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrate {
    /// Pending migrations are applied at start.
    Auto,
    /// The server refuses to start.
    Check,
}

/// The database.
#[derive(Clone, PartialEq, Eq)]
pub struct Database {
    /// Where it is. It may hold a password.
    pub url: DatabaseUrl,
    /// What happens to a schema that is not current.
    pub migrate: Migrate,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match &self.url {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(_) => "postgres://...".to_owned(),
        };
        f.debug_struct("Database")
            .field("url", &url)
            .field("migrate", &self.migrate)
            .finish()
    }
}

impl Database {
    pub(in crate::config) fn read(reader: &mut Reader, data_dir: &Path) -> Self {
        Self {
            url: reader
                .text(
                    "database.url",
                    "sqlite:DATA_DIR/drydock.db",
                    "The database: `sqlite:PATH`, created if missing, or `postgres://...`.",
                    database_url::parse,
                )
                .unwrap_or_else(|| DatabaseUrl::Sqlite(data_dir.join("drydock.db"))),
            migrate: reader.token(
                "database.migrate",
                [("auto", Migrate::Auto), ("check", Migrate::Check)],
                "Whether pending migrations are applied at start (`auto`) or refuse it (`check`).",
            ),
        }
    }
}

/// Designs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Design {
    /// The only directories that `file://` references may read.
    pub roots: Vec<PathBuf>,
    /// What of a design has to be right before an action touches machines.
    pub gate: Gate,
    /// What references of the web's schemes may read.
    pub web: Web,
}

/// What of a design has to be right before an action touches machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// What the action needs on its nodes.
    Action,
    /// Everything.
    Strict,
    /// Nothing beyond what loading needs.
    Off,
}

impl Design {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        Self {
            roots: reader.paths(
                "design.roots",
                "The only directories that `file://` design references may read.",
            ),
            gate: reader.token(
                "design.gate",
                [
                    ("action", Gate::Action),
                    ("strict", Gate::Strict),
                    ("off", Gate::Off),
                ],
                "Whether an action on real machines is refused for errors in the design that concern it (`action`), for any error (`strict`), or for none (`off`).",
            ),
            web: Web::read(reader),
        }
    }
}

/// The transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// Most calls that one connection may have open.
    pub max_concurrent_streams: u32,
    /// How often a silent peer is asked whether it is there.
    pub keepalive_interval: Duration,
    /// How long it may take to answer.
    pub keepalive_timeout: Duration,
}

impl Http2 {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        Self {
            max_concurrent_streams: reader.count(
                "http2.max_concurrent_streams",
                1024,
                1..=MAX_COUNT,
                "Most calls that one connection may have open.",
            ),
            keepalive_interval: reader.duration(
                "http2.keepalive_interval",
                20 * SECOND,
                TICK,
                "How often a peer is asked whether it is still there.",
            ),
            keepalive_timeout: reader.duration(
                "http2.keepalive_timeout",
                20 * SECOND,
                TICK,
                "How long a peer may take to answer that before its connection is closed.",
            ),
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged: a level or directives, as in `info,drydock=debug`.
    pub level: String,
}

impl Log {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        Self {
            format: reader.token(
                "log.format",
                [("text", LogFormat::Text), ("json", LogFormat::Json)],
                "Form of the log on standard error: `text` or `json`.",
            ),
            level: reader
                .text(
                    "log.level",
                    "info",
                    "What is logged: a level, or directives such as `info,drydock=debug`; RUST_LOG wins over it.",
                    |text| {
                        text.parse::<tracing_subscriber::filter::Targets>()
                            .map(|_| text.to_owned())
                            .map_err(|_| "must be a level or directives such as `info,drydock=debug`")
                    },
                )
                .unwrap_or_else(|| "info".to_owned()),
        }
    }
}
