//! Typed configuration: flags over environment over file over defaults.
//!
//! A [`section`] reads each of its keys once, with its default and its description, so that the code that
//! reads is the only list of keys there is: [`keys`] asks it, and a key that nothing reads is refused as
//! unknown. Reading goes on after a problem, so that an operator sees all of them at the first attempt.

pub mod section;

pub mod database_url;

pub mod duration;

pub mod problem;

mod layer;

mod reader;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use layer::Layer;
use reader::Reader;

pub use problem::{Origin, Problem, Problems};
pub use reader::Key;
pub use section::{
    Auth, Database, Design, Drivers, Executor, Gate, Http2, Ipmi, Ironic, IronicAuth, Log,
    LogFormat, Migrate, NodeDriver, OobType, Plugin, PluginAddress, Redfish, Retention, Secrets,
    Server, Simulated, Site, SiteIpmi, StepTimeouts, Tasks, Tls, Watch, Web,
};

/// Everything an operator can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the server listens and keeps its data, and how it stops.
    pub server: Server,
    /// Encryption of the listener; none: it speaks plaintext.
    pub tls: Option<Tls>,
    /// Who may call.
    pub auth: Auth,
    /// The database.
    pub database: Database,
    /// Designs.
    pub design: Design,
    /// How tasks are run.
    pub executor: Executor,
    /// Limits of tasks.
    pub tasks: Tasks,
    /// What is kept of tasks that ended.
    pub retention: Retention,
    /// Streams of events.
    pub watch: Watch,
    /// The transport.
    pub http2: Http2,
    /// Secrets.
    pub secrets: Secrets,
    /// Which drivers there are.
    pub drivers: Drivers,
    /// What differs at sites, by their names.
    pub sites: BTreeMap<String, Site>,
    /// The simulated driver.
    pub simulated: Simulated,
    /// Logs.
    pub log: Log,
}

/// Where settings come from. What is empty is left out.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Settings of the command line, which win over the others.
    pub flags: Vec<Flag>,
    /// The environment, ours and everybody else's.
    pub environment: Vec<(OsString, OsString)>,
    /// A TOML file.
    pub file: Option<PathBuf>,
}

/// A setting given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag as it was typed, for example `--listen`.
    pub name: &'static str,
    /// The key it sets, for example `server.listen`.
    pub key: &'static str,
    /// Its values; more than one for a list.
    pub values: Vec<String>,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// Every problem of every source, unknown keys among them.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut layers = vec![
            Layer::of_flags(&sources.flags),
            Layer::of_environment(&sources.environment, &mut problems),
        ];
        if let Some(path) = &sources.file {
            layers.push(Layer::of_file(path, &mut problems));
        }
        let mut reader = Reader::new(layers, problems);
        let mut config = Self::read(&mut reader, &default_data_dir(&sources.environment));
        if !config.simulated.all {
            let variables = &mut sources.environment.iter();
            let search = variables.find(|(name, _)| name == "PATH");
            let search = search.map(|(_, value)| value);
            let drivers = &mut config.drivers;
            drivers.find_programs(&mut reader, &config.sites, search);
        }
        let reservation = &mut config.secrets.reservation;
        (reservation.names, reservation.files) = reader.reserved();
        // It may hold the password of the database.
        reservation.files.extend(sources.file.clone());
        reader.finish()?;
        Ok(config)
    }

    fn read(reader: &mut Reader, default_data_dir: &DataDir) -> Self {
        let server = Server::read(reader, default_data_dir);
        let tls = Tls::read(reader);
        let auth = Auth::read(reader, &server, tls.as_ref());
        let database = Database::read(reader, &server.data_dir);
        let simulated = Simulated::read(reader, &server.data_dir);
        let drivers = Drivers::read(reader);
        Self {
            design: Design::read(reader),
            executor: Executor::read(reader),
            tasks: Tasks::read(reader),
            retention: Retention::read(reader),
            watch: Watch::read(reader),
            http2: Http2::read(reader),
            secrets: Secrets::read(reader),
            sites: section::read_sites(reader, &drivers),
            drivers,
            log: Log::read(reader),
            server,
            tls,
            auth,
            database,
            simulated,
        }
    }
}

/// Every key, sorted, with its default and its description: what the documentation is made from.
#[must_use]
pub fn keys() -> Vec<Key> {
    let mut reader = Reader::new(Vec::new(), Vec::new());
    // What it returns is the default configuration, which nobody wants here.
    drop(Config::read(&mut reader, &default_data_dir(&[])));
    reader.into_keys()
}

/// The data directory of a server that was not told one.
struct DataDir {
    path: PathBuf,
    described: &'static str,
}

/// `$XDG_DATA_HOME/drydock`, `~/.local/share/drydock`, or, for want of a home, `drydock-data` in the
/// working directory.
fn default_data_dir(environment: &[(OsString, OsString)]) -> DataDir {
    let directory = |name: &str| {
        environment
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| PathBuf::from(value))
            // The XDG specification has relative paths ignored.
            .filter(|path| path.is_absolute())
    };
    let path = directory("XDG_DATA_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".local/share")))
        .map_or_else(
            || PathBuf::from("drydock-data"),
            |data| data.join("drydock"),
        );
    DataDir {
        path,
        described: "$XDG_DATA_HOME/drydock, else ~/.local/share/drydock",
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod program_tests;
