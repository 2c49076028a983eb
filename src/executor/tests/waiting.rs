//! Tasks that want what others hold: a node, a site.

use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, runs};
use super::machines::Stubborn;
use crate::domain::{Action, Reason, ResultStatus, StepKind, Task, TaskStatus};

#[tokio::test]
async fn one_task_at_a_time_changes_a_node() {
    let labels = [(0, "drydock.dev/simulate-hang", "destroy_node")];
    let bench = Bench::new(3, &labels).await;
    let handle = bench.start().await;
    let first = bench.create(Action::DestroyNode).await;
    bench.until(first, runs(StepKind::DestroyNode)).await;
    let second = bench.create(Action::PrepareNode).await;
    let third = bench.create(Action::DeployNode).await;
    let waits = |tasks: &[Task]| {
        let queued = |task: &Task| task.depth == 1 && task.status == TaskStatus::Queued;
        tasks.iter().any(queued) && tasks[0].result.succeeded == 2
    };
    bench.until(second, waits).await;
    bench.until(third, waits).await;
    bench.terminate(third).await;
    let tasks = bench.ended(third).await;
    assert_eq!(tasks[0].status, TaskStatus::Terminated);
    bench.terminate(first).await;
    bench.ended(first).await;
    let tasks = bench.ended(second).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    handle.drain().await;
}

#[tokio::test]
async fn those_who_wait_for_a_site_keep_nobody_else_waiting() {
    let mut bench = Bench::new(1, &[]).await;
    bench.options.max_running_roots = 2;
    bench.step_duration = Duration::from_secs(3600);
    let handle = bench.start().await;
    let running = |tasks: &[Task]| tasks[0].status == TaskStatus::Running;
    let first = bench.create(Action::PrepareSite).await;
    bench.until(first, running).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(bench.create(Action::PrepareSite).await);
    }
    let given_back =
        |tasks: &[Task]| tasks[0].result.message_count > 0 && tasks[0].heartbeat.is_none();
    for root in &waiting {
        bench.until(*root, given_back).await;
        let holds = format!("waits for the site, which task {first} holds");
        assert_eq!(bench.said(*root).await, [holds]);
    }
    let other = bench.create(Action::VerifyNode).await;
    bench.until(other, running).await;

    // The one that is stopped ends at once, and the others go on in the order in which they came.
    let stopped = waiting.remove(0);
    bench.terminate(stopped).await;
    bench.ended(stopped).await;
    let mut before = first;
    for next in waiting {
        assert_eq!(bench.tasks(next).await[0].status, TaskStatus::Queued);
        bench.terminate(before).await;
        bench.ended(before).await;
        bench.until(next, running).await;
        before = next;
    }
    handle.drain().await;
}

#[tokio::test]
async fn those_who_wait_for_nodes_keep_nobody_else_waiting() {
    let labels = [(0, "drydock.dev/simulate-hang", "deploy_node")];
    let mut bench = Bench::new(1, &labels).await;
    bench.options.max_running_roots = 2;
    let mut roots = vec![bench.create(Action::DeployNode).await];
    let handle = bench.start().await;
    bench.until(roots[0], runs(StepKind::DeployNode)).await;
    for _ in 0..4 {
        roots.push(bench.create(Action::DeployNode).await);
    }
    let waits = |tasks: &[Task]| {
        let mut nodes = tasks.iter().filter(|task| task.depth == 1);
        nodes.any(|node| node.status == TaskStatus::Queued)
    };
    for root in &roots[1..] {
        bench.until(*root, waits).await;
    }
    let other = bench.create(Action::VerifyNode).await;
    let other = bench.ended(other).await;
    assert_eq!(other[0].result.status, ResultStatus::Success);

    // Each gets the node in its turn, the oldest first, and takes a place again.
    for (place, root) in roots.iter().enumerate() {
        bench.until(*root, runs(StepKind::DeployNode)).await;
        for later in &roots[place + 1..] {
            assert!(waits(&bench.tasks(*later).await));
        }
        bench.terminate(*root).await;
        bench.ended(*root).await;
    }
    handle.drain().await;
}

#[tokio::test]
async fn one_that_waits_for_a_site_for_too_long_ends() {
    let mut bench = Bench::new(1, &[]).await;
    bench.options.max_queue_time = Duration::from_millis(500);
    bench.options.renew = Duration::from_millis(100);
    bench.step_duration = Duration::from_secs(3600);
    let handle = bench.start().await;
    let first = bench.create(Action::PrepareSite).await;
    let running = |tasks: &[Task]| tasks[0].status == TaskStatus::Running;
    bench.until(first, running).await;
    let second = bench.create(Action::PrepareSite).await;
    let tasks = bench.ended(second).await;
    assert_eq!(tasks[0].result.reason, Reason::Timeout);
    handle.drain().await;
}

#[tokio::test]
async fn nodes_that_wait_for_a_lock_end_before_those_that_run() {
    let mut bench = Bench::new(2, &[(0, "drydock.dev/simulate-hang", "destroy_node")]).await;
    bench.step_duration = Duration::from_millis(1500);
    let handle = bench
        .start_with(Arc::new(Stubborn(bench.simulated())))
        .await;
    let first = bench.create(Action::DestroyNode).await;
    let destroyed = |tasks: &[Task]| tasks[0].result.succeeded == 1;
    bench.until(first, destroyed).await;
    let second = bench.create(Action::PrepareNode).await;
    let waits = |tasks: &[Task]| {
        let queued = |task: &Task| task.depth == 1 && task.status == TaskStatus::Queued;
        tasks.iter().any(queued) && runs(StepKind::IdentifyNode)(tasks)
    };
    bench.until(second, waits).await;
    bench.terminate(second).await;
    let seen = |tasks: &[Task]| {
        let node = |task: &Task| task.depth == 1 && task.status == TaskStatus::Terminated;
        tasks.iter().any(node)
    };
    let tasks = bench.until(second, seen).await;
    assert_eq!(tasks[0].status, TaskStatus::Terminating);
    // The hanging step cannot be interrupted: the replica leaves it.
    handle.drain().await;
}
