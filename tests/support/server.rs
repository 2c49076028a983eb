//! The real server, as a child process that dies with the test.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::database::Database;

/// Chooses the fault of a binary that was built with seeded bugs.
const SEEDED_BUG: &str = "DRYDOCK_SEEDED_BUG";

/// How long a server may take to serve, or to give up: with a schema to make, on a busy machine.
const START_BOUND: Duration = Duration::from_secs(90);

/// How much of a server's log a failed test shows, in bytes from the end.
const SHOWN_LOG: usize = 16 * 1024;

/// A lease that a test has the patience for.
pub(crate) const SHORT_LEASE: Duration = Duration::from_secs(3);

/// The quarantine that goes with it.
pub(crate) const SHORT_QUARANTINE: Duration = Duration::from_millis(800);

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    listen: String,
    url: String,
    directory: PathBuf,
    roots: Vec<PathBuf>,
    settings: Vec<(String, String)>,
}

impl Launch {
    /// A server on `database`, on a free port, with instant steps unless set otherwise.
    pub(crate) fn on(database: &Database) -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            url: database.url().to_owned(),
            directory: database.directory().to_owned(),
            roots: Vec::new(),
            settings: Vec::new(),
        }
        .set("simulated.step_duration", "0ms")
        .set("simulated.ledger", database.ledger().display())
    }

    /// Lets it reach its database at another URL, such as that of a way through a proxy.
    pub(crate) fn reaching(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    /// Lets designs be read from `directory`.
    pub(crate) fn designs_in(mut self, directory: &Path) -> Self {
        self.roots.push(directory.to_owned());
        self
    }

    /// Sets a key of the configuration, such as `executor.lease`.
    pub(crate) fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// Sets [`SHORT_LEASE`] and what goes with it.
    pub(crate) fn with_short_leases(self) -> Self {
        self.set("executor.lease", format!("{}s", SHORT_LEASE.as_secs()))
            .set("executor.renew", "500ms")
            .set("executor.call_timeout", "500ms")
            .set("executor.margin", "200ms")
            .set(
                "executor.quarantine",
                format!("{}ms", SHORT_QUARANTINE.as_millis()),
            )
    }

    /// Listens where another server did.
    pub(crate) fn at(mut self, address: SocketAddr) -> Self {
        self.listen = address.to_string();
        self
    }

    /// Starts it and waits until it serves.
    pub(crate) async fn start(&self) -> Server {
        match self.try_start().await {
            Ok(server) => server,
            Err(refusal) => panic!("the server does not start: {refusal:?}"),
        }
    }

    /// Starts it and waits until it gives up.
    pub(crate) async fn refused(&self) -> Refusal {
        match self.try_start().await {
            Ok(server) => panic!("the server serves at {}", server.address()),
            Err(refusal) => refusal,
        }
    }

    async fn try_start(&self) -> Result<Server, Refusal> {
        let log = tempfile::Builder::new()
            .prefix("server-")
            .suffix(".log")
            .tempfile_in(&self.directory)
            .and_then(|file| file.keep().map_err(|error| error.error))
            .expect("a file for the log");
        let mut command = drydock();
        command
            .args(["serve", "--listen", &self.listen])
            .args(["--database-url", &self.url])
            .env("DRYDOCK_SERVER__DATA_DIR", &self.directory)
            .env("DRYDOCK_LOG__LEVEL", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.0);
        for root in &self.roots {
            command.arg("--design-root").arg(root);
        }
        for (key, value) in &self.settings {
            let name = key.to_uppercase().replace('.', "__");
            command.env(format!("DRYDOCK_{name}"), value);
        }
        let mut child = command.spawn().expect("the server's program");
        let output = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(output).lines();
        let line = timeout(START_BOUND, lines.next_line()).await;
        let line = line.expect("the server serves or gives up in time");
        match line.expect("its output is text") {
            Some(line) => {
                let address = line.strip_prefix("listening on ");
                let address = address.and_then(|address| address.parse().ok());
                Ok(Server {
                    address: address.expect("`listening on ADDR` comes first"),
                    child,
                    log: log.1,
                    _lines: lines,
                })
            }
            None => Err(Refusal {
                status: exit(&mut child, START_BOUND).await,
                log: read_log(&log.1),
            }),
        }
    }
}

/// How a server that does not start ends.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: ExitStatus,
    pub(crate) log: String,
}

/// A server that serves. Dropped, it is killed, and its log is shown if the test has failed.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    child: Child,
    log: PathBuf,
    /// Held open: a server that cannot print would be another test.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// As `--server` takes it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the server is killed");
    }

    /// Asks it to stop, as an administrator does.
    pub(crate) async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Takes its time away: to everybody else it is dead, and it does not notice.
    pub(crate) async fn pause(&self) {
        self.signal("STOP").await;
    }

    /// Gives its time back.
    pub(crate) async fn wake(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the server runs");
        let mut command = Command::new("kill");
        command.args([format!("-{name}"), id.to_string()]);
        assert!(command.status().await.expect("kill runs").success());
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self, bound: Duration) -> ExitStatus {
        exit(&mut self.child, bound).await
    }

    /// The most memory it ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let id = self.child.id().expect("the server runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status"));
        let status = status.expect("the kernel's word on a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .and_then(|kib| kib.parse().ok())
            .expect("VmHWM in KiB");
        kib * 1024
    }

    /// The ids under which it owned trees so far, the present one last: a lost lease costs the id.
    pub(crate) fn instances(&self) -> Vec<String> {
        let log = self.log();
        let lines = log.lines();
        let registered = lines.filter_map(|line| line.split_once("instance registered instance="));
        registered.map(|(_, id)| id.trim().to_owned()).collect()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        read_log(&self.log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.floor_char_boundary(log.len().saturating_sub(SHOWN_LOG));
            let mut shown = String::new();
            // Writing to a text does not fail.
            writeln!(shown, "--- log of the server at {}", self.address).ok();
            print!("{shown}{}", &log[from..]);
        }
    }
}

/// The program under test, in an environment of its own, dying with the thread that runs the test.
pub(crate) fn drydock() -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_drydock")])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // Only a binary that was built with seeded bugs heeds it: see scripts/prove-tests.
        .envs(std::env::var_os(SEEDED_BUG).map(|bug| (SEEDED_BUG, bug)))
        .env("RUST_BACKTRACE", "1")
        .kill_on_drop(true);
    command
}

async fn exit(child: &mut Child, bound: Duration) -> ExitStatus {
    let status = timeout(bound, child.wait()).await;
    let status = status.expect("the process ends in time");
    status.expect("the process can be waited for")
}

fn read_log(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
