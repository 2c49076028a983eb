//! What is written into a node of Ironic's: what the design says, nothing on a node of somebody else's,
//! and nothing that it said once.

use drydock::proto::v1::{ResultStatus, TaskAction};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::design::Design;
use crate::ironic::{assert_succeeded, launch, run, said};
use crate::ironic_service::{Ironic, Settings};
use crate::support::client::Client;
use crate::support::database::Database;

const NETWORK: &str =
    "---\nschema: drydock/Network/v1\nmetadata: {name: service}\ndata: {cidr: 10.60.2.0/24}\n";

/// A node that says everything that Ironic has a field for.
const FULL: &str = "{oob: {type: none}, metadata: {boot_mac: '52:54:00:00:00:01'}, \
    interfaces: {eth0: {slaves: [eth0], networks: [service]}}, \
    addressing: [{network: service, address: 10.60.2.11}], \
    platform: {image: tiny, kernel_params: {console: ttyS0}}}";

/// The same node, later: without networks, and with a kernel of no parameters.
const LESS: &str = "{oob: {type: none}, platform: {image: other}}";

/// The same node with another cable.
const MOVED: &str = "{oob: {type: none}, metadata: {boot_mac: '52:54:00:00:00:02'}, \
    platform: {image: tiny}}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_design_said_once_is_removed_and_what_is_not_ours_is_left() {
    let ironic = Ironic::start(&Settings::default()).await;
    ironic.make_available("n1").await;
    let design = Design::with(NETWORK, [("n1", FULL)]);
    let database = Database::sqlite();
    let server = launch(&database, &design, &ironic)
        .set("drivers.ironic.image_source", "http://images/{image}.raw")
        .start()
        .await;
    let client = Client::of(server.address());

    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    assert_succeeded(&task, &events);
    let node = ironic.node("n1").await;
    let info = &node["instance_info"];
    assert_eq!(info["image_source"], "http://images/tiny.raw", "{node}");
    assert_eq!(info["kernel_append_params"], "console=ttyS0", "{node}");
    assert_ne!(node["network_data"], json!({}), "{node}");
    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);

    // A release keeps the networks. Ironic's operator has a wish of their own.
    change(&ironic, "/instance_info/kernel_append_params", "theirs").await;
    design.change(NETWORK, [("n1", LESS)]);
    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    assert_succeeded(&task, &events);
    let told = format!("{:?}", said(&events));
    assert!(told.contains("removed network_data"), "{told}");
    let node = ironic.node("n1").await;
    let info = &node["instance_info"];
    assert_eq!(node["network_data"], json!({}), "{node}");
    assert_eq!(info["image_source"], "http://images/other.raw", "{node}");
    assert_eq!(info["kernel_append_params"], "theirs", "{node}");
    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);

    // Somebody else has claimed it and not deployed it yet.
    let theirs = Uuid::new_v4().to_string();
    change(&ironic, "/instance_uuid", &theirs).await;
    let before = ironic.node("n1").await;
    design.change(NETWORK, [("n1", MOVED)]);
    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    let told = format!("{:?}", said(&events));
    let status = task.result.as_ref().expect("a result").status();
    assert_eq!(status, ResultStatus::Failure, "{told}");
    let why =
        format!("is claimed for instance {theirs}, which is none of ours: nothing is written");
    assert!(told.contains(&why), "{told}");
    let after = ironic.node("n1").await;
    assert_eq!(after["updated_at"], before["updated_at"], "{after}");
    let ports = ironic.call(Method::GET, "/v1/ports", None).await;
    let ports = ports["ports"].as_array().expect("ports");
    let addresses: Vec<&Value> = ports.iter().map(|port| &port["address"]).collect();
    assert_eq!(addresses, ["52:54:00:00:00:01"]);
}

async fn change(ironic: &Ironic, path: &str, value: &str) {
    let patch = json!([{"op": "add", "path": path, "value": value}]);
    ironic
        .call(Method::PATCH, "/v1/nodes/n1", Some(patch))
        .await;
}
