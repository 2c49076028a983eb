//! A node whose BMC shows what was done to it: Ironic's own Redfish driver on an emulated BMC.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use drydock::driver::http::{Client as Http, Request};
use drydock::proto::v1::TaskAction;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::design::Design;
use crate::ironic::{assert_succeeded, launch, run};
use crate::ironic_service::{Ironic, Settings, free_port, htpasswd, venv};
use crate::support::client::Client;
use crate::support::database::Database;

const START_BOUND: Duration = Duration::from_secs(60);

/// `admin:password`, as HTTP has it.
const BASIC: &str = "Basic YWRtaW46cGFzc3dvcmQ=";

/// The emulated machine.
const SYSTEM: &str = "/redfish/v1/Systems/330bc051-69e9-5bdc-b1ed-d4663f1ead4c";

/// Executed as Python by the emulator, whose power changes take their time without the last lines.
const CONFIGURATION: &str = "
SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'
SUSHY_EMULATOR_LISTEN_PORT = $PORT
SUSHY_EMULATOR_SSL_CERT = '$RUN/cert.pem'
SUSHY_EMULATOR_SSL_KEY = '$RUN/key.pem'
SUSHY_EMULATOR_AUTH_FILE = '$RUN/htpasswd'
SUSHY_EMULATOR_FAKE_DRIVER = True
SUSHY_EMULATOR_STATE_DIR = '$RUN/state'
SUSHY_EMULATOR_FAKE_SYSTEMS = [{
    'uuid': '330bc051-69e9-5bdc-b1ed-d4663f1ead4c', 'name': 'n1', 'power_state': 'Off',
    'nics': [{'mac': '52:54:00:00:00:01', 'ip': '127.0.0.1'}]}]
import types
from sushy_tools.emulator.resources.systems import fakedriver
fakedriver.random = types.SimpleNamespace(randint=lambda least, most: 0)
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployed_node_runs_from_its_image_and_a_destroyed_one_is_off() {
    let venv = venv().await;
    let bmc = Bmc::start(&venv).await;
    let images = Images::start(&venv);
    let settings = Settings {
        http_url: Some(images.url.clone()),
        ..Settings::default()
    };
    let ironic = Ironic::start(&settings).await;
    images.serve(&ironic.http_root());
    let body = format!(
        "{{oob: {{type: redfish, address: '{}', account: admin, credential: 'secret://bmc', system_id: '{SYSTEM}'}}, \
         platform: {{image: tiny, kernel_params: {{console: ttyS0}}}}, metadata: {{boot_mac: '52:54:00:00:00:01'}}, \
         storage: {{physical_devices: {{sda: {{partitions: [{{name: root, size: 20g, filesystem: {{mountpoint: /}}}}]}}}}}}}}",
        bmc.address()
    );
    let design = Design::of([("n1", body.as_str())]);
    let secrets = tempfile::tempdir().expect("a directory");
    std::fs::write(secrets.path().join("bmc"), "password").expect("the secret");
    let database = Database::sqlite();
    let server = launch(&database, &design, &ironic)
        .set("secrets.directory", secrets.path().display())
        .set("drivers.ironic.enroll", "true")
        .set(
            "drivers.ironic.enroll_verify_ca",
            bmc.certificate().display(),
        )
        .set(
            "drivers.ironic.boot_iso",
            format!("{}/{{image}}.iso", images.url),
        )
        .start()
        .await;
    let client = Client::of(server.address());

    let (task, events) = run(&client, TaskAction::PrepareNode, &design).await;
    assert_succeeded(&task, &events);
    let ports = ironic
        .call(Method::GET, "/v1/ports?detail=true", None)
        .await;
    assert_eq!(ports["ports"][0]["address"], "52:54:00:00:00:01", "{ports}");

    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    assert_succeeded(&task, &events);
    let told = format!("{events:?}");
    assert!(
        told.contains("1 partitions of sda (the image brings its own)"),
        "{told}"
    );
    let node = ironic.node("n1").await;
    assert_eq!(
        node["instance_info"]["root_device"]["name"], "/dev/sda",
        "{node}"
    );
    assert_eq!(
        node["instance_info"]["kernel_append_params"], "console=ttyS0",
        "{node}"
    );
    let system = bmc.read(SYSTEM).await;
    assert_eq!(system["PowerState"], "On", "{system}");
    assert_eq!(system["Boot"]["BootSourceOverrideTarget"], "Cd", "{system}");
    let media = bmc.read(&format!("{SYSTEM}/VirtualMedia/Cd")).await;
    assert_eq!(media["Inserted"], true, "{media}");

    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);
    let system = bmc.read(SYSTEM).await;
    assert_eq!(system["PowerState"], "Off", "{system}");
    let node = ironic.node("n1").await;
    assert_eq!(node["provision_state"], "available", "{node}");
}

/// An emulated BMC, killed when it is dropped.
struct Bmc {
    directory: TempDir,
    port: u16,
    http: Http,
    _process: Child,
}

impl Bmc {
    async fn start(venv: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let run = directory.path();
        std::fs::create_dir(run.join("state")).expect("a directory");
        std::fs::write(run.join("htpasswd"), htpasswd(venv, "admin", "password")).expect("users");
        let made = std::process::Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            ])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
            ])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(run)
            .stderr(Stdio::null())
            .status();
        assert!(made.expect("openssl runs").success());
        let port = free_port();
        let text = CONFIGURATION
            .replace("$PORT", &port.to_string())
            .replace("$RUN", &run.display().to_string());
        std::fs::write(run.join("emulator.conf"), text).expect("the configuration");
        let process = child(&venv.join("bin/sushy-emulator"))
            .arg("--config")
            .arg(run.join("emulator.conf"))
            .spawn()
            .expect("the emulator runs");
        let bmc = Self {
            http: Http::new(Some(&run.join("cert.pem"))).expect("a client"),
            directory,
            port,
            _process: process,
        };
        let end = Instant::now() + START_BOUND;
        while bmc.try_read("/redfish/v1/").await.is_none() {
            assert!(Instant::now() < end, "the emulator does not serve");
            sleep(Duration::from_millis(100)).await;
        }
        bmc
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn certificate(&self) -> PathBuf {
        self.directory.path().join("cert.pem")
    }

    async fn read(&self, path: &str) -> Value {
        self.try_read(path).await.expect("the BMC answers")
    }

    async fn try_read(&self, path: &str) -> Option<Value> {
        let url = format!("https://{}{path}", self.address());
        let mut request = Request::new(Method::GET, url.parse().expect("a URL"));
        request
            .headers
            .insert(AUTHORIZATION, HeaderValue::from_static(BASIC));
        let deadline = Instant::now() + Duration::from_secs(10);
        let answer = self.http.send(request, deadline).await.ok()?;
        serde_json::from_slice(&answer.body).ok()
    }
}

/// A web server for images, of a directory that follows.
struct Images {
    root: TempDir,
    url: String,
    _process: Child,
}

impl Images {
    fn start(venv: &Path) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let process = child(&venv.join("bin/python"))
            .args([
                "-m",
                "http.server",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
            ])
            .arg("--directory")
            .arg(root.path().join("images"))
            .spawn()
            .expect("python runs");
        Self {
            root,
            url: format!("http://127.0.0.1:{port}"),
            _process: process,
        }
    }

    /// Serves what Ironic publishes in `directory`, and an image.
    fn serve(&self, directory: &Path) {
        std::fs::write(directory.join("tiny.iso"), "an image").expect("an image");
        std::os::unix::fs::symlink(directory, self.root.path().join("images")).expect("a link");
    }
}

fn child(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}
