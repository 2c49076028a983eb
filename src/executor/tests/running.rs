//! What is done, tried again, and what fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::bench::{Bench, runs};
use super::machines::{Shaky, Talkative};
use crate::domain::build_data::MAX_ELEMENT_BYTES;
use crate::domain::{Action, Collected, Reason, ResultStatus, StepKind, TaskStatus};
use crate::driver::ledger::LineOutcome;
use crate::store::BuildDataQuery;

#[tokio::test]
async fn every_action_runs_its_plan() {
    let bench = Bench::new(3, &[]).await;
    let handle = bench.start().await;
    for action in Action::ALL {
        let root = bench.create(action).await;
        let tasks = bench.ended(root).await;
        assert_eq!(tasks[0].status, TaskStatus::Complete, "{action}");
        assert_eq!(tasks[0].result.status, ResultStatus::Success, "{action}");
        assert!(bench.said(root).await.len() >= 2, "{action}");
        for task in &tasks {
            assert_eq!(task.status, TaskStatus::Complete);
        }
    }
    handle.drain().await;
}

#[tokio::test]
async fn a_failed_step_fails_its_node_alone() {
    let bench = Bench::new(3, &[(1, "drydock.dev/simulate-fail", "apply_node_storage")]).await;
    let handle = bench.start().await;
    let root = bench.create(Action::DeployNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::PartialSuccess);
    let failed: Vec<_> = tasks
        .iter()
        .filter(|task| task.depth == 1 && task.result.status == ResultStatus::Failure)
        .map(|task| task.node_name.clone().unwrap())
        .collect();
    assert_eq!(failed, [Arc::from("n00001")]);
    assert!(
        bench
            .said(root)
            .await
            .iter()
            .any(|text| text.contains("apply_node_storage"))
    );
    handle.drain().await;
}

#[tokio::test]
async fn a_flaky_step_is_retried_and_an_unknown_node_is_booted() {
    let labels = [
        (0, "drydock.dev/simulate-flaky", "configure_hardware=3"),
        (0, "drydock.dev/simulate-unknown", "true"),
        (1, "drydock.dev/simulate-flaky", "configure_hardware=4"),
    ];
    let bench = Bench::new(2, &labels).await;
    let handle = bench.start().await;
    let root = bench.create(Action::PrepareNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::PartialSuccess);
    let of_first: Vec<_> = tasks
        .iter()
        .filter(|task| task.node_name.as_deref() == Some("n00000") && task.depth == 2)
        .collect();
    assert_eq!(of_first.len(), 5);
    assert_eq!(of_first[4].retry, 3);
    assert_eq!(of_first[0].result.status, ResultStatus::Failure);
    handle.drain().await;
}

#[tokio::test]
async fn a_step_that_hangs_fails_at_its_timeout() {
    let labels = [(0, "drydock.dev/simulate-hang", "interrogate_oob")];
    let mut bench = Bench::new(1, &labels).await;
    let limit = Duration::from_millis(300);
    bench
        .options
        .step_timeouts
        .insert(StepKind::InterrogateOob, limit);
    let handle = bench.start().await;
    let root = bench.create(Action::VerifyNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[2].result.reason, Reason::Timeout);
    assert_eq!(tasks[0].result.status, ResultStatus::Failure);
    handle.drain().await;
}

#[tokio::test]
async fn a_design_that_does_not_load_fails_the_task() {
    let bench = Bench::new(1, &[]).await;
    let handle = bench.start().await;
    for action in [
        Action::ValidateDesign,
        Action::DeployNode,
        Action::PrepareSite,
    ] {
        let limit = Duration::from_secs(60);
        let root = bench.create_on(action, "file:///broken", limit).await;
        let tasks = bench.ended(root).await;
        assert_eq!(tasks.len(), 1);
        assert_eq!(tasks[0].status, TaskStatus::Complete);
        assert_eq!(tasks[0].result.reason, Reason::DesignInvalid);
        assert!(
            bench
                .said(root)
                .await
                .iter()
                .any(|text| text == "not a document")
        );
    }
    handle.drain().await;
}

#[tokio::test]
async fn lost_polls_take_no_attempt_from_a_step() {
    let mut bench = Bench::new(1, &[]).await;
    bench.step_duration = Duration::from_millis(30);
    let driver = Shaky::new(bench.simulated());
    driver.lost_polls.store(6, Ordering::SeqCst);
    let handle = bench.start_with(Arc::new(driver)).await;
    let root = bench.create(Action::VerifyNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    assert_eq!(tasks[2].retry, 0);
    handle.drain().await;
}

#[tokio::test]
async fn a_stored_design_that_cannot_be_read_for_now_is_no_damage() {
    let mut bench = Bench::new(1, &[]).await;
    bench.step_duration = Duration::from_millis(100);
    let root = bench.create(Action::DeployNode).await;
    let handle = bench.start().await;
    bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
    handle.drain().await;
    bench.designs.busy.store(2, Ordering::SeqCst);
    let handle = bench.start().await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    handle.drain().await;
}

#[tokio::test]
async fn work_that_may_have_begun_is_cancelled_before_its_step_fails() {
    let labels = [
        (0, "drydock.dev/simulate-hang", "destroy_node"),
        (0, "drydock.dev/simulate-policy", "destroy_node=once"),
    ];
    let bench = Bench::new(1, &labels).await;
    let driver = Shaky::new(bench.simulated());
    driver.lost_starts.store(1, Ordering::SeqCst);
    let handle = bench.start_with(Arc::new(driver)).await;
    let root = bench.create(Action::DestroyNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Failure);
    handle.drain().await;
    let last = bench.lines().pop().unwrap();
    assert_eq!(last.outcome, Some(LineOutcome::Cancelled));
}

#[tokio::test]
async fn what_is_found_out_is_kept_with_the_step_and_what_is_too_much_is_said() {
    let bench = Bench::new(1, &[]).await;
    let collected = |generator: &str, bytes: usize| Collected {
        generator: generator.to_owned(),
        data_format: "text/plain".to_owned(),
        data_element: "x".repeat(bytes),
    };
    let machines = bench.simulated();
    let says = vec![
        collected("small", 3),
        collected("large", MAX_ELEMENT_BYTES + 1),
    ];
    let driver = Talkative { machines, says };
    let handle = bench.start_with(Arc::new(driver)).await;
    let root = bench.create(Action::VerifyNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    assert_eq!(tasks[0].result.error_count, 0);
    let query = BuildDataQuery {
        task: None,
        node_name: Some("n00000".to_owned()),
        generator: None,
        latest: false,
        element_bytes: Some(1),
        after: 0,
        limit: 10,
    };
    let page = bench.store.build_data(query).await.unwrap();
    let [(_, kept)] = &page.entries[..] else {
        panic!("{page:?}");
    };
    assert_eq!(
        (&*kept.generator, kept.task_id),
        ("small", tasks[2].task_id)
    );
    assert_eq!(kept.data_element.as_deref(), Some("xxx"));
    assert_eq!(Some(kept.collected_date), tasks[2].completed);
    assert_eq!(
        bench.said(tasks[2].task_id).await,
        ["build data of \"large\" is not kept: it has 262145 bytes of 262144 at the most"]
    );

    // A step of the site has no node that it could be about.
    let root = bench.create(Action::VerifySite).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    let said = bench.said(tasks[1].task_id).await;
    assert!(said[0].ends_with("it is about no node"), "{said:?}");
    handle.drain().await;
}
