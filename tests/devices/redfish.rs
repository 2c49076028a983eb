//! Redfish as it should be: many nodes at once, sessions, a site with nodes of several kinds.

use std::collections::BTreeSet;

use drydock::proto::v1::{BuildData, ResultStatus, TaskAction};

use crate::emulator::{ACCOUNT, Emulation};
use crate::harbour::{Harbour, Node};

/// Nodes that are acted on at once.
const MANY: usize = 50;

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("n{number:05}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_nodes_are_verified_at_once_and_watched_live() {
    let emulator = Emulation::of(MANY).start().await;
    let names = names(MANY);
    let nodes: Vec<Node> = names
        .iter()
        .map(|name| Node::behind(&emulator, name))
        .collect();
    let harbour = Harbour::of(&nodes);
    let server = harbour.serve(&emulator).await;

    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    verified.assert_success();
    let mut addresses = BTreeSet::new();
    for data in verified.build_data(&server).await {
        assert_eq!(data.generator, "redfish");
        assert_eq!(data.data_format, "application/json");
        let machine = machine(&data);
        assert_eq!(machine["schema"], "drydock.dev/machine/v1", "{machine}");
        assert_eq!(machine["manufacturer"], "Sushy Emulator", "{machine}");
        assert_eq!(machine["power_state"], "Off");
        assert_eq!(machine["boot_mode"], "UEFI");
        assert_eq!(machine["health"], "OK");
        assert_eq!(machine["processors"]["count"], 2);
        assert_eq!(machine["memory_gib"], 96);
        assert_eq!(verified.steps(&data.node_name)[0].task_id, data.task_id);
        // Its service names an inventory of firmware and has none.
        let not_told = machine["not_told"][0]
            .as_str()
            .expect("what it could not say");
        assert!(not_told.starts_with("firmware: BMC "), "{machine}");
        assert!(not_told.contains("answered 404"), "{machine}");
        let said = verified.said(&data.node_name).join("\n");
        assert!(
            said.starts_with("Sushy Emulator, power Off; not told: firmware"),
            "{said}"
        );
        let address = machine["mac_addresses"][0].as_str();
        addresses.insert(address.expect("an address").to_owned());
    }
    assert_eq!(addresses.len(), MANY, "each node is asked for itself");
    assert_eq!(emulator.journal("power"), Vec::<Vec<String>>::new());
    assert_eq!(emulator.journal("unauthorised"), Vec::<Vec<String>>::new());
}

/// What is installed is listed by name; what repeats the password is redacted there, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn firmware_is_found_where_the_service_lists_it() {
    let emulator = Emulation::of(1).with_firmware().start().await;
    let harbour = Harbour::of(&[Node::behind(&emulator, "n00001")]);
    let server = harbour.serve(&emulator).await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    verified.assert_success();
    let found = verified.build_data(&server).await;
    let [data] = &found[..] else {
        panic!("{found:?}");
    };
    let machine = machine(data);
    assert_eq!(
        machine["firmware"],
        serde_json::json!([
            {"name": "BIOS", "version": "1.4.2"},
            {"name": "NIC [redacted]", "version": "22.41"},
        ])
    );
    assert_eq!(machine["not_told"], serde_json::Value::Null, "{machine}");
    let said = verified.said("n00001");
    assert_eq!(said, ["Sushy Emulator, power Off"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_serves_until_the_service_ends_it() {
    let emulator = Emulation::of(1).with_sessions().start().await;
    // The only system needs no name.
    let node = Node::behind(&emulator, "n00001").without("system_id");
    let harbour = Harbour::of(&[node]);
    let server = harbour.serve(&emulator).await;
    let session = vec![ACCOUNT.to_owned()];

    for _ in 0..3 {
        let verified = harbour.run(&server, TaskAction::VerifyNode).await;
        verified.assert_success();
    }
    assert_eq!(emulator.journal("session"), vec![session.clone()]);

    emulator.end_sessions().await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    verified.assert_success();
    assert_eq!(emulator.journal("session"), vec![session.clone(), session]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_one_site_may_have_different_drivers_or_none() {
    let emulator = Emulation::of(1).start().await;
    let harbour = Harbour::of(&[
        Node::behind(&emulator, "n00001"),
        Node::of_type("by-hand", "manual").unknown(),
        Node::of_type("rehearsed", "simulated"),
        Node::of_type("stranger", "libvirt"),
    ]);
    let server = harbour.serve(&emulator).await;

    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.status(), ResultStatus::PartialSuccess);
    assert_eq!(verified.failures(), ["stranger"]);
    assert_eq!(
        verified.why("stranger"),
        "no driver for out-of-band type `libvirt`; this site has drivers for manual, redfish"
    );

    let prepared = harbour.run(&server, TaskAction::PrepareNode).await;
    let said = prepared.said("by-hand").join("\n");
    assert!(
        said.contains("set by-hand to boot from the network"),
        "{said}"
    );
    assert!(said.contains("switch by-hand off and on again"), "{said}");

    let site = harbour.run(&server, TaskAction::VerifySite).await;
    site.assert_success();
    let said = site.said("").join("\n");
    assert!(
        said.contains("no driver for 1 of 4 nodes: stranger"),
        "{said}"
    );
    assert!(said.contains("1 of 1 BMCs that were asked"), "{said}");
}

fn machine(data: &BuildData) -> serde_json::Value {
    serde_json::from_str(&data.data_element).expect("it is JSON")
}
