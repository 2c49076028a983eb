//! The measured server: the real binary, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use drydock::proto::v1::{
    CreateTaskRequest, Task, TaskAction, TaskStatus, WaitTaskRequest, WaitTaskResponse,
};
use tempfile::TempDir;

use crate::Result;
use crate::process;
use crate::report::note;
use crate::wire::{Caller, Method};
use crate::world::World;

/// Errors of a server's log that are shown once it has ended: the first tell why.
const ERRORS_SHOWN: usize = 10;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// An empty database and a place for files beside it.
pub(crate) struct Home {
    pub(crate) kind: Kind,
    directory: TempDir,
    /// Of PostgreSQL.
    url: Option<String>,
    /// Of PostgreSQL: its first process.
    postmaster: Option<u32>,
}

impl Home {
    pub(crate) async fn new(world: &World, kind: Kind) -> Result<Self> {
        let url = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(world.postgres().await?.database().await),
        };
        Ok(Self {
            kind,
            directory: tempfile::Builder::new()
                .prefix("drydock-bench-")
                .tempdir()?,
            postmaster: world.postmaster().filter(|_| url.is_some()),
            url,
        })
    }

    /// The file of a SQLite database.
    pub(crate) fn sqlite_file(&self) -> PathBuf {
        self.directory.path().join("drydock.db")
    }

    /// The URL of the database, as the server takes it.
    pub(crate) fn url(&self) -> String {
        self.url
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", self.sqlite_file().display()))
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// A server that serves. It is killed when it is dropped: what it acknowledged is durable.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// From its start until it said that it listens.
    pub(crate) ready_in: Duration,
    postmaster: Option<u32>,
    process: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a server whose simulated steps take no time, with `settings` on top of the defaults.
    pub(crate) async fn start(
        world: &World,
        home: &Home,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let log = home.path().join("server.log");
        let begun = Instant::now();
        let mut command = Command::new(&world.binary);
        command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0"])
            .args(["--database-url", &home.url()])
            .arg("--design-root")
            .arg(world.designs.path())
            // Nothing of whoever runs this may change what is measured.
            .env_clear()
            .env("DRYDOCK_SERVER__DATA_DIR", home.path())
            .env("DRYDOCK_SIMULATED__STEP_DURATION", "0ms")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?);
        for (key, value) in settings {
            let variable = key.to_ascii_uppercase().replace('.', "__");
            command.env(format!("DRYDOCK_{variable}"), value);
        }
        let mut process = command.spawn()?;
        let pid = process.id();
        let stdout = process.stdout.take().ok_or("no output of the server")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready_in = begun.elapsed();
        let Some(address) = line.trim().strip_prefix("listening on ") else {
            process.kill()?;
            process.wait()?;
            return Err(format!(
                "the server does not start: {}",
                std::fs::read_to_string(&log)?
            )
            .into());
        };
        Ok(Self {
            address: address.parse()?,
            pid,
            ready_in,
            postmaster: home.postmaster,
            process,
            log,
        })
    }

    /// Starts a server that creates tasks but runs none: its one place for a running root is taken by
    /// a task that hangs. Gives back that task's id, too.
    pub(crate) async fn start_held(world: &World, home: &Home) -> Result<(Self, String)> {
        let server = Self::start(
            world,
            home,
            &[
                ("executor.max_running_roots", "1"),
                ("executor.timeout.interrogate_oob", "12h"),
                ("tasks.max_queued", "10000000"),
            ],
        )
        .await?;
        let mut caller = Caller::connect(server.address).await?;
        let held = verify(&world.designs.hanging()?);
        let mut held: Task = caller.call(Method::CREATE, &held).await?;
        while held.status() != TaskStatus::Running {
            let wait = WaitTaskRequest {
                task_id: held.task_id.clone(),
                timeout: Some(prost_types::Duration {
                    seconds: 0,
                    nanos: 10_000_000,
                }),
            };
            let waited: WaitTaskResponse = caller.call(Method::WAIT, &wait).await?;
            held = waited.task.ok_or("no task in the answer")?;
        }
        Ok((server, held.task_id))
    }

    /// Processor time so far of the server and of every process of its database.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let database = self.postmaster.map(process::family_cpu).transpose()?;
        Ok(process::cpu(self.pid)? + database.unwrap_or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which whoever called it has noticed.
        self.process.kill().ok();
        self.process.wait().ok();
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        for line in log
            .lines()
            .filter(|line| line.contains("ERROR"))
            .take(ERRORS_SHOWN)
        {
            note(&format!("  the server said: {line}"));
        }
    }
}

/// The request to verify every node of a design.
pub(crate) fn verify(design_ref: &str) -> CreateTaskRequest {
    CreateTaskRequest {
        action: TaskAction::VerifyNode.into(),
        design_ref: design_ref.to_owned(),
        ..CreateTaskRequest::default()
    }
}
