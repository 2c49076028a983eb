//! A private PostgreSQL cluster for tests: started on demand, gone when the tests are.
//!
//! `cluster()` is shared by every test of a binary, and `Cluster::database` gives each test an
//! empty database of its own. A test about a server that goes away starts one for itself with
//! `Cluster::start`, then stops, kills and starts it at will.
//!
//! Nothing survives the test process, however it ends: a shell waits on a pipe that closes with
//! the process, then stops the server and removes its directory. A guard with `Drop` would not
//! do: libtest never drops statics, and a killed process drops nothing.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary includes this file and uses a part of it"
)]
#![allow(
    clippy::expect_used,
    reason = "a test whose database cannot be had fails, and says why; within the library's own \
              tests there is nothing to allow"
)]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

/// How long a server may take until it accepts a connection.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How often a start is tried: the free port may be taken by somebody else before we listen.
const START_ATTEMPTS: usize = 5;

/// The user the server runs as where the tests run as root, which PostgreSQL refuses.
const SERVER_USER: &str = "postgres";

/// The database user.
const ROLE: &str = "drydock";

/// Waits until the pipe closes, then takes everything down. `$1`: pg_ctl, `$2`: the directory.
const UNDERTAKER: &str = r#"cat >/dev/null; "$1" stop -s -m immediate -D "$2/data"; rm -rf "$2""#;

/// The cluster that the tests of this binary share, started by the first that asks.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

/// A PostgreSQL server with durable commits (fsync and synchronous_commit are on).
pub struct Cluster {
    binaries: PathBuf,
    port: u16,
    directory: TempDir,
    undertaker: Child,
    databases: AtomicU32,
}

impl Cluster {
    /// Creates a cluster and starts it; panics with what to install where PostgreSQL is missing.
    pub fn start() -> Self {
        let binaries = binaries();
        let directory = tempfile::Builder::new()
            .prefix("drydock-pg-")
            .tempdir()
            .expect("a directory for the cluster");
        if is_root() {
            let user = number(Command::new("id").args(["-u", SERVER_USER]));
            std::os::unix::fs::chown(directory.path(), Some(user), None)
                .expect("the server's user owns its directory");
        }
        let undertaker = unprivileged(Path::new("sh"))
            .args(["-c", UNDERTAKER, "undertaker"])
            .args([&binaries.join("pg_ctl"), directory.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .current_dir("/")
            .spawn()
            .expect("a shell that outlives the tests");
        let mut cluster = Self {
            binaries,
            port: 0,
            directory,
            undertaker,
            databases: AtomicU32::new(0),
        };
        cluster.initialize();
        for attempt in 1.. {
            cluster.port = free_port();
            match cluster.try_resume() {
                Ok(()) => break,
                Err(log) => assert!(attempt < START_ATTEMPTS, "PostgreSQL does not start: {log}"),
            }
        }
        cluster
    }

    /// The URL of a new, empty database.
    pub async fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let mut admin = self.connect("postgres").await;
        admin
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .expect("a new database");
        admin.close().await.expect("the session ends");
        self.url(&name)
    }

    /// The URL of the database `name`.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{name}", self.port)
    }

    /// A session of the test's own in the database `name`.
    pub async fn connect(&self, name: &str) -> PgConnection {
        connect(&self.url(name)).await
    }

    /// Stops the server as an administrator does: sessions are ended, the data is flushed.
    pub fn stop(&self) {
        self.control(&["stop", "-s", "-m", "fast"])
            .expect("the server stops");
    }

    /// Ends the server as a crash does: nothing is flushed, no session is told.
    pub fn kill(&self) {
        self.control(&["stop", "-s", "-m", "immediate"])
            .expect("the server dies");
    }

    /// Starts the server again, on the same port and data.
    pub fn resume(&self) {
        self.try_resume().expect("the server starts again");
    }

