//! Nodes that an Ironic deploys: the whole way of many, watched, and of one whose BMC shows what was done.

use std::collections::BTreeMap;

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{ListBuildDataRequest, ResultStatus, Task, TaskAction, TaskEvent};
use serde_json::Value;

use crate::design::Design;
use crate::ironic_service::{Ironic, Settings};
use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::stream::Follower;

/// How many nodes go the whole way at once.
const NODES: usize = 20;

/// A node that nobody has a management controller for.
pub(crate) const BARE: &str = "{oob: {type: none}}";

/// A node with one cable and an address.
const CABLED: &str = "{oob: {type: none}, metadata: {boot_mac: '52:54:00:00:00:01'}, \
    interfaces: {eth0: {slaves: [eth0], networks: [service]}}, \
    addressing: [{network: service, address: 10.60.2.11}]}";

/// The network of that address.
const NETWORK: &str =
    "---\nschema: drydock/Network/v1\nmetadata: {name: service}\ndata: {cidr: 10.60.2.0/24}\n";

/// A server whose node driver is `ironic`.
pub(crate) fn launch(database: &Database, design: &Design, ironic: &Ironic) -> Launch {
    Launch::on(database)
        .designs_in(design.directory())
        // Its designs say what the drivers need, and nothing of disks and networks.
        .set("design.gate", "off")
        .set("drivers.node", "ironic")
        .set("drivers.ironic.endpoint", ironic.endpoint())
}

/// Runs a task to its end, watching it: the task, and everything that was told.
pub(crate) async fn run(
    client: &Client,
    action: TaskAction,
    design: &Design,
) -> (Task, Vec<TaskEvent>) {
    let task = client.create(action, &design.reference()).await;
    let events = Follower::of(client, &task.task_id)
        .finish(None)
        .await
        .events;
    (client.get(&task.task_id).await, events)
}

/// Fails with everything that was told unless the task succeeded.
pub(crate) fn assert_succeeded(task: &Task, events: &[TaskEvent]) {
    let result = task.result.as_ref().expect("a result");
    let told = said(events);
    assert_eq!(
        result.status(),
        ResultStatus::Success,
        "{result:?}: {told:#?}"
    );
}

/// What was said of each node.
pub(crate) fn said(events: &[TaskEvent]) -> BTreeMap<String, Vec<String>> {
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events {
        if let Some(Arm::MessageAdded(message)) = &event.event {
            said.entry(message.context.clone())
                .or_default()
                .push(message.message.clone());
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_nodes_are_made_known_prepared_deployed_and_destroyed() {
    let settings = Settings {
        deploy_delay: 1,
        ..Settings::default()
    };
    let ironic = Ironic::start(&settings).await;
    let names: Vec<String> = (1..=NODES).map(|number| format!("n{number:02}")).collect();
    let mut bodies = vec![BARE.to_owned(); NODES];
    bodies[0] = CABLED.to_owned();
    let nodes = names.iter().zip(&bodies);
    let design = Design::with(
        NETWORK,
        nodes.map(|(name, body)| (name.as_str(), body.as_str())),
    );
    let database = Database::sqlite();
    let server = launch(&database, &design, &ironic)
        .set("drivers.ironic.enroll", "true")
        .set("drivers.ironic.enroll_driver", "fake-hardware")
        .set("drivers.ironic.inspect", "true")
        .start()
        .await;
    let client = Client::of(server.address());

    let (task, events) = run(&client, TaskAction::VerifySite, &design).await;
    assert_succeeded(&task, &events);
    assert!(
        format!("{events:?}").contains("fake-hardware"),
        "{events:?}"
    );
    let (task, events) = run(&client, TaskAction::PrepareSite, &design).await;
    assert_succeeded(&task, &events);
    assert!(
        format!("{events:?}").contains("Ironic keeps no networks"),
        "{events:?}"
    );

    let (task, events) = run(&client, TaskAction::PrepareNode, &design).await;
    assert_succeeded(&task, &events);
    for name in &names {
        let node = ironic.node(name).await;
        assert_eq!(node["provision_state"], "available", "{node}");
        assert!(!node["inspection_finished_at"].is_null(), "{node}");
    }
    // The inspection of fake hardware finds nothing, and that is said.
    let told = said(&events);
    let lacking = "available; no inventory: its inspection left none";
    assert!(
        told[&names[0]].iter().any(|text| text == lacking),
        "{told:#?}"
    );
    let of_root = ListBuildDataRequest {
        task_id: task.task_id.clone(),
        ..ListBuildDataRequest::default()
    };
    assert_eq!(client.build_data(of_root).await, []);

    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    assert_succeeded(&task, &events);
    let instances = instances(&client, &task).await;
    let data = &ironic.node(&names[0]).await["network_data"];
    assert_eq!(data["networks"][0]["ip_address"], "10.60.2.11", "{data}");
    for (name, said) in said(&events)
        .iter()
        .filter(|(name, _)| names.contains(name))
    {
        let deploying = said.iter().position(|text| text.starts_with("deploying"));
        let active = said.iter().position(|text| text.starts_with("active"));
        assert!(
            deploying.is_some() && deploying < active,
            "{name}: {said:#?}"
        );
        let node = ironic.node(name).await;
        assert_eq!(node["provision_state"], "active", "{node}");
        assert_eq!(
            node["instance_uuid"].as_str(),
            instances.get(name).map(String::as_str)
        );
        assert_eq!(ironic.deployments(name).await, 1);
    }

    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    assert_succeeded(&task, &events);
    assert!(
        format!("{events:?}").contains("deployed already"),
        "{events:?}"
    );
    assert_eq!(ironic.deployments(&names[0]).await, 1);

    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);
    for name in &names {
        let node = ironic.node(name).await;
        assert_eq!(node["provision_state"], "available", "{node}");
        assert_eq!(node["instance_uuid"], Value::Null);
    }
    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);
}

/// The step subtask that deployed each node, by the node's name.
async fn instances(client: &Client, root: &Task) -> BTreeMap<String, String> {
    let tree = client.tree(&root.task_id).await;
    let steps = tree.tasks.into_values();
    steps
        .filter(|task| task.step == "deploy_node")
        .map(|task| (task.node_name, task.task_id))
        .collect()
}
