//! BMCs: sushy-emulator over TLS with passwords, on a free port, dying with the test.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::services::program;

/// Whom the emulator knows, and by what. No other text may hold the password by accident: a test
/// looks for it in everything that the service wrote.
pub(crate) const ACCOUNT: &str = "operator";
pub(crate) const PASSWORD: &str = "canary-Xy7-umbrella";

/// The same for the emulator: made with bcrypt at its least cost, as every request is checked.
const HTPASSWD: &str = "operator:$2b$04$npCOgnwhv2GWHracrtn8Yu9cvWG1DITmKRA3JCo37y82yQH7QGrxm\n";

/// How long it may take to listen, on a busy machine.
const START_BOUND: Duration = Duration::from_secs(90);

/// A delay after which no test waits any more: the power never changes.
pub(crate) const NEVER: u32 = 1_000_000;

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Emulation {
    systems: usize,
    power: &'static str,
    delay_s: u32,
    sessions: bool,
    without_boot: bool,
    firmware: bool,
}

impl Emulation {
    /// As many systems, `n00001` and so on, all off, quick to change.
    pub(crate) fn of(systems: usize) -> Self {
        Self {
            systems,
            power: "Off",
            delay_s: 0,
            sessions: false,
            without_boot: false,
            firmware: false,
        }
    }

    /// All of them are on.
    pub(crate) fn switched_on(mut self) -> Self {
        self.power = "On";
        self
    }

    /// Their power changes as long after a request.
    pub(crate) fn taking(mut self, delay_s: u32) -> Self {
        self.delay_s = delay_s;
        self
    }

    /// The service makes sessions.
    pub(crate) fn with_sessions(mut self) -> Self {
        self.sessions = true;
        self
    }

    /// The boot device cannot be set: 501.
    pub(crate) fn without_boot(mut self) -> Self {
        self.without_boot = true;
        self
    }

    /// It lists what firmware is installed.
    pub(crate) fn with_firmware(mut self) -> Self {
        self.firmware = true;
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) async fn start(self) -> Emulator {
        let directory = tempfile::tempdir().expect("a directory");
        certify(directory.path()).await;
        std::fs::create_dir(directory.path().join("state")).expect("a directory");
        std::fs::write(directory.path().join("htpasswd"), HTPASSWD).expect("a file");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program("sushy-emulator"))
            .arg("--config")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/devices/emulator.py"
            ))
            .env("EMULATOR_RUN", directory.path())
            .env("EMULATOR_SYSTEMS", self.systems.to_string())
            .env("EMULATOR_POWER", self.power)
            .env("EMULATOR_DELAY", self.delay_s.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if self.sessions {
            command.env("EMULATOR_SESSIONS", "1");
        }
        if self.without_boot {
            command.env("EMULATOR_WITHOUT_BOOT", "1");
        }
        if self.firmware {
            command.env("EMULATOR_FIRMWARE", "1");
        }
        let mut child = command.spawn().expect("the emulator's program");
        let output = child.stderr.take().expect("its output is piped");
        let mut lines = BufReader::new(output).lines();
        let port = timeout(START_BOUND, port(&mut lines)).await;
        // Whatever else it says nobody reads, but it must be able to say it.
        let reading =
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Emulator {
            port: port.expect("the emulator listens in time"),
            child,
            directory,
            _reading: reading,
        }
    }
}

/// An emulator that listens.
#[derive(Debug)]
pub(crate) struct Emulator {
    port: u16,
    child: Child,
    directory: TempDir,
    _reading: tokio::task::JoinHandle<()>,
}

impl Emulator {
    /// As a design says it.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The authority that signed its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// What it was asked for: the kind of thing, the system, and what.
    pub(crate) fn journal(&self, kind: &str) -> Vec<Vec<String>> {
        let journal = self.directory.path().join("journal");
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        let entries = text.lines().map(|line| {
            let entry: Vec<String> = serde_json::from_str(line).expect("a line of the journal");
            entry
        });
        entries
            .filter(|entry| entry[0] == kind)
            .map(|entry| entry[1..].to_vec())
            .collect()
    }

    /// What was asked of one system's power, in order.
    pub(crate) fn resets(&self, system: &str) -> Vec<String> {
        let resets = self.journal("power").into_iter();
        resets
            .filter(|entry| entry[0] == system)
            .map(|entry| entry[1].clone())
            .collect()
    }

    /// A system's own word on its state, past the driver under test.
    pub(crate) async fn system(&self, name: &str) -> serde_json::Value {
        let answer = self.curl(&["--location"], &format!("Systems/{name}")).await;
        serde_json::from_str(&answer).expect("a system")
    }

    /// Ends every session.
    pub(crate) async fn end_sessions(&self) {
        self.curl(&["--request", "DELETE"], "SessionService/Sessions")
            .await;
    }

    async fn curl(&self, arguments: &[&str], path: &str) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail"])
            .args(["--user", &format!("{ACCOUNT}:{PASSWORD}")])
            .arg("--cacert")
            .arg(self.authority())
            .args(arguments)
            .arg(format!("https://{}/redfish/v1/{path}", self.address()))
            .output()
            .await
            .expect("curl is installed");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Takes its time away: connections are accepted, and nobody speaks.
    pub(crate) async fn pause(&self) {
        self.signal("STOP").await;
    }

    /// Gives its time back.
    pub(crate) async fn wake(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the emulator runs");
        let mut command = Command::new("kill");
        command.args([format!("-{name}"), id.to_string()]);
        assert!(command.status().await.expect("kill runs").success());
    }
}

async fn port(lines: &mut Lines<BufReader<ChildStderr>>) -> u16 {
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.expect("its output is text") {
        if let Some((_, rest)) = line.split_once("Running on https://127.0.0.1:") {
            let digits = rest.split(|each: char| !each.is_ascii_digit()).next();
            return digits.and_then(|port| port.parse().ok()).expect("a port");
        }
        said.push_str(&line);
        said.push('\n');
    }
    panic!("the emulator does not start: {said}");
}

/// Makes an authority and a certificate for loopback.
async fn certify(directory: &Path) {
    const KEY: [&str; 6] = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
    ];
    // Each has its own: of two of one name it would be the signature that is wrong.
    let name = directory.file_name().and_then(|name| name.to_str());
    let subject = format!("/CN=authority-{}", name.expect("a name"));
    let mut authority = Command::new("openssl");
    authority
        .args(["req", "-x509"])
        .args(KEY)
        .args(["2", "-subj", &subject])
        .args(["-keyout", "ca.key", "-out", "ca.pem"]);
    let mut certificate = Command::new("openssl");
    certificate
        .args(["req", "-x509", "-CA", "ca.pem", "-CAkey", "ca.key"])
        .args(KEY)
        .args(["2", "-subj", "/CN=bmc"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"]);
    for mut command in [authority, certificate] {
        let output = command.current_dir(directory).output().await;
        let output =
            output.expect("openssl is missing: run scripts/test-services, which installs it");
        assert!(output.status.success(), "{output:?}");
    }
}
