//! What goes wrong between us and a plug-in: crashes on either side, replicas that sleep, work that is to
//! stop, and work that never ends.

use drydock::proto::v1::{ResultStatus, Task, TaskAction, TaskStatus};

use crate::design::Design;
use crate::ironic::{assert_succeeded, run, said};
use crate::ironic_faults::until_said;
use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::stream::Follower;
use crate::vendor::{SERVED, Settings, Vendor};

/// A deployment of about six seconds: longer than a restart of ours takes.
const SLOW: Settings = Settings {
    pace: 0.6,
    without: None,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plug_in_that_was_killed_goes_on_with_the_one_deployment() {
    let mut vendor = Vendor::start(SLOW).await;
    let design = Design::of([("n1", SERVED)]);
    let database = Database::sqlite();
    let server = vendor.launch(&database, &design).start().await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &design.reference())
        .await;
    until_said(&client, &task, "20 %").await;
    vendor.kill().await;
    until_said(&client, &task, "not answered, asking again").await;
    vendor.restart().await;
    let events = Follower::of(&client, &task.task_id)
        .finish(None)
        .await
        .events;
    assert_succeeded(&client.get(&task.task_id).await, &events);
    let told = format!("{:?}", said(&events));
    assert!(told.contains("going on after part"), "{told}");
    assert_eq!(vendor.machine("n1")["installed"], 10);
    assert_eq!(vendor.deployments("n1"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_inspects_and_adopts_the_one_deployment() {
    let vendor = Vendor::start(SLOW).await;
    let design = Design::of([("n1", SERVED)]);
    let database = Database::sqlite();
    let launch = vendor.launch(&database, &design);
    let server = launch.start().await;
    let launch = launch.at(server.address());
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &design.reference())
        .await;
    let follower = tokio::spawn(Follower::of(&client, &task.task_id).finish(None));
    until_said(&client, &task, "20 %").await;
    server.kill().await;
    let server = launch.start().await;
    let events = follower.await.expect("the watcher sees its end").events;
    assert_succeeded(&client.get(&task.task_id).await, &events);
    let log = server.log();
    let inspected = log.lines().find(|line| line.contains("attempt inspected"));
    let inspected = inspected.expect("it looks for the mark first");
    assert!(inspected.contains("epoch=2"), "{inspected}");
    assert_eq!(vendor.machine("n1")["installed"], 10);
    assert_eq!(vendor.deployments("n1"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_slept_past_its_lease_leaves_the_work_to_its_successor() {
    let vendor = Vendor::start(SLOW).await;
    let design = Design::of([("n1", SERVED)]);
    let database = Database::postgres().await;
    let launch = vendor
        .launch(&database, &design)
        .set("executor.lease", "6s")
        .set("executor.renew", "1s")
        .set("executor.call_timeout", "2s")
        .set("executor.margin", "1s")
        .set("executor.quarantine", "3s");
    let owner = launch.start().await;
    let client = Client::of(owner.address());
    let task = client
        .create(TaskAction::DeployNode, &design.reference())
        .await;
    until_said(&client, &task, "10 %").await;
    let other = launch.start().await;
    owner.pause().await;
    let client = Client::of(other.address());
    let events = Follower::of(&client, &task.task_id)
        .finish(None)
        .await
        .events;
    assert_succeeded(&client.get(&task.task_id).await, &events);
    let log = other.log();
    let inspected = log.lines().find(|line| line.contains("attempt inspected"));
    let inspected = inspected.expect("it looks for the mark first");
    assert!(inspected.contains("epoch=2"), "{inspected}");

    owner.wake().await;
    // It serves again and works again, under another name.
    let client = Client::of(owner.address());
    let (next, events) = run(&client, TaskAction::VerifyNode, &design).await;
    assert_succeeded(&next, &events);
    assert_eq!(vendor.machine("n1")["installed"], 10);
    assert_eq!(vendor.deployments("n1"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_stopped_when_its_task_is_and_when_its_time_is_over() {
    let vendor = Vendor::start(Settings {
        pace: 1.0,
        without: None,
    })
    .await;
    let design = Design::of([("n1", SERVED)]);
    let database = Database::sqlite();
    let launch = vendor.launch(&database, &design);
    let server = launch.start().await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &design.reference())
        .await;
    until_said(&client, &task, "10 %").await;
    client.terminate(&task.task_id, "enough").await;
    Follower::of(&client, &task.task_id).finish(None).await;
    let task = client.get(&task.task_id).await;
    assert_eq!(task.status(), TaskStatus::Terminated, "{task:?}");
    let stopped_at = vendor.machine("n1")["installed"].clone();
    assert!(stopped_at.as_u64().expect("parts") < 9, "{stopped_at}");

    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);
    assert_eq!(
        vendor.machine("n1")["installed"],
        0,
        "nobody installs any more"
    );
    drop(server);

    let server = launch
        .set("executor.timeout.deploy_node", "3s")
        .start()
        .await;
    let client = Client::of(server.address());
    let (task, events) = run(&client, TaskAction::DeployNode, &design).await;
    assert_eq!(status(&task), ResultStatus::Failure);
    let told = format!("{:?}", said(&events));
    assert!(told.contains("did not end within 3 s"), "{told}");
    let stopped_at = vendor.machine("n1")["installed"].clone();
    assert!(stopped_at.as_u64().expect("parts") < 9, "{stopped_at}");
    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);
}

fn status(task: &Task) -> ResultStatus {
    task.result.as_ref().expect("a result").status()
}
