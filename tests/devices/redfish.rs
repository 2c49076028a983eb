//! Redfish as it should be: many nodes at once, sessions, a site with nodes of several kinds.

use std::collections::BTreeSet;

use drydock::proto::v1::{ResultStatus, TaskAction};

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
    for name in &names {
        let told = verified.told(name);
        let found = told.iter().find_map(|message| message.extra.clone());
        let found = found_fields(found.expect("what was found"));
        let machine = &found["data_element"];
        assert_eq!(machine["manufacturer"], "Sushy Emulator", "{found}");
        assert_eq!(machine["power_state"], "Off");
        assert_eq!(machine["boot_mode"], "UEFI");
        assert_eq!(found["generator"], "redfish");
        let address = machine["mac_addresses"][0].as_str();
        addresses.insert(address.expect("an address").to_owned());
    }
    assert_eq!(addresses.len(), MANY, "each node is asked for itself");
    assert_eq!(emulator.journal("power"), Vec::<Vec<String>>::new());
    assert_eq!(emulator.journal("unauthorised"), Vec::<Vec<String>>::new());
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

fn found_fields(found: prost_types::Struct) -> serde_json::Value {
    serde_json::Value::Object(
        found
            .fields
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .collect(),
    )
}

/// The JSON that a value of a message stands for.
fn plain(value: prost_types::Value) -> serde_json::Value {
    use prost_types::value::Kind;
    match value.kind {
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::NumberValue(number)) => number.into(),
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::StructValue(fields)) => found_fields(fields),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(plain).collect(),
        Some(Kind::NullValue(_)) | None => serde_json::Value::Null,
    }
}
