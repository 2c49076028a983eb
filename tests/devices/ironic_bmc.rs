//! A node whose BMC shows what was done to it: Ironic's own Redfish driver on an emulated BMC.

use std::path::Path;
use std::process::Stdio;

use drydock::proto::v1::{ListBuildDataRequest, TaskAction};
use http::Method;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::design::Design;
use crate::emulator::{ACCOUNT, Emulation, PASSWORD};
use crate::ironic::{assert_succeeded, launch, run};
use crate::ironic_service::{Ironic, Settings, free_port};
use crate::services::program;
use crate::support::client::Client;
use crate::support::database::Database;

/// The machine, as the emulator calls it.
const NODE: &str = "n00001";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployed_node_runs_from_its_image_and_a_destroyed_one_is_off() {
    let bmc = Emulation::of(1).start().await;
    let images = Images::start();
    let settings = Settings {
        http_url: Some(images.url.clone()),
        ..Settings::default()
    };
    let ironic = Ironic::start(&settings).await;
    images.serve(&ironic.http_root());
    let system = bmc.system(NODE).await;
    let body = format!(
        "{{oob: {{type: redfish, address: '{}', account: {ACCOUNT}, credential: 'secret://bmc', system_id: {}}}, \
         platform: {{image: tiny, kernel_params: {{console: ttyS0}}}}, metadata: {{boot_mac: '52:54:00:00:00:01'}}, \
         storage: {{physical_devices: {{sda: {{partitions: [{{name: root, size: 20g, filesystem: {{mountpoint: /}}}}]}}}}}}}}",
        bmc.address(),
        system["@odata.id"],
    );
    let design = Design::of([(NODE, body.as_str())]);
    let secrets = tempfile::tempdir().expect("a directory");
    std::fs::write(secrets.path().join("bmc"), PASSWORD).expect("the secret");
    let database = Database::sqlite();
    let server = launch(&database, &design, &ironic)
        .set("secrets.directory", secrets.path().display())
        .set("drivers.ironic.enroll", "true")
        .set("drivers.ironic.inspect", "true")
        .set("drivers.ironic.enroll_verify_ca", bmc.authority().display())
        .set(
            "drivers.ironic.boot_iso",
            format!("{}/{{image}}.iso", images.url),
        )
        .start()
        .await;
    let client = Client::of(server.address());

    let (task, events) = run(&client, TaskAction::PrepareNode, &design).await;
    assert_succeeded(&task, &events);
    let found = client
        .build_data(ListBuildDataRequest {
            node_name: NODE.to_owned(),
            generator: "ironic".to_owned(),
            latest: true,
            ..ListBuildDataRequest::default()
        })
        .await;
    let [found] = &found[..] else {
        panic!("{found:?}: {events:?}");
    };
    let inventory: serde_json::Value =
        serde_json::from_str(&found.data_element).expect("it is JSON");
    assert_eq!(inventory["cpu"]["count"], 32, "{inventory}");
    assert_eq!(inventory["memory"]["physical_mb"], 96 * 1024, "{inventory}");
    let ports = ironic.call(Method::GET, "/v1/ports?detail=true", None);
    let ports = ports.await;
    assert_eq!(ports["ports"][0]["address"], "52:54:00:00:00:01", "{ports}");

    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    assert_succeeded(&task, &events);
    let told = format!("{events:?}");
    let left_out = "1 partitions of sda (the image brings its own)";
    assert!(told.contains(left_out), "{told}");
    let node = ironic.node(NODE).await;
    let info = &node["instance_info"];
    assert_eq!(info["root_device"]["name"], "/dev/sda", "{node}");
    assert_eq!(info["kernel_append_params"], "console=ttyS0", "{node}");
    let system = bmc.system(NODE).await;
    assert_eq!(system["PowerState"], "On", "{system}");
    assert_eq!(system["Boot"]["BootSourceOverrideTarget"], "Cd", "{system}");

    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);
    let system = bmc.system(NODE).await;
    assert_eq!(system["PowerState"], "Off", "{system}");
    let node = ironic.node(NODE).await;
    assert_eq!(node["provision_state"], "available", "{node}");
    let written = format!("{events:?}{told}{}", server.log());
    assert!(!written.contains(PASSWORD), "the password is written");
}

/// A web server for images, of a directory that follows.
struct Images {
    root: TempDir,
    url: String,
    _process: Child,
}

impl Images {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let process = child(&program("python"))
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
