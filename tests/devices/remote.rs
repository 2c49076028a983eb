//! A plug-in in Python does every step of its nodes: watched, over TLS, and refused where it should be.

use drydock::proto::v1::{ListBuildDataRequest, ResultStatus, Task, TaskAction};
use serde_json::Value;

use crate::design::Design;
use crate::ironic::{assert_succeeded, run, said};
use crate::support::client::Client;
use crate::support::database::Database;
use crate::vendor::{SERVED, Settings, TOKEN, VENDOR, Vendor};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plug_in_does_every_action_watched_live() {
    let vendor = Vendor::start(Settings::default()).await;
    let design = Design::of([("n1", SERVED), ("n2", SERVED)]);
    let database = Database::sqlite();
    let server = vendor
        .launch(&database, &design)
        .set("drivers.remote.vendor.send_credentials", "true")
        .set("drivers.remote.vendor.send_design", "true")
        .set(
            "log.level",
            "drydock=trace,tonic=trace,h2=debug,hyper=trace",
        )
        .start()
        .await;
    let client = Client::of(server.address());
    let mut seen = String::new();
    for action in [
        TaskAction::VerifySite,
        TaskAction::PrepareSite,
        TaskAction::VerifyNode,
        TaskAction::PrepareNode,
        TaskAction::DeployNode,
        TaskAction::DestroyNode,
    ] {
        let (task, events) = run(&client, action, &design).await;
        assert_succeeded(&task, &events);
        let told = format!("{:?}", said(&events));
        for expected in match action {
            TaskAction::VerifyNode => &["n1 is off"][..],
            TaskAction::PrepareNode => &["the tool does not know n1", "n2 is off", "under control"],
            TaskAction::DeployNode => &[
                "10 %: installing n1",
                "90 %: installing n2",
                "n1 is installed",
            ],
            TaskAction::DestroyNode => &["n1 is wiped"],
            _ => &[],
        } {
            assert!(told.contains(expected), "{expected}: {told}");
        }
        if action == TaskAction::DeployNode {
            assert_eq!(vendor.machine("n1")["installed"], 10);
        }
        if action == TaskAction::VerifyNode {
            let request = ListBuildDataRequest {
                task_id: task.task_id.clone(),
                ..ListBuildDataRequest::default()
            };
            let found = client.build_data(request).await;
            assert_eq!(found.len(), 2, "{found:?}");
            for data in found {
                assert_eq!(data.generator, VENDOR);
                let found: Value = serde_json::from_str(&data.data_element).expect("JSON");
                assert_eq!(
                    (&found["name"], &found["power"]),
                    (&data.node_name.into(), &"off".into())
                );
            }
        }
        seen.push_str(&format!("{task:?} {events:?}"));
    }
    for name in ["n1", "n2"] {
        let machine = vendor.machine(name);
        assert_eq!(
            (&machine["installed"], &machine["power"]),
            (&0.into(), &"on".into())
        );
        assert_eq!(vendor.deployments(name), 1);
    }
    for canary in [TOKEN, "canary-password-of-the-bmc"] {
        assert!(
            !seen.contains(canary) && !server.log().contains(canary),
            "{canary}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_the_plug_in_does_not_do_fails_alone() {
    let vendor = Vendor::start(Settings {
        without: Some("interrogate_oob"),
        ..Settings::default()
    })
    .await;
    let design = Design::of([("n1", SERVED), ("n2", "{oob: {type: manual}}")]);
    let database = Database::sqlite();
    let server = vendor.launch(&database, &design).start().await;
    let client = Client::of(server.address());
    let (task, events) = run(&client, TaskAction::VerifyNode, &design).await;
    let result = task.result.as_ref().expect("a result");
    assert_eq!(
        (&result.successes[..], &result.failures[..]),
        (&["n2".to_owned()][..], &["n1".to_owned()][..])
    );
    let told = format!("{:?}", said(&events));
    let why = "plug-in vendor does not do interrogate_oob; it does validate_node_services";
    assert!(told.contains(why), "{told}");
    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    assert_succeeded(&task, &events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_who_they_should_be_is_not_dealt_with() {
    let vendor = Vendor::start(Settings::default()).await;
    let design = Design::of([("n1", SERVED)]);
    let secrets = tempfile::tempdir().expect("a directory");
    std::fs::write(secrets.path().join("vendor"), "canary-wrong").expect("a secret");
    let other = vendor.file("other.pem").display().to_string();
    let secrets = secrets.path().display().to_string();
    for (key, value, why) in [
        (
            "drivers.remote.vendor.ca",
            &other,
            "no safe connection to plug-in vendor at 127.0.0.1",
        ),
        (
            "secrets.directory",
            &secrets,
            "plug-in vendor does not accept us: the token is missing or wrong",
        ),
    ] {
        let database = Database::sqlite();
        let launch = vendor.launch(&database, &design).set(key, value);
        let server = launch.start().await;
        let client = Client::of(server.address());
        let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
        assert_eq!(status(&task), ResultStatus::Failure);
        let told = format!("{:?}", said(&events));
        assert!(told.contains(why), "{why}: {told}");
        assert!(!told.contains("canary") && !server.log().contains("canary"));
    }
    let database = Database::sqlite();
    let refusal = vendor
        .launch(&database, &design)
        .set("drivers.remote.vendor.address", "http://10.0.0.1:1")
        .set("drivers.remote.vendor.once", "nothing")
        .set("drivers.remote.ironic.address", "https://h")
        .refused()
        .await;
    for told in [
        "what leaves this machine is encrypted",
        "drivers.remote.vendor.once",
        "drivers.remote.ironic.address",
    ] {
        assert!(refusal.log.contains(told), "{}", refusal.log);
    }
}

fn status(task: &Task) -> ResultStatus {
    task.result.as_ref().expect("a result").status()
}
