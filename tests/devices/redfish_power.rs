//! Power and boot over Redfish: what is asked of a BMC, in which order, and what it says afterwards.

use drydock::proto::v1::{ResultStatus, TaskAction, TaskStatus};

use crate::emulator::{Emulation, NEVER};
use crate::harbour::{Harbour, Node, Outcome};
use crate::support::client::Client;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_node_boots_from_the_network_after_a_power_cycle() {
    let emulator = Emulation::of(5).switched_on().taking(1).start().await;
    let names: Vec<String> = (1..=5).map(|number| format!("n{number:05}")).collect();
    let nodes: Vec<Node> = names
        .iter()
        .map(|name| Node::behind(&emulator, name).unknown())
        .collect();
    let harbour = Harbour::of(&nodes);
    let server = harbour.serve(&emulator).await;

    let prepared = harbour.run(&server, TaskAction::PrepareNode).await;
    prepared.assert_success();
    for name in &names {
        let system = emulator.system(name).await;
        assert_eq!(system["PowerState"], "On", "{name}");
        assert_eq!(system["Boot"]["BootSourceOverrideTarget"], "Pxe", "{name}");
        assert_eq!(system["Boot"]["BootSourceOverrideMode"], "UEFI", "{name}");
        assert_eq!(emulator.resets(name), ["ForceOff", "On"], "{name}");
        let said = prepared.said(name).join("\n");
        // The emulator takes `Once` and keeps to `Continuous`.
        assert!(said.contains("boots from the network each time"), "{said}");
        assert!(said.contains("was off, and is on again"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_given_time_to_shut_down_by_itself() {
    let emulator = Emulation::of(1).switched_on().start().await;
    let harbour = Harbour::of(&[Node::behind(&emulator, "n00001").unknown()]);
    let server = harbour
        .launch(&emulator)
        .set("drivers.redfish.graceful_shutdown", "30s")
        .start()
        .await;
    let prepared = harbour.run(&server, TaskAction::PrepareNode).await;
    prepared.assert_success();
    assert_eq!(emulator.resets("n00001"), ["GracefulShutdown", "On"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_that_never_changes_ends_with_the_time_of_the_step() {
    let emulator = Emulation::of(1).switched_on().taking(NEVER).start().await;
    let harbour = Harbour::of(&[Node::behind(&emulator, "n00001").unknown()]);
    let server = harbour
        .launch(&emulator)
        .set("executor.timeout.power_cycle_node", "8s")
        .set("drivers.redfish.graceful_shutdown", "1s")
        .start()
        .await;
    let prepared = harbour.run(&server, TaskAction::PrepareNode).await;
    assert_eq!(prepared.status(), ResultStatus::Failure);
    let said = prepared.said("n00001");
    assert!(
        said.contains(&"told to shut down by itself, and is not off yet"),
        "{said:?}"
    );
    assert!(
        said.contains(&"told to switch off, and is not off yet"),
        "{said:?}"
    );
    assert_eq!(prepared.why("n00001"), "did not end within 8 s");
    assert_eq!(emulator.resets("n00001"), ["GracefulShutdown", "ForceOff"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_that_a_crash_cuts_in_two_ends_with_the_node_on() {
    let emulator = Emulation::of(1).switched_on().taking(2).start().await;
    let harbour = Harbour::of(&[Node::behind(&emulator, "n00001").unknown()]);
    let server = harbour.serve(&emulator).await;
    let task = harbour.begin(&server, TaskAction::PrepareNode).await;
    asked_for(&emulator, 1).await;
    server.kill().await;

    let server = harbour.serve(&emulator).await;
    let prepared = Outcome::of(&server, &task).await;
    prepared.assert_success();
    assert_eq!(emulator.system("n00001").await["PowerState"], "On");
    let resets = emulator.resets("n00001");
    assert_eq!(resets.last().map(String::as_str), Some("On"), "{resets:?}");
    assert!(
        resets
            .iter()
            .all(|reset| reset == "ForceOff" || reset == "On")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_used_up_its_boot_device_gets_it_again_before_it_is_switched_on_again() {
    let emulation = Emulation::of(1).switched_on().taking(2).using_boot_up();
    let emulator = emulation.start().await;
    let harbour = Harbour::of(&[Node::behind(&emulator, "n00001").unknown()]);
    let server = harbour.serve(&emulator).await;
    let task = harbour.begin(&server, TaskAction::PrepareNode).await;
    // Switched on, which nobody has seen yet.
    asked_for(&emulator, 2).await;
    server.kill().await;
    until_on(&emulator).await;

    let server = harbour.serve(&emulator).await;
    let prepared = Outcome::of(&server, &task).await;
    prepared.assert_success();
    let resets = emulator.resets("n00001");
    assert_eq!(resets, ["ForceOff", "On", "ForceOff", "On"]);
    let set = vec!["n00001".to_owned(), "Pxe".to_owned()];
    assert_eq!(emulator.journal("boot"), vec![set.clone(), set]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_is_not_stopped_half_way() {
    let emulator = Emulation::of(1).switched_on().taking(2).start().await;
    let harbour = Harbour::of(&[Node::behind(&emulator, "n00001").unknown()]);
    let server = harbour.serve(&emulator).await;
    let task = harbour.begin(&server, TaskAction::PrepareNode).await;
    asked_for(&emulator, 1).await;
    let client = Client::of(server.address());
    client.terminate(&task.task_id, "enough").await;

    let stopped = Outcome::of(&server, &task).await;
    assert_eq!(stopped.root.status(), TaskStatus::Terminated);
    assert_eq!(emulator.system("n00001").await["PowerState"], "On");
    assert_eq!(emulator.resets("n00001"), ["ForceOff", "On"]);
}

/// Waits until the node is on.
async fn until_on(emulator: &crate::emulator::Emulator) {
    let on = async {
        while emulator.system("n00001").await["PowerState"] != "On" {
            // BMCs do not call either.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let bound = std::time::Duration::from_secs(60);
    tokio::time::timeout(bound, on)
        .await
        .expect("the node comes on");
}

/// Waits until `count` changes of power were asked for.
async fn asked_for(emulator: &crate::emulator::Emulator, count: usize) {
    let asked = async {
        while emulator.journal("power").len() < count {
            // The journal is a file, and files do not call.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let bound = std::time::Duration::from_secs(60);
    tokio::time::timeout(bound, asked)
        .await
        .expect("the power is asked for");
}
