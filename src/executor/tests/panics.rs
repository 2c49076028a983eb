//! A panic in a call, or in the executor itself, is told.

use std::sync::Arc;

use tokio::time::timeout;

use super::bench::{Bench, PATIENCE};
use super::machines::Fatal;
use crate::domain::Action;

#[tokio::test]
async fn a_call_that_panics_is_reported_and_its_root_is_not_given_back_as_clean() {
    let bench = Bench::new(1, &[]).await;
    let handle = bench.start_with(Arc::new(Fatal(bench.simulated()))).await;
    let panicked = bench.store.background().panicked();
    bench.create(Action::DeployNode).await;
    let panicked = timeout(PATIENCE, panicked).await.unwrap();
    assert_eq!(panicked.part, "line of steps");
    let instance = handle.instance();
    handle.drain().await;
    assert_eq!(bench.store.owned(instance).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_runner_that_panics_is_reported() {
    let bench = Bench::new(1, &[]).await;
    let background = bench.store.background();
    background.poison("runner of a root");
    let handle = bench.start().await;
    bench.create(Action::VerifyNode).await;
    let panicked = timeout(PATIENCE, background.panicked()).await.unwrap();
    assert_eq!(panicked.part, "runner of a root");
    let instance = handle.instance();
    handle.drain().await;
    assert_eq!(bench.store.owned(instance).await.unwrap().len(), 1);
}