    fn initialize(&self) {
        let data = self.data();
        // Tests must not pass by the accident of a collation that compares bytes, so text is
        // compared as on a server that speaks English, where this build of PostgreSQL knows how.
        let english = ["--locale-provider=icu", "--icu-locale=en-US"];
        let mut problem = String::new();
        for locale in [&english[..], &[]] {
            let output = unprivileged(&self.binaries.join("initdb"))
                .args(["-A", "trust", "-U", ROLE, "-E", "UTF8", "--no-sync"])
                .arg("--locale=C")
                .args(locale)
                .arg("-D")
                .arg(&data)
                .current_dir("/")
                .output()
                .expect("initdb runs");
            if output.status.success() {
                return;
            }
            problem = text(&output);
        }
        panic!("initdb fails: {problem}");
    }

    fn try_resume(&self) -> Result<(), String> {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories='{}' \
             -c fsync=on -c synchronous_commit=on -c shared_buffers=16MB -c max_connections=300",
            self.port,
            self.directory.path().display(),
        );
        let log = self.directory.path().join("log");
        let started = self.control(&[
            "start",
            "-s",
            // Until the server is up or has failed: a start that failed can be tried again.
            "-w",
            "-o",
            &options,
            "-l",
            &log.display().to_string(),
        ]);
        let problem = |what: String| format!("{what}: {}", read(&log));
        started.map_err(problem)?;
        // In a thread of its own: a test may be inside a runtime, which refuses another.
        let url = self.url("postgres");
        std::thread::scope(|scope| {
            scope
                .spawn(|| self.await_session(&url))
                .join()
                .expect("the waiting thread")
        })
        .map_err(problem)
    }

    /// Returns once a session could be opened, or with the reason why none ever will be.
    fn await_session(&self, url: &str) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let begun = Instant::now();
        loop {
            let answer = runtime.block_on(async {
                let mut session = PgConnection::connect(url).await?;
                session.execute("SELECT 1").await?;
                session.close().await
            });
            let Err(error) = answer else {
                return Ok(());
            };
            if self.control(&["status"]).is_err() {
                return Err("the server ended".to_owned());
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(error.to_string());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn control(&self, arguments: &[&str]) -> Result<(), String> {
        let status = unprivileged(&self.binaries.join("pg_ctl"))
            .args(arguments)
            .arg("-D")
            .arg(self.data())
            .current_dir("/")
            // The server inherits these: it must not keep the tests' own output open.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| error.to_string())?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("pg_ctl {} gave {status}", arguments[0]))
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.undertaker.stdin.take());
        self.undertaker.wait().expect("the undertaker ends");
    }
}

/// A session in the database at `url`.
pub async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url)
        .await
        .expect("a session of the test's own")
}

/// Where PostgreSQL's programs are: Debian's place, newest version first, else the search path.
fn binaries() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, path)| path.join("initdb").exists())
        .collect();
    found.sort();
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let searched = std::env::split_paths(&searched).find(|path| path.join("initdb").exists());
    found
        .pop()
        .map(|(_, path)| path)
        .or(searched)
        .unwrap_or_else(|| {
            panic!(
                "PostgreSQL's initdb is neither in /usr/lib/postgresql/*/bin nor on the search \
                 path: apt-get install postgresql"
            )
        })
}

/// `program`, to be run as ourselves or, where we are root, as the server's user.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let on_path = |name: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| directory.join(name).exists())
    };
    let mut command;
    if on_path("setpriv") {
        command = Command::new("setpriv");
        command
            .arg(format!("--reuid={SERVER_USER}"))
            .arg(format!("--regid={SERVER_USER}"))
            .arg("--init-groups");
    } else {
        command = Command::new("runuser");
        command.args(["-u", SERVER_USER]);
    }
    command.arg("--").arg(program);
    command
}

fn is_root() -> bool {
    number(Command::new("id").arg("-u")) == 0
}

/// The number a program prints.
fn number(command: &mut Command) -> u32 {
    let output = command.output().expect("the program runs");
    assert!(
        output.status.success(),
        "{} (the tests run as root, so PostgreSQL needs the user {SERVER_USER}: apt-get install \
         postgresql)",
        text(&output)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .expect("a number")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
