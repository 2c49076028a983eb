//! Redfish as it also is: wrong passwords, dead, slow and limited BMCs. Each ends, and says why.

use drydock::proto::v1::{ResultStatus, TaskAction};

use crate::emulator::{Emulation, Emulator, PASSWORD};
use crate::harbour::{CREDENTIAL, Harbour, Node};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_tried_once() {
    for sessions in [false, true] {
        let emulation = Emulation::of(1);
        let emulator = if sessions {
            emulation.with_sessions().start().await
        } else {
            emulation.start().await
        };
        let harbour = Harbour::of(&[Node::behind(&emulator, "n00001")]);
        harbour.keep("harbour-bmc", "wrong");
        let server = harbour.serve(&emulator).await;
        let verified = harbour.run(&server, TaskAction::VerifyNode).await;
        assert_eq!(verified.status(), ResultStatus::Failure);
        let why = verified.why("n00001");
        let expected = format!("the account of the design with {CREDENTIAL} is not accepted: BMC");
        assert!(why.starts_with(&expected), "{why}");
        assert!(why.contains("answered 401 Unauthorized: "), "{why}");
        assert_eq!(
            emulator.journal("unauthorised").len(),
            1,
            "accounts are locked"
        );

        // It is read anew for each step.
        harbour.keep("harbour-bmc", PASSWORD);
        let verified = harbour.run(&server, TaskAction::VerifyNode).await;
        verified.assert_success();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_design_has_a_secret_of_the_service_sent_to_a_host_of_its_choice() {
    let emulator = Emulation::of(1).start().await;
    let theirs = |name: &str, secret: &str| {
        let node = Node::behind(&emulator, "n00001").named(name);
        node.oob("credential", format!("secret://{secret}"))
    };
    let harbour = Harbour::of(&[
        Node::behind(&emulator, "n00001"),
        theirs("n2", "forge-token"),
        theirs("n3", "Forge_Token"),
        theirs("n4", "other"),
    ]);
    for name in ["forge-token", "Forge_Token", "other"] {
        harbour.keep(name, PASSWORD);
    }
    let server = harbour
        .launch(&emulator)
        .set(
            "design.tokens",
            "https://forge.example=secret://forge-token",
        )
        .set("secrets.design_prefix", "harbour-")
        .start()
        .await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.failures(), ["n2", "n3", "n4"]);
    for (node, why) in [
        (
            "n2",
            "node n2 may not use secret://forge-token: it is the service's own",
        ),
        (
            "n3",
            "node n3 may not use secret://Forge_Token: it is the service's own",
        ),
        (
            "n4",
            "node n4 may not use secret://other: names for designs begin with `harbour-` (`secrets.design_prefix`)",
        ),
    ] {
        assert_eq!(verified.why(node), why);
        assert_eq!(verified.steps(node)[0].retry, Some(0), "{node}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_design_leaves_out_is_named() {
    let emulator = Emulation::of(2).start().await;
    let named = |name: &str| Node::behind(&emulator, name);
    let harbour = Harbour::of(&[
        named("absent-secret").oob("credential", "secret://nobody-has-it"),
        named("good").oob("system_id", "n00001"),
        named("no-account").without("account"),
        named("no-address").without("address"),
        named("no-credential").without("credential"),
        named("one-of-two").without("system_id"),
        named("unknown-system").oob("system_id", "n99999"),
    ]);
    // Otherwise the design itself is refused, before any driver is asked.
    let server = harbour
        .launch(&emulator)
        .set("design.gate", "off")
        .start()
        .await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.status(), ResultStatus::PartialSuccess);
    let failures = verified.failures().len();
    assert_eq!(failures, 6, "{:?}", verified.failures());
    for (node, expected) in [
        (
            "absent-secret",
            "find secret://nobody-has-it: there is neither ",
        ),
        ("no-account", "the design has no `oob.account`"),
        ("no-address", "the design has no `oob.address`"),
        (
            "no-credential",
            "the design has no `oob.credential` for the node, which must be `secret://NAME`",
        ),
        (
            "one-of-two",
            "has 2 systems: say which is the node with `oob.system_id`",
        ),
        (
            "unknown-system",
            "the design's `oob.system_id` names no system: BMC 127.0.0.1",
        ),
    ] {
        let why = verified.why(node);
        assert!(why.contains(expected), "{node}: {why}");
        assert_eq!(verified.steps(node)[0].retry, Some(0), "{node}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_bmc_fails_its_node_alone() {
    let emulator = Emulation::of(2).start().await;
    let dead = {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        port.local_addr().expect("its address").to_string()
    };
    let harbour = Harbour::of(&[
        Node::behind(&emulator, "n00001"),
        Node::behind(&emulator, "n00002").oob("address", &dead),
    ]);
    let server = harbour.serve(&emulator).await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.status(), ResultStatus::PartialSuccess);
    assert_eq!(verified.failures(), ["n00002"]);
    let why = verified.why("n00002");
    assert!(
        why.starts_with(&format!("no connection to {dead}: ")),
        "{why}"
    );
    assert!(why.contains("refused"), "{why}");
    assert_eq!(verified.steps("n00002")[0].retry, Some(3));

    // One dead BMC makes no site unusable.
    let site = harbour.run(&server, TaskAction::VerifySite).await;
    site.assert_success();
    let said = site.said("").join("\n");
    assert!(
        said.contains("1 of 2 BMCs that were asked answer and accept us"),
        "{said}"
    );
    assert!(said.contains("n00002: no connection"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bmc_that_hears_and_says_nothing_is_given_up_and_serves_again_afterwards() {
    let emulator = Emulation::of(1).start().await;
    let harbour = Harbour::of(&[Node::behind(&emulator, "n00001")]);
    let server = harbour
        .launch(&emulator)
        .set("executor.call_timeout", "2s")
        .start()
        .await;
    emulator.pause().await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.status(), ResultStatus::Failure);
    let why = verified.why("n00001");
    assert!(
        why.contains(&emulator.address()) && why.ends_with("in time"),
        "{why}"
    );
    emulator.wake().await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    verified.assert_success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bmc_cannot_do_is_not_tried_again() {
    let emulator = Emulation::of(1).without_boot().start().await;
    let harbour = Harbour::of(&[Node::behind(&emulator, "n00001").unknown()]);
    let server = harbour.serve(&emulator).await;
    let prepared = harbour.run(&server, TaskAction::PrepareNode).await;
    assert_eq!(prepared.status(), ResultStatus::Failure);
    // The device repeats the password and rings a bell.
    let why = prepared.why("n00001");
    let expected = "answered 501 Not Implemented: Boot device is for [redacted] to know";
    assert!(
        why.starts_with("set the boot device: BMC ") && why.ends_with(expected),
        "{why}"
    );
    assert_eq!(emulator.journal("boot").len(), 1);
    assert_eq!(emulator.resets("n00001"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_a_stranger_is_sent_nothing() {
    let emulator = Emulation::of(1).start().await;
    let other: Emulator = Emulation::of(1).start().await;
    let harbour = Harbour::of(&[Node::behind(&emulator, "n00001")]);
    let server = harbour.serve(&other).await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.status(), ResultStatus::Failure);
    let why = verified.why("n00001");
    assert!(why.starts_with("no safe connection to 127.0.0.1:"), "{why}");
    assert!(why.contains("UnknownIssuer"), "{why}");
    assert_eq!(verified.steps("n00001")[0].retry, Some(0));
    server.kill().await;

    // The site's own authority goes before the one of everywhere.
    let server = harbour
        .launch(&other)
        .set("sites.harbour.redfish.ca", emulator.authority().display())
        .start()
        .await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    verified.assert_success();
}
