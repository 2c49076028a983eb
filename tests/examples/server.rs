//! The real server on a database of its own, which outlives it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a server may take to serve, and a command to answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The site that the examples are about.
pub(crate) const SITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/site");

/// A directory with a database, and the designs that its servers may read.
pub(crate) struct Place {
    directory: TempDir,
    step_duration: &'static str,
    settings: Vec<(&'static str, PathBuf)>,
}

impl Place {
    /// A place whose steps take `step_duration`.
    pub(crate) fn with_steps_of(step_duration: &'static str) -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            step_duration,
            settings: Vec::new(),
        }
    }

    /// Sets a variable of its servers to a file of this name in the place, and makes the file.
    pub(crate) fn with_file(mut self, variable: &'static str, name: &str, text: &str) -> Self {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        self.settings.push((variable, path));
        self
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where designs of a test's own go.
    pub(crate) fn designs(&self) -> PathBuf {
        let directory = self.directory.path().canonicalize();
        let designs = directory.expect("the directory exists").join("designs");
        std::fs::create_dir_all(&designs).expect("a directory for designs");
        designs
    }

    /// Starts a server and waits until it serves. Port 0 picks a free one.
    pub(crate) async fn serve(&self, address: &str) -> Server {
        let data = self.directory.path().join("data");
        let mut child = drydock()
            .args(["serve", "--listen", address, "--design-root", SITE])
            .arg("--design-root")
            .arg(self.designs())
            .env("DRYDOCK_SERVER__DATA_DIR", data)
            .env("DRYDOCK_SIMULATED__STEP_DURATION", self.step_duration)
            .env("DRYDOCK_LOG__LEVEL", "warn")
            .envs(self.settings.iter().map(|(name, path)| (name, path)))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let output = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(output).lines();
        let line = timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("the server is not stuck").expect("text");
        let line = line.expect("the server serves");
        let address = line.strip_prefix("listening on ");
        Server {
            address: address.expect("where it listens").to_owned(),
            child,
        }
    }
}

/// A server that serves, and dies with this.
pub(crate) struct Server {
    address: String,
    child: Child,
}

impl Server {
    /// Where it listens, `IP:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends it as a power cut does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the server is killed");
    }

    /// Runs a client command against it, to its end.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        let output = drydock()
            .args(arguments)
            .env("DRYDOCK_SERVER", format!("http://{}", self.address))
            .output();
        let output = timeout(PATIENCE, output).await;
        output.expect("the command ends").expect("the command runs")
    }

    /// The nodes that the task document at `path` would be for, as a dry run tells.
    pub(crate) async fn dry_run(&self, path: &Path) -> Vec<String> {
        let path = path.to_str().expect("a path of ours");
        let output = self
            .command(&["task", "create", "-f", path, "--dry-run", "-o", "json"])
            .await;
        assert!(output.status.success(), "{path}: {output:?}");
        let task: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a task");
        let nodes = task["target_nodes"].as_array();
        let names = nodes.into_iter().flatten().filter_map(|name| name.as_str());
        names.map(str::to_owned).collect()
    }
}

/// The program, untouched by the environment of whoever runs the tests.
pub(crate) fn drydock() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drydock"));
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}
