//! What goes wrong between us and an Ironic: locks, crashes on either side, wrong credentials, nobody there.

use std::time::Duration;

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{ResultStatus, RetryTaskRequest, Task, TaskAction, TaskEvent};
use uuid::Uuid;

use crate::design::Design;
use crate::ironic::{BARE, assert_succeeded, launch, run, said};
use crate::ironic_service::{Ironic, Settings, free_port};
use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::stream::Follower;

/// Seconds of each half of a deployment: longer than a restart of ours takes.
const SLOW: u32 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_adopts_its_deployment_and_ironic_has_one() {
    let mut ironic = slow().await;
    ironic.make_available("n1").await;
    let design = Design::of([("n1", BARE)]);
    let database = Database::sqlite();
    let launch = launch(&database, &design, &ironic);
    let server = launch.start().await;
    let launch = launch.at(server.address());
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &design.reference())
        .await;
    let follower = tokio::spawn(Follower::of(&client, &task.task_id).finish(None));
    until_said(&client, &task, "deploying").await;

    server.kill().await;
    let server = launch.start().await;
    let events = follower.await.expect("the watcher sees its end").events;
    assert_succeeded(&client.get(&task.task_id).await, &events);
    assert!(server.log().contains("Present"), "the deployment was found");
    assert_eq!(ironic.node("n1").await["provision_state"], "active");
    assert_eq!(ironic.deployments("n1").await, 1);

    // Released in the middle of a release: its mark is found as well.
    let task = client
        .create(TaskAction::DestroyNode, &design.reference())
        .await;
    let follower = tokio::spawn(Follower::of(&client, &task.task_id).finish(None));
    until_said(&client, &task, "deleting").await;
    server.kill().await;
    let server = launch.start().await;
    let events = follower.await.expect("the watcher sees its end").events;
    assert_succeeded(&client.get(&task.task_id).await, &events);
    assert_eq!(ironic.node("n1").await["provision_state"], "available");

    // And Ironic itself, in the middle of a deployment.
    let task = client
        .create(TaskAction::DeployNode, &design.reference())
        .await;
    until_said(&client, &task, "deploying").await;
    ironic.kill().await;
    until_said(&client, &task, "not answered, asking again").await;
    ironic.restart().await;
    let events = Follower::of(&client, &task.task_id)
        .finish(None)
        .await
        .events;
    let task = client.get(&task.task_id).await;
    let told = format!("{:?}", said(&events));
    assert_eq!(status(&task), ResultStatus::Failure, "{told}");
    // It may have been told before anybody watched.
    until_said(&client, &task, "can't be resumed by conductor").await;

    // What failed is deployed by another task without an operator's help.
    let request = RetryTaskRequest {
        task_id: task.task_id.clone(),
        request_id: Uuid::new_v4().to_string(),
        ..RetryTaskRequest::default()
    };
    let retried = client.tasks.clone().retry_task(request).await;
    let retried = retried.expect("it is retried").into_inner();
    let events = Follower::of(&client, &retried.task_id)
        .finish(None)
        .await
        .events;
    assert_succeeded(&client.get(&retried.task_id).await, &events);
    assert_eq!(ironic.node("n1").await["provision_state"], "active");
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_waited_for_or_left_alone() {
    let login = ("drydock".to_owned(), "right".to_owned());
    let settings = Settings {
        login: Some(login),
        ..Settings::default()
    };
    let ironic = Ironic::start(&settings).await;
    ironic.make_available("n1").await;
    let design = Design::of([("n1", BARE)]);
    let database = Database::sqlite();
    let secrets = tempfile::tempdir().expect("a directory");
    let password = secrets.path().join("ironic");
    std::fs::write(&password, "wrong-canary").expect("the secret");
    let server = launch(&database, &design, &ironic)
        .set("drivers.ironic.auth", "http_basic")
        .set("drivers.ironic.username", "drydock")
        .set("drivers.ironic.secret", "secret://ironic")
        .set("secrets.directory", secrets.path().display())
        // Ironic itself waits for a lock for two or three seconds before it refuses.
        .set("executor.call_timeout", "5s")
        .set(
            "log.level",
            "drydock=trace,reqwest=trace,hyper=trace,hyper_util=trace",
        )
        .start()
        .await;
    let client = Client::of(server.address());

    // Refused for who we are; the next task reads the secret anew.
    let (task, events) = run(&client, TaskAction::VerifySite, &design).await;
    let told = format!("{:?}", said(&events));
    assert_ne!(status(&task), ResultStatus::Success, "{told}");
    assert!(told.contains("401 Unauthorized"), "{told}");
    assert!(!told.contains("canary") && !server.log().contains("canary"));
    let (task, _) = run(&client, TaskAction::DeployNode, &design).await;
    assert_eq!(status(&task), ResultStatus::Failure);
    std::fs::write(&password, "right").expect("the secret");
    let (task, events) = run(&client, TaskAction::VerifySite, &design).await;
    assert_succeeded(&task, &events);

    // Locked for as long as anybody has the patience for.
    ironic.lock("n1", Some("elsewhere")).await;
    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    let told = format!("{:?}", said(&events));
    assert_eq!(status(&task), ResultStatus::Failure, "{told}");
    assert!(told.contains("is locked by host elsewhere"), "{told}");
    assert_eq!(ironic.deployments("n1").await, 0);

    // Locked for a while.
    let task = client
        .create(TaskAction::DeployNode, &design.reference())
        .await;
    until_said(&client, &task, "is locked by host elsewhere").await;
    ironic.lock("n1", None).await;
    let events = Follower::of(&client, &task.task_id)
        .finish(None)
        .await
        .events;
    assert_succeeded(&client.get(&task.task_id).await, &events);
    assert_eq!(ironic.deployments("n1").await, 1);

    // In somebody else's use.
    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);
    let theirs = Uuid::new_v4().to_string();
    let claim = serde_json::json!([{"op": "add", "path": "/instance_uuid", "value": theirs}]);
    let patch = http::Method::PATCH;
    ironic.call(patch, "/v1/nodes/n1", Some(claim)).await;
    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    let told = format!("{:?}", said(&events));
    assert_eq!(status(&task), ResultStatus::Failure, "{told}");
    assert!(told.contains(&theirs), "{told}");
    ironic.provision("n1", "active").await;
    ironic.settle("n1", "active").await;
    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    let told = format!("{:?}", said(&events));
    assert_eq!(status(&task), ResultStatus::Failure, "{told}");
    assert!(told.contains("is not destroyed from here"), "{told}");
    assert_eq!(ironic.node("n1").await["provision_state"], "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ironic_that_is_not_there_fails_the_task_and_says_so() {
    let design = Design::of([("n1", BARE)]);
    let database = Database::sqlite();
    let server = Launch::on(&database)
        .designs_in(design.directory())
        // Its designs say what the drivers need, and nothing of disks and networks.
        .set("design.gate", "off")
        .set("drivers.node", "ironic")
        .set(
            "drivers.ironic.endpoint",
            format!("http://127.0.0.1:{}", free_port()),
        )
        .set("executor.call_timeout", "1s")
        .start()
        .await;
    let client = Client::of(server.address());
    for action in [TaskAction::VerifySite, TaskAction::DestroyNode] {
        let (task, events) = run(&client, action, &design).await;
        let told = format!("{:?}", said(&events));
        assert_ne!(status(&task), ResultStatus::Success, "{told}");
        assert!(told.contains("no connection to 127.0.0.1"), "{told}");
    }
}

async fn slow() -> Ironic {
    let settings = Settings {
        deploy_delay: SLOW,
        ..Settings::default()
    };
    Ironic::start(&settings).await
}

fn status(task: &Task) -> ResultStatus {
    task.result.as_ref().expect("a result").status()
}

/// Waits until something that contains `text` is said within a task.
pub(crate) async fn until_said(client: &Client, task: &Task, text: &str) {
    let is_it = |event: &TaskEvent| match &event.event {
        Some(Arm::MessageAdded(message)) => message.message.contains(text),
        Some(Arm::Snapshot(task)) => {
            let status = task.result.as_ref();
            let details = status.and_then(|status| status.details.as_ref());
            let list = details.map_or(&[][..], |details| &details.message_list);
            list.iter().any(|message| message.message.contains(text))
        }
        Some(_) | None => false,
    };
    let mut stream = client.watch(&task.task_id).await;
    let waited = tokio::time::timeout(Duration::from_secs(90), stream.until(is_it)).await;
    assert!(waited.is_ok(), "nobody says {text:?}");
}
