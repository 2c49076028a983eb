//! The password of a BMC stays secret on its way through `ipmitool`, too (promise P19).

use drydock::proto::v1::TaskAction;

use crate::canary::{WRITTEN, look_below, look_for_secrets, look_into_designs};
use crate::harbour::{Harbour, Node};
use crate::ipmi_bmc::Simulation;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_written_anywhere_nor_shown_to_other_processes() {
    let good = Simulation::of("n00001").start().await;
    let watched = Simulation::of("n00002").switched_on().start().await;
    let broken = Simulation::of("n00003").broken().start().await;
    watched.watch_callers();
    let harbour = Harbour::of(&[
        Node::over_ipmi(&good),
        Node::over_ipmi(&watched).unknown(),
        Node::over_ipmi(&broken).unknown(),
        Node::of_type("dead", "ipmi")
            .oob("address", "127.0.0.1:1")
            .oob("account", "operator")
            .oob("credential", crate::harbour::CREDENTIAL),
        Node::of_type("written", "ipmi")
            .oob("address", good.address())
            .oob("account", "operator")
            .oob("credential", WRITTEN),
    ]);
    let server = harbour
        .launch_ipmi()
        .set("log.level", "trace")
        .set("executor.call_timeout", "2s")
        .start()
        .await;
    let mut seen = String::new();
    for action in [
        TaskAction::ValidateDesign,
        TaskAction::VerifySite,
        TaskAction::VerifyNode,
        TaskAction::PrepareNode,
    ] {
        seen.push_str(&harbour.run(&server, action).await.everything());
    }
    let log = server.log();
    assert!(log.contains("TRACE"), "the log is at its most talkative");
    assert!(log.contains("ipmitool ended"), "processes are told of");
    look_for_secrets("what was sent to a client", seen.as_bytes());
    drop(server);
    look_below(harbour.database.directory());
    look_into_designs(harbour.database.url()).await;

    // What every user of the machine can read of the processes while they run, and what is in their
    // environment.
    let callers = watched.callers();
    assert!(callers.contains("lanplus\n"), "they were seen: {callers}");
    look_for_secrets("the processes of ipmitool", callers.as_bytes());
    let variables = callers.lines().filter(|line| line.contains('='));
    for variable in variables {
        assert!(
            variable == "LC_ALL=C" || variable == "options=efiboot",
            "{variable}"
        );
    }
}
