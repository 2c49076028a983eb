//! A real Ironic: API and conductor in one program, on SQLite, with nothing beside it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use drydock::driver::http::{Client, Request};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::services::program;

/// How long it may take to serve, on a machine that does other things too.
const START_BOUND: Duration = Duration::from_secs(120);

/// How long a node may take to come to a state.
const STATE_BOUND: Duration = Duration::from_secs(90);

const PAUSE: Duration = Duration::from_millis(100);

const VERSION: HeaderName = HeaderName::from_static("x-openstack-ironic-api-version");

/// What to start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Lines of `[DEFAULT]`.
    pub(crate) default: String,
    /// Seconds that each half of a deployment of fake hardware takes.
    pub(crate) deploy_delay: u32,
    /// Where its images are served from, for hardware that boots from them.
    pub(crate) http_url: Option<String>,
    /// The user and password that it asks for; none: it asks nobody.
    pub(crate) login: Option<(String, String)>,
}

/// An Ironic that is killed when it is dropped.
pub(crate) struct Ironic {
    directory: TempDir,
    venv: PathBuf,
    port: u16,
    login: Option<(String, String)>,
    process: Option<Child>,
    http: Client,
}

impl Ironic {
    /// Makes a database and starts it.
    pub(crate) async fn start(settings: &Settings) -> Self {
        let venv = venv();
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let mut ironic = Self {
            venv,
            port,
            login: settings.login.clone(),
            process: None,
            http: Client::new(None).expect("a client"),
            directory,
        };
        ironic.configure(settings);
        let created = ironic
            .command("ironic-dbsync")
            .arg("create_schema")
            .status()
            .await;
        assert!(
            created.expect("ironic-dbsync runs").success(),
            "{}",
            ironic.log()
        );
        ironic.restart().await;
        ironic
    }

    /// For `drivers.ironic.endpoint`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The directory that images are served from.
    pub(crate) fn http_root(&self) -> PathBuf {
        self.directory.path().join("http")
    }

