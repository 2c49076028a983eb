//! A request to stop, or the end of a task's time, while steps run.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::bench::{Bench, runs, steps};
use super::machines::{Shaky, Stubborn};
use crate::domain::{Action, Reason, ResultStatus, StepKind, TaskStatus};
use crate::driver::ledger::LineOutcome;

#[tokio::test]
async fn terminate_cancels_what_hangs_and_creates_nothing_more() {
    let labels = [(0, "drydock.dev/simulate-hang", "apply_node_storage")];
    let bench = Bench::new(1, &labels).await;
    let handle = bench.start().await;
    let root = bench.create(Action::DeployNode).await;
    let tasks = bench.until(root, runs(StepKind::ApplyNodeStorage)).await;
    assert_eq!(tasks[1].current_step, Some(StepKind::ApplyNodeStorage));
    bench.terminate(root).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[1].current_step, None);
    assert_eq!(tasks[0].status, TaskStatus::Terminated);
    assert_eq!(tasks[1].status, TaskStatus::Terminated);
    assert_eq!(
        steps(&tasks),
        [
            (
                "apply_node_networking",
                TaskStatus::Complete,
                ResultStatus::Success
            ),
            (
                "apply_node_storage",
                TaskStatus::Terminated,
                ResultStatus::Incomplete
            ),
        ]
    );
    handle.drain().await;
}

#[tokio::test]
async fn a_step_that_cannot_be_interrupted_is_waited_for() {
    let mut bench = Bench::new(1, &[]).await;
    bench.step_duration = Duration::from_millis(600);
    let handle = bench
        .start_with(Arc::new(Stubborn(bench.simulated())))
        .await;
    let root = bench.create(Action::DeployNode).await;
    bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
    bench.terminate(root).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].status, TaskStatus::Terminated);
    assert_eq!(tasks[1].status, TaskStatus::Terminated);
    assert_eq!(
        steps(&tasks),
        [(
            "apply_node_networking",
            TaskStatus::Complete,
            ResultStatus::Success
        )]
    );
    handle.drain().await;
}

#[tokio::test]
async fn the_roots_timeout_stops_it() {
    let labels = [(0, "drydock.dev/simulate-hang", "interrogate_oob")];
    let bench = Bench::new(2, &labels).await;
    let handle = bench.start().await;
    let limit = Duration::from_millis(500);
    let root = bench
        .create_on(Action::VerifyNode, "file:///design", limit)
        .await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].status, TaskStatus::Complete);
    assert_eq!(tasks[0].result.reason, Reason::Timeout);
    assert_eq!(tasks[0].result.status, ResultStatus::PartialSuccess);
    handle.drain().await;
}

#[tokio::test]
async fn a_cancel_that_overtook_the_start_or_was_lost_is_sent_again() {
    for lost in [0, 2] {
        let labels = [(0, "drydock.dev/simulate-hang", "apply_node_networking")];
        let bench = Bench::new(1, &labels).await;
        let mut driver = Shaky::new(bench.simulated());
        driver.start_delay = Duration::from_millis(200);
        driver.lost_cancels = AtomicU32::new(lost);
        let handle = bench.start_with(Arc::new(driver)).await;
        let root = bench.create(Action::DeployNode).await;
        bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
        bench.terminate(root).await;
        let tasks = bench.ended(root).await;
        assert_eq!(tasks[0].status, TaskStatus::Terminated);
        assert_eq!(tasks[2].status, TaskStatus::Terminated);
        assert_eq!(tasks[2].result.error_count, 0);
        handle.drain().await;
        let last = bench.lines().pop().unwrap();
        assert_eq!(last.outcome, Some(LineOutcome::Cancelled));
    }
}

#[tokio::test]
async fn what_fails_while_it_is_stopped_has_failed() {
    let labels = [(0, "drydock.dev/simulate-fail", "apply_node_networking")];
    let bench = Bench::new(1, &labels).await;
    let mut driver = Shaky::new(bench.simulated());
    driver.start_delay = Duration::from_millis(200);
    let handle = bench.start_with(Arc::new(driver)).await;
    let root = bench.create(Action::DeployNode).await;
    bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
    bench.terminate(root).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[2].result.status, ResultStatus::Failure);
    assert!(tasks[2].result.message.contains("simulated failure"));
    handle.drain().await;
}
