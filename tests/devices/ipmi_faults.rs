//! IPMI as it also is: wrong passwords, dead, silent and limited BMCs. Each ends, and says why.

use drydock::proto::v1::{ResultStatus, TaskAction};

use crate::emulator::PASSWORD;
use crate::harbour::{CREDENTIAL, Harbour, Node};
use crate::ipmi_bmc::Simulation;
use crate::support::database::Database;
use crate::support::server::Launch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_tried_once_and_one_that_does_not_fit_never() {
    let bmc = Simulation::of("n00001").start().await;
    let harbour = Harbour::of(&[Node::over_ipmi(&bmc)]);
    let server = harbour.launch_ipmi().start().await;
    let not_accepted = format!("the account of the design with {CREDENTIAL} is not accepted: BMC ");
    let too_long = format!("{CREDENTIAL} is longer than the 20 bytes that IPMI takes");
    for (password, expected) in [
        ("wrong", &not_accepted),
        (&format!("{PASSWORD} and more"), &too_long),
    ] {
        harbour.keep("harbour-bmc", password);
        let verified = harbour.run(&server, TaskAction::VerifyNode).await;
        assert_eq!(verified.status(), ResultStatus::Failure);
        let why = verified.why("n00001");
        assert!(why.starts_with(expected), "{why}");
        assert_eq!(
            verified.steps("n00001")[0].retry,
            Some(0),
            "accounts are locked"
        );
    }

    // It is read anew for each step.
    harbour.keep("harbour-bmc", PASSWORD);
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    verified.assert_success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_design_leaves_out_is_named() {
    let bmc = Simulation::of("good").start().await;
    let named = |name: &str| {
        Node::of_type(name, "ipmi")
            .oob("address", bmc.address())
            .oob("account", "operator")
            .oob("credential", CREDENTIAL)
    };
    let harbour = Harbour::of(&[
        Node::over_ipmi(&bmc),
        named("absent-secret").oob("credential", "secret://nobody-has-it"),
        named("long-account").oob("account", "administrator-of-all"),
        named("no-account").without("account"),
        named("no-address").without("address"),
        named("no-credential").without("credential"),
        named("strange-address").oob("address", "https://bmc"),
        named("unknown-account").oob("account", "somebody"),
    ]);
    let server = harbour.launch_ipmi().start().await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.status(), ResultStatus::PartialSuccess);
    assert_eq!(verified.failures().len(), 7, "{:?}", verified.failures());
    for (node, expected) in [
        (
            "absent-secret",
            "find secret://nobody-has-it: there is neither ",
        ),
        (
            "long-account",
            "the design's `oob.account` must have 1 to 16 bytes for IPMI",
        ),
        ("no-account", "the design has no `oob.account`"),
        ("no-address", "the design has no `oob.address`"),
        (
            "no-credential",
            "the design has no `oob.credential` for the node, which must be `secret://NAME`",
        ),
        (
            "strange-address",
            "the design's `oob.address` is neither a host nor `host:port`",
        ),
        ("unknown-account", "unauthorized name"),
    ] {
        let why = verified.why(node);
        assert!(why.contains(expected), "{node}: {why}");
        assert_eq!(verified.steps(node)[0].retry, Some(0), "{node}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_bmc_fails_its_node_alone() {
    let bmc = Simulation::of("n00001").start().await;
    let silent = Simulation::of("n00002").start().await;
    silent.pause().await;
    let harbour = Harbour::of(&[Node::over_ipmi(&bmc), Node::over_ipmi(&silent)]);
    let server = harbour
        .launch_ipmi()
        .set("executor.call_timeout", "2s")
        .start()
        .await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    assert_eq!(verified.status(), ResultStatus::PartialSuccess);
    assert_eq!(verified.failures(), ["n00002"]);
    let expected = format!("no answer from {} in time", silent.address());
    assert_eq!(verified.why("n00002"), expected);
    assert_eq!(verified.steps("n00002")[0].retry, Some(3));
    assert_eq!(silent.visitors(), 0, "no ipmitool is left behind");

    // One dead BMC makes no site unusable.
    let site = harbour.run(&server, TaskAction::VerifySite).await;
    site.assert_success();
    let said = site.said("").join("\n");
    assert!(
        said.contains("1 of 2 BMCs that were asked answer and accept us"),
        "{said}"
    );
    assert!(said.contains(&format!("n00002: {expected}")), "{said}");

    silent.wake().await;
    let verified = harbour.run(&server, TaskAction::VerifyNode).await;
    verified.assert_success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bmc_that_says_nothing_at_all_is_given_up_by_ipmitool_itself() {
    let bmc = Simulation::of("n00001").start().await;
    bmc.pause().await;
    let harbour = Harbour::of(&[Node::over_ipmi(&bmc)]);
    let server = harbour.launch_ipmi().start().await;
    let site = harbour.run(&server, TaskAction::VerifySite).await;
    assert_eq!(site.status(), ResultStatus::PartialSuccess);
    let said = site.said("").join("\n");
    assert!(
        said.contains(&format!("no answer from {} in time", bmc.address())),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_device_that_is_refused_is_no_success() {
    let bmc = Simulation::of("n00001")
        .switched_on()
        .broken()
        .start()
        .await;
    let harbour = Harbour::of(&[Node::over_ipmi(&bmc).unknown()]);
    let server = harbour.launch_ipmi().start().await;
    let prepared = harbour.run(&server, TaskAction::PrepareNode).await;
    assert_eq!(prepared.status(), ResultStatus::Failure);
    // The program itself ends as if it had been done.
    let why = prepared.why("n00001");
    assert!(
        why.starts_with(&format!("set the boot device: BMC {}: ", bmc.address()))
            && why.ends_with("Set Chassis Boot Parameter 5 failed: Unspecified error"),
        "{why}"
    );
    assert!(bmc.is_on());
    assert!(
        bmc.journal().iter().all(|asked| asked == "boot pxe"),
        "{:?}",
        bmc.journal()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_ipmitool_says_so_and_does_not_start() {
    let database = Database::sqlite();
    let launch = Launch::on(&database)
        .set("drivers.oob", "ipmi")
        .set("drivers.ipmi.ipmitool", "/nowhere/ipmitool")
        .set("executor.lease", "nonsense");
    let refusal = launch.refused().await;
    assert_eq!(refusal.status.code(), Some(2), "{}", refusal.log);
    for expected in [
        "drivers.ipmi.ipmitool (DRYDOCK_DRIVERS__IPMI__IPMITOOL): must be a program, as nodes of \
         type `ipmi` are acted on: /nowhere/ipmitool: No such file or directory",
        "executor.lease (DRYDOCK_EXECUTOR__LEASE): ",
    ] {
        assert!(refusal.log.contains(expected), "{}", refusal.log);
    }
}