    /// Starts it again, after [`Ironic::kill`], with what it knew.
    pub(crate) async fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let mut command = self.command("ironic");
        // A group of its own, so that its workers die with it.
        let child = command.process_group(0).kill_on_drop(true).spawn();
        self.process = Some(child.expect("ironic runs"));
        let end = Instant::now() + START_BOUND;
        while self
            .try_call(Method::GET, "/v1/drivers/fake-hardware", None)
            .await
            .is_none_or(|(status, _)| status != StatusCode::OK)
        {
            assert!(
                Instant::now() < end,
                "ironic does not serve: {}",
                self.log()
            );
            sleep(PAUSE).await;
        }
    }

    /// Ends it and its workers as a crash does.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.process.take().expect("it runs");
        kill_group(&child);
        child.wait().await.expect("it is waited for");
    }

    /// Calls its API as an operator of its own does.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let answer = self.try_call(method.clone(), path, body).await;
        let (status, answer) = answer.expect("ironic answers");
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        answer
    }

    /// What it says of a node.
    pub(crate) async fn node(&self, name: &str) -> Value {
        self.call(Method::GET, &format!("/v1/nodes/{name}"), None)
            .await
    }

    /// Makes a node known to it.
    pub(crate) async fn enrol(&self, node: Value) {
        self.call(Method::POST, "/v1/nodes", Some(node)).await;
    }

    /// Waits for a node to come to rest in `state`.
    pub(crate) async fn settle(&self, name: &str, state: &str) -> Value {
        let end = Instant::now() + STATE_BOUND;
        loop {
            let node = self.node(name).await;
            if node["provision_state"] == state && node["reservation"].is_null() {
                return node;
            }
            assert!(Instant::now() < end, "{name} is not {state}: {node}");
            sleep(PAUSE).await;
        }
    }

    /// Asks it to do something with a node.
    pub(crate) async fn provision(&self, name: &str, target: &str) {
        let path = format!("/v1/nodes/{name}/states/provision");
        self.call(Method::PUT, &path, Some(json!({"target": target})))
            .await;
    }

    /// Makes a node of fake hardware and takes it to `available`.
    pub(crate) async fn make_available(&self, name: &str) {
        self.enrol(json!({"name": name, "driver": "fake-hardware"}))
            .await;
        self.provision(name, "manage").await;
        self.settle(name, "manageable").await;
        self.provision(name, "provide").await;
        self.settle(name, "available").await;
    }

    /// How many deployments of a node its history has.
    pub(crate) async fn deployments(&self, name: &str) -> usize {
        let path = format!("/v1/nodes/{name}/history?detail=true");
        let history = self.call(Method::GET, &path, None).await;
        let entries = history["history"].as_array().expect("a history").clone();
        let started = |entry: &&Value| entry["event_type"] == "deployment_start";
        entries.iter().filter(started).count()
    }

    /// Locks a node for another conductor, as one does that died while it worked on it; or lets it go.
    pub(crate) async fn lock(&self, name: &str, holder: Option<&str>) {
        const SET: &str = "import sqlite3, sys\n\
            base = sqlite3.connect(sys.argv[1], timeout=30)\n\
            base.execute('UPDATE nodes SET reservation = ? WHERE name = ?', (sys.argv[3] or None, sys.argv[2]))\n\
            base.commit()";
        let mut command = Command::new(self.venv.join("bin/python"));
        command
            .args(["-c", SET])
            .arg(self.directory.path().join("ironic.sqlite"));
        let status = command
            .args([name, holder.unwrap_or_default()])
            .status()
            .await;
        assert!(status.expect("python runs").success());
    }

    async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Option<(StatusCode, Value)> {
        let url = format!("{}{path}", self.endpoint());
        let mut request = Request::new(method, url.parse().expect("a URL"));
        request
            .headers
            .insert(VERSION, HeaderValue::from_static("1.89"));
        if let Some((user, password)) = &self.login {
            use base64::Engine as _;
            let pair = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
            let value = HeaderValue::from_str(&format!("Basic {pair}")).expect("a header");
            request.headers.insert(http::header::AUTHORIZATION, value);
        }
        request.body = body;
        let answer = self
            .http
            .send(request, Instant::now() + Duration::from_secs(30))
            .await
            .ok()?;
        let document = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Some((answer.status, document))
    }

    fn configure(&self, settings: &Settings) {
        let run = self.directory.path();
        for directory in ["state", "images", "http", "tftp"] {
            std::fs::create_dir(run.join(directory)).expect("a directory");
        }
        let mut auth = "auth_strategy = noauth".to_owned();
        if let Some((user, password)) = &settings.login {
            let file = run.join("htpasswd");
            std::fs::write(&file, htpasswd(&self.venv, user, password)).expect("the users");
            auth = format!(
                "auth_strategy = http_basic\nhttp_basic_auth_user_file = {}",
                file.display()
            );
        }
        let text = CONFIGURATION
            .replace("$AUTH", &auth)
            .replace("$DEFAULT", &settings.default)
            .replace("$RUN", &run.display().to_string())
            .replace("$PORT", &self.port.to_string())
            .replace("$RPC_PORT", &free_port().to_string())
            .replace(
                "$HTTP_URL",
                settings.http_url.as_deref().unwrap_or("http://127.0.0.1:9"),
            )
            .replace("$DEPLOY_DELAY", &settings.deploy_delay.to_string());
        std::fs::write(run.join("ironic.conf"), text).expect("the configuration");
    }

    fn command(&self, program: &str) -> Command {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))
            .expect("a log");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(self.venv.join("bin").join(program))
            .arg("--config-file")
            .arg(self.directory.path().join("ironic.conf"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        command
    }

    fn log(&self) -> String {
        const SHOWN: usize = 8 * 1024;
        let log = std::fs::read(self.directory.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let from = log.floor_char_boundary(log.len().saturating_sub(SHOWN));
        log[from..].to_owned()
    }
}

impl Drop for Ironic {
    fn drop(&mut self) {
        if let Some(child) = &self.process {
            kill_group(child);
        }
        if std::thread::panicking() {
            let mut shown = String::new();
            // Writing to a text does not fail.
            writeln!(shown, "--- log of ironic at {}", self.endpoint()).ok();
            print!("{shown}{}", self.log());
        }
    }
}

/// The environment that the services are installed in.
fn venv() -> PathBuf {
    let environment = program("python");
    let environment = environment.parent().and_then(Path::parent);
    environment.expect("a program in bin").to_owned()
}

/// A port of loopback that nobody has at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A user in the form of Apache's password files, with bcrypt at its cheapest.
fn htpasswd(venv: &Path, user: &str, password: &str) -> String {
    const HASH: &str = "import bcrypt, sys; print(sys.argv[1] + ':' + bcrypt.hashpw(sys.argv[2].encode(), bcrypt.gensalt(4)).decode())";
    let mut command = std::process::Command::new(venv.join("bin/python"));
    let output = command
        .args(["-c", HASH, user, password])
        .output()
        .expect("python runs");
    String::from_utf8(output.stdout).expect("text")
}

fn kill_group(child: &Child) {
    if let Some(id) = child.id() {
        let mut command = std::process::Command::new("kill");
        // It may be gone already.
        command
            .args(["-KILL", "--", &format!("-{id}")])
            .status()
            .ok();
    }
}

const CONFIGURATION: &str = "
[DEFAULT]
$AUTH
$DEFAULT
state_path = $RUN/state
my_ip = 127.0.0.1
host = ironic-test
rpc_transport = none
use_stderr = true
enabled_hardware_types = fake-hardware,redfish
enabled_bios_interfaces = fake,no-bios
enabled_boot_interfaces = fake,redfish-virtual-media
enabled_console_interfaces = fake,no-console
enabled_deploy_interfaces = fake,ramdisk
enabled_firmware_interfaces = fake,no-firmware
enabled_inspect_interfaces = fake,redfish,no-inspect
enabled_management_interfaces = fake,redfish
enabled_network_interfaces = noop
enabled_power_interfaces = fake,redfish
enabled_raid_interfaces = fake,no-raid
enabled_rescue_interfaces = fake,no-rescue
enabled_storage_interfaces = fake,noop
enabled_vendor_interfaces = fake,no-vendor
default_network_interface = noop
[api]
host_ip = 127.0.0.1
port = $PORT
api_workers = 1
[database]
connection = sqlite:///$RUN/ironic.sqlite
[conductor]
automated_clean = false
workers_pool_size = 100
heartbeat_interval = 5
[dhcp]
dhcp_provider = none
[deploy]
http_root = $RUN/http
http_url = $HTTP_URL
[pxe]
tftp_root = $RUN/tftp
images_path = $RUN/images
[fake]
power_delay = 0
boot_delay = 0
deploy_delay = $DEPLOY_DELAY
[redfish]
connection_attempts = 1
connection_retry_interval = 1
[json_rpc]
auth_strategy = noauth
host_ip = 127.0.0.1
port = $RPC_PORT
";
