//! IPMI as it should be: many BMCs at once, what they say of their machines, a site of several kinds.

use drydock::proto::v1::{ResultStatus, TaskAction};
use futures::future::join_all;

use crate::harbour::{Harbour, Node};
use crate::ipmi_bmc::{SimulatedBmc, Simulation};

/// BMCs that are asked at once.
const MANY: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_bmcs_are_asked_at_once_and_watched_live() {
    let simulations = (1..=MANY).map(|number| {
        let simulation = Simulation::of(&format!("n{number:05}"));
        if number % 2 == 0 {
            simulation.switched_on().start()
        } else {
            simulation.start()
        }
    });
    let bmcs: Vec<SimulatedBmc> = join_all(simulations).await;
    let nodes: Vec<Node> = bmcs.iter().map(Node::over_ipmi).collect();
    let harbour = Harbour::of(&nodes);
    let server = harbour.launch_ipmi().start().await;

    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    verified.assert_success();
    for bmc in &bmcs {
        let power = if bmc.is_on() { "On" } else { "Off" };
        let name = bmc.name();
        let expected = format!("Acme Falcon 9000, serial number {name}, power {power}");
        let said = verified.said(name);
        assert!(
            said.iter().any(|text| text.contains(&expected)),
            "{name}: {said:?}"
        );
        assert_eq!(bmc.journal(), Vec::<String>::new(), "it is only read");
    }
    let found = verified.build_data(&server).await;
    assert_eq!(found.len(), bmcs.len());
    for data in &found {
        assert_eq!(data.generator, "ipmi");
        let machine: serde_json::Value =
            serde_json::from_str(&data.data_element).expect("it is JSON");
        assert_eq!(machine["schema"], "drydock.dev/machine/v1", "{machine}");
        assert_eq!(machine["serial_number"], data.node_name.as_str());
        assert_eq!(machine["not_told"], serde_json::Value::Null, "{machine}");
    }

    let site = harbour.run(&server, TaskAction::VerifySite).await;
    site.assert_success();
    let said = site.said("").join("\n");
    assert!(
        said.contains("ipmi: 12 of 12 BMCs that were asked answer and accept us"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bmc_tells_what_it_can() {
    let bmc = Simulation::of("n00001").without_inventory().start().await;
    let harbour = Harbour::of(&[
        Node::over_ipmi(&bmc),
        Node::of_type("by-hand", "manual"),
        Node::of_type("stranger", "redfish"),
    ]);
    let server = harbour.launch_ipmi().start().await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.status(), ResultStatus::PartialSuccess);
    assert_eq!(verified.failures(), ["stranger"]);
    assert_eq!(
        verified.why("stranger"),
        "no driver for out-of-band type `redfish`; this site has drivers for ipmi, manual"
    );
    let said = verified.said("n00001").join("\n");
    assert!(
        said.contains("power Off; not told: inventory: BMC 127.0.0.1:"),
        "{said}"
    );
    assert!(said.contains("Device not present"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_may_have_older_bmcs() {
    let bmc = Simulation::of("n00001").start().await;
    let harbour = Harbour::of(&[Node::over_ipmi(&bmc)]);
    let common = harbour.launch_ipmi().set("drivers.ipmi.cipher_suite", "17");
    let server = common.start().await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.status(), ResultStatus::Failure);
    let why = verified.why("n00001");
    let expected = format!(
        "BMC {} does not speak cipher suite 17, see `drivers.ipmi.cipher_suite`: ",
        bmc.address()
    );
    assert!(why.starts_with(&expected), "{why}");
    assert_eq!(verified.steps("n00001")[0].retry, Some(0));
    server.kill().await;

    let server = common
        .set("sites.harbour.ipmi.cipher_suite", "3")
        .start()
        .await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    verified.assert_success();
}
