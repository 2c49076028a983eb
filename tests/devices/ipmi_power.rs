//! Power and boot over IPMI: what is asked of a machine, in which order, and how it is afterwards.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use drydock::proto::v1::{ResultStatus, TaskAction, TaskStatus};
use futures::future::join_all;

use crate::emulator::NEVER;
use crate::harbour::{Harbour, Node, Outcome};
use crate::ipmi_bmc::{SimulatedBmc, Simulation, ipmitool};
use crate::support::client::Client;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_node_boots_from_the_network_after_a_power_cycle() {
    let simulations = (1..=4).map(|number| {
        let simulation = Simulation::of(&format!("n{number:05}"));
        simulation.switched_on().taking(1).start()
    });
    let bmcs: Vec<SimulatedBmc> = join_all(simulations).await;
    let nodes: Vec<Node> = bmcs
        .iter()
        .map(|bmc| Node::over_ipmi(bmc).unknown())
        .collect();
    let harbour = Harbour::of(&nodes);
    let server = harbour.launch_ipmi().start().await;

    let prepared = harbour.run(&server, TaskAction::PrepareNode).await;
    prepared.assert_success();
    for bmc in &bmcs {
        let name = bmc.name();
        assert_eq!(bmc.journal(), ["boot pxe", "power 0", "power 1"], "{name}");
        assert!(bmc.is_on() && bmc.boot() == "pxe", "{name}");
        let said = prepared.said(name).join("\n");
        // The simulated BMC keeps nothing but the device.
        assert!(
            said.contains(
                "boots from the network next time, UEFI; the BMC took it, but shows it as not \
                 valid and for legacy boot"
            ),
            "{said}"
        );
        assert!(said.contains("was off, and is on again"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_given_time_to_shut_down_by_itself() {
    let willing = Simulation::of("n00001").switched_on().start().await;
    let hanging = Simulation::of("n00002")
        .switched_on()
        .hanging()
        .start()
        .await;
    let harbour = Harbour::of(&[
        Node::over_ipmi(&willing).unknown(),
        Node::over_ipmi(&hanging).unknown(),
    ]);
    let server = harbour
        .launch_ipmi()
        .set("drivers.ipmi.graceful_shutdown", "2s")
        .set("drivers.ipmi.boot_mode", "bios")
        .start()
        .await;
    let prepared = harbour.run(&server, TaskAction::PrepareNode).await;
    prepared.assert_success();
    assert_eq!(willing.journal(), ["boot pxe", "shutdown 1", "power 1"]);
    assert_eq!(
        hanging.journal(),
        ["boot pxe", "shutdown 1", "power 0", "power 1"]
    );
    let said = prepared.said("n00002").join("\n");
    assert!(
        said.contains("boots from the network next time, legacy"),
        "{said}"
    );
    assert!(said.contains("told to shut down by itself"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_that_never_changes_ends_with_the_time_of_the_step() {
    let bmc = Simulation::of("n00001")
        .switched_on()
        .taking(NEVER)
        .start()
        .await;
    let harbour = Harbour::of(&[Node::over_ipmi(&bmc).unknown()]);
    let server = harbour
        .launch_ipmi()
        .set("executor.timeout.power_cycle_node", "6s")
        .start()
        .await;
    let prepared = harbour.run(&server, TaskAction::PrepareNode).await;
    assert_eq!(prepared.status(), ResultStatus::Failure);
    let said = prepared.said("n00001");
    assert!(
        said.contains(&"told to switch off, and is not off yet"),
        "{said:?}"
    );
    assert_eq!(prepared.why("n00001"), "did not end within 6 s");
    assert_eq!(bmc.journal(), ["boot pxe", "power 0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_that_a_crash_cuts_in_two_ends_with_the_node_on() {
    let bmc = Simulation::of("n00001")
        .switched_on()
        .taking(NEVER)
        .start()
        .await;
    let harbour = Harbour::of(&[Node::over_ipmi(&bmc).unknown()]);
    let server = harbour.launch_ipmi().start().await;
    let task = harbour.begin(&server, TaskAction::PrepareNode).await;
    asked_for(&bmc, 2).await;
    assert_eq!(bmc.journal(), ["boot pxe", "power 0"]);
    server.kill().await;

    bmc.take(1);
    let server = harbour.launch_ipmi().start().await;
    let prepared = Outcome::of(&server, &task).await;
    prepared.assert_success();
    assert!(bmc.is_on());
    assert_eq!(
        bmc.journal(),
        ["boot pxe", "power 0", "power 0", "boot pxe", "power 1"],
        "the cycle begins anew, and what the BMC does not show as valid is set again"
    );
}

/// Stands in for `ipmitool`, and lets the first that is to switch a node off wait, as one does whose
/// packets are lost. It prints nothing meanwhile: whoever prints when its server is gone is ended.
const LATE: &str = r#"#!/bin/sh
here=${0%/*}
case "$*" in
*" power off")
    if mkdir "$here/held" 2>/dev/null; then
        sleep 4
        exec "$here/ipmitool" "$@" >/dev/null 2>&1
    fi
    ;;
esac
exec "$here/ipmitool" "$@"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_leaves_behind_switches_nothing_off_afterwards() {
    let bmc = Simulation::of("n00001").switched_on().start().await;
    let harbour = Harbour::of(&[Node::over_ipmi(&bmc).unknown()]);
    let directory = tempfile::tempdir().expect("a directory");
    let late = directory.path().join("late");
    std::os::unix::fs::symlink(ipmitool(), directory.path().join("ipmitool")).expect("a link");
    std::fs::write(&late, LATE).expect("a program");
    std::fs::set_permissions(&late, std::fs::Permissions::from_mode(0o700)).expect("a program");
    let launch = harbour
        .launch_ipmi()
        .set("drivers.ipmi.ipmitool", late.display());
    let server = launch.start().await;
    let task = harbour.begin(&server, TaskAction::PrepareNode).await;
    until("the node is about to go off", || {
        directory.path().join("held").exists()
    })
    .await;
    server.kill().await;
    assert_eq!(bmc.journal(), ["boot pxe"], "it has not begun");

    let server = launch.start().await;
    let prepared = Outcome::of(&server, &task).await;
    prepared.assert_success();
    until("nobody speaks to it any more", || bmc.visitors() == 0).await;
    assert!(bmc.is_on(), "{:?}", bmc.journal());
    let journal = bmc.journal();
    assert_eq!(journal, ["boot pxe", "power 0", "boot pxe", "power 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_is_not_stopped_half_way() {
    let bmc = Simulation::of("n00001")
        .switched_on()
        .taking(2)
        .start()
        .await;
    let harbour = Harbour::of(&[Node::over_ipmi(&bmc).unknown()]);
    let server = harbour.launch_ipmi().start().await;
    let task = harbour.begin(&server, TaskAction::PrepareNode).await;
    asked_for(&bmc, 2).await;
    let client = Client::of(server.address());
    client.terminate(&task.task_id, "enough").await;

    let stopped = Outcome::of(&server, &task).await;
    assert_eq!(stopped.root.status(), TaskStatus::Terminated);
    assert!(bmc.is_on());
    assert_eq!(bmc.journal(), ["boot pxe", "power 0", "power 1"]);
}

/// Waits until `count` things were asked of a machine.
async fn asked_for(bmc: &SimulatedBmc, count: usize) {
    until("it is asked for", || bmc.journal().len() >= count).await;
}

/// Waits for what files and processes show, which do not call.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "not in time: {what}");
}
