//! Two servers on one database: what one leaves behind when it dies, the other finishes (promises P3, P4).

use std::time::{Duration, Instant};

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{ResultStatus, TaskAction, TaskEvent, TaskStatus};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::ledger::Ledger;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

/// Lease, quarantine, and the work that is left, with room for a busy machine.
const TAKEOVER_BOUND: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_server_leaves_behind_the_other_finishes() {
    finish_after_death_at("apply_node_networking").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_step_of_a_dead_server_is_adopted() {
    finish_after_death_at("deploy_node").await;
}

/// Kills the owner of a deployment while `step` runs on one of its nodes.
async fn finish_after_death_at(step: &str) {
    let database = Database::postgres().await;
    let site = Site::of(&Machine::many(4));
    let launch = Launch::on(&database)
        .designs_in(site.directory())
        .with_short_leases()
        .set("simulated.step_duration", "300ms");
    // The owner is the only server when the task comes, so it is known which one it is.
    let owner = launch.start().await;
    let client = Client::of(owner.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    let other = launch.start().await;
    let survivor = Client::of(other.address());
    let mut stream = survivor.watch(&task.task_id).await;
    let follower = tokio::spawn(Follower::of(&survivor, &task.task_id).finish(None));

    stream.until(|event| runs(event, step)).await;
    owner.kill().await;
    let killed = Instant::now();
    let at_kill = Ledger::read(&database.ledger());
    assert!(!at_kill.open().is_empty(), "the kill came between steps");
    let follower = follower.await.expect("the watcher sees the end");
    let took = killed.elapsed();
    println!("death at {step}: finished {took:?} later");
    assert!(took < TAKEOVER_BOUND, "the takeover took {took:?}");
    assert_eq!(
        follower.streams, 1,
        "the survivor's streams are not touched"
    );

    let task = survivor.get(&task.task_id).await;
    assert_eq!(task.status(), TaskStatus::Complete);
    let result = task.result.expect("a result");
    assert_eq!(result.status(), ResultStatus::Success, "{result:?}");
    let ledger = Ledger::read(&database.ledger());
    ledger
        .check_nothing_acted_twice()
        .expect("nothing destructive is done twice");
}

fn runs(event: &TaskEvent, step: &str) -> bool {
    let task = match &event.event {
        Some(Arm::Snapshot(task)) => task,
        Some(Arm::StatusChanged(change)) => match &change.task {
            Some(task) => task,
            None => return false,
        },
        _ => return false,
    };
    task.step == step && task.status() == TaskStatus::Running
}
