//! What an owner leaves to the next.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::timeout;

use super::bench::{Bench, PATIENCE, runs};
use crate::domain::{Action, Reason, ResultStatus, StepKind};
use crate::driver::ledger::LineEvent;

#[tokio::test]
async fn a_drained_root_goes_on_elsewhere_and_no_step_is_started_twice() {
    let mut bench = Bench::new(20, &[]).await;
    bench.step_duration = Duration::from_millis(60);
    bench.options.max_parallel_nodes = 7;
    let root = bench.create(Action::DeployNode).await;
    for step in [
        StepKind::ApplyNodeNetworking,
        StepKind::ApplyNodeStorage,
        StepKind::DeployNode,
    ] {
        let handle = bench.start().await;
        bench.until(root, runs(step)).await;
        timeout(Duration::from_secs(1), handle.drain())
            .await
            .unwrap();
    }
    let handle = bench.start().await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    assert_eq!(tasks[0].result.succeeded, 20);
    handle.drain().await;
    let mut started = BTreeSet::new();
    for line in bench.lines() {
        if line.event == LineEvent::Start && line.policy == "guarded" {
            assert!(started.insert(line.task_id), "{line:?}");
        }
    }
    assert_eq!(started.len(), 20);
}

#[tokio::test]
async fn a_successor_does_not_start_a_step_whose_time_is_over() {
    let labels = [(0, "drydock.dev/simulate-hang", "apply_node_networking")];
    let mut bench = Bench::new(1, &labels).await;
    let limit = Duration::from_millis(400);
    bench
        .options
        .step_timeouts
        .insert(StepKind::ApplyNodeNetworking, limit);
    let root = bench.create(Action::DeployNode).await;
    let handle = bench.start().await;
    bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
    handle.drain().await;
    tokio::time::sleep(limit).await;
    let handle = bench.start().await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[2].result.reason, Reason::Timeout);
    handle.drain().await;
    let lines = bench.lines();
    let starts = lines.iter().filter(|line| line.event == LineEvent::Start);
    assert_eq!(starts.count(), 1);
}

#[tokio::test]
async fn a_successor_begins_no_node_of_an_overdue_root() {
    let labels = [(0, "drydock.dev/simulate-hang", "interrogate_oob")];
    let mut bench = Bench::new(3, &labels).await;
    bench.options.max_parallel_nodes = 1;
    let limit = Duration::from_millis(800);
    let root = bench
        .create_on(Action::VerifyNode, "file:///design", limit)
        .await;
    let handle = bench.start().await;
    bench.until(root, runs(StepKind::InterrogateOob)).await;
    handle.drain().await;
    tokio::time::sleep(limit).await;
    bench.options.max_parallel_nodes = 3;
    let handle = bench.start().await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.reason, Reason::Timeout);
    assert_eq!(tasks.iter().filter(|task| task.depth == 1).count(), 1);
    handle.drain().await;
}

#[tokio::test]
async fn what_a_vanished_owner_left_is_not_given_back_as_clean_before_it_was_met() {
    let labels = [(0, "drydock.dev/simulate-hang", "deploy_node")];
    let bench = Bench::new(1, &labels).await;
    let root = bench.create(Action::DeployNode).await;
    let vanished = bench.start().await;
    bench.until(root, runs(StepKind::DeployNode)).await;
    bench.store.close().await;
    vanished.drain().await;

    let Bench {
        directory, store, ..
    } = bench;
    drop(store);
    let mut bench = Bench::at(directory, 1, &labels).await;
    // Without a slot it takes the tree over and meets nothing of it.
    bench.options.max_running_nodes = 0;
    let careless = bench.start().await;
    let instance = careless.instance();
    let taken_over = async {
        while bench.store.owned(instance).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, taken_over).await.unwrap();
    careless.drain().await;
    assert_eq!(bench.store.owned(instance).await.unwrap().len(), 1);
}
