//! A real Keystone: on SQLite, and served by the web server that its own services use in tests.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use drydock::driver::http::{Answer, Client, Request};
use http::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::ironic_service::free_port;
use crate::services::program;

/// Whom Ironic's own side logs in as.
pub(crate) const ADMIN: &str = "admin";
pub(crate) const ADMIN_PASSWORD: &str = "of-ironic-itself";

/// How long it may take to serve, on a machine that does other things too.
const START_BOUND: Duration = Duration::from_secs(180);

const PAUSE: Duration = Duration::from_millis(200);

/// A Keystone that is killed when it is dropped.
pub(crate) struct Keystone {
    directory: TempDir,
    port: u16,
    _process: Child,
}

impl Keystone {
    /// Makes a database and keys, and starts it.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let run = directory.path();
        let text = CONFIGURATION.replace("$RUN", &run.display().to_string());
        std::fs::write(run.join("keystone.conf"), text).expect("the configuration");
        std::fs::create_dir(run.join("fernet")).expect("a directory");
        manage(run, &["db_sync"]).await;
        // The key that signs, and the next one.
        for (name, byte) in [("1", 7), ("0", 8)] {
            let key = BASE64_URL_SAFE.encode([byte; 32]);
            std::fs::write(run.join("fernet").join(name), key).expect("a key");
        }
        let port = free_port();
        user(run, port, ADMIN, ADMIN_PASSWORD).await;
        let mut command = command(run, "python");
        command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/devices/serve_keystone.py"
            ))
            .arg(run)
            .arg(port.to_string());
        let keystone = Self {
            port,
            _process: command.kill_on_drop(true).spawn().expect("keystone runs"),
            directory,
        };
        let end = Instant::now() + START_BOUND;
        while keystone.asked(Method::GET, "", None).await.is_none() {
            assert!(
                Instant::now() < end,
                "keystone does not serve: {}",
                keystone.log()
            );
            sleep(PAUSE).await;
        }
        keystone
    }

    /// With its version.
    pub(crate) fn endpoint(&self) -> String {
        endpoint(self.port)
    }

    /// Makes an administrator, or gives one another password: the tokens of the one before end.
    pub(crate) async fn user(&self, name: &str, password: &str) {
        user(self.directory.path(), self.port, name, password).await;
        // Its clock has whole seconds, and what is made in the second of an end has ended.
        let now = drydock::clock::now();
        let left = 1_000_000 - now.timestamp_subsec_micros() % 1_000_000;
        sleep(Duration::from_micros(left.into())).await;
    }

    /// A token of Ironic's own side.
    pub(crate) async fn token(&self) -> String {
        let user =
            json!({"name": ADMIN, "domain": {"name": "Default"}, "password": ADMIN_PASSWORD});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"system": {"all": true}},
        }});
        let answer = self.asked(Method::POST, "/auth/tokens", Some(body)).await;
        let answer = answer.expect("keystone answers");
        let token = answer.headers.get("x-subject-token");
        let token = token.unwrap_or_else(|| panic!("{answer:?}: {}", self.log()));
        token.to_str().expect("text").to_owned()
    }

    async fn asked(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Option<Answer> {
        let url = format!("{}{path}", self.endpoint());
        let mut request = Request::new(method, url.parse().expect("a URL"));
        request.body = body;
        let client = Client::new(None).expect("a client");
        let deadline = Instant::now() + Duration::from_secs(30);
        client.send(request, deadline).await.ok()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}/v3")
}

async fn user(run: &Path, port: u16, name: &str, password: &str) {
    let endpoint = endpoint(port);
    manage(
        run,
        &[
            "bootstrap",
            // Ironic looks for it in the catalogue.
            "--bootstrap-internal-url",
            &endpoint,
            "--bootstrap-username",
            name,
            "--bootstrap-password",
            password,
        ],
    )
    .await;
}

async fn manage(run: &Path, arguments: &[&str]) {
    let mut command = command(run, "keystone-manage");
    command
        .arg("--config-file")
        .arg(run.join("keystone.conf"))
        .args(arguments);
    let status = command.status().await.expect("keystone-manage runs");
    let log = std::fs::read_to_string(run.join("log")).unwrap_or_default();
    assert!(status.success(), "{log}");
}

fn command(run: &Path, name: &str) -> Command {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(run.join("log"))
        .expect("a log");
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program(name))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log);
    command
}

const CONFIGURATION: &str = "
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///$RUN/keystone.sqlite
[fernet_tokens]
key_repository = $RUN/fernet
[fernet_receipts]
key_repository = $RUN/fernet
[identity]
password_hash_rounds = 4
";
