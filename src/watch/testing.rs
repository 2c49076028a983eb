//! What the tests of watching have in common.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;

use super::hub::{Hub, HubOptions};
use super::watch::{Item, Start, Watch, WatchRequest};
use super::{Scope, WatchError};
use crate::domain::{TaskFilter, TaskId};

/// Nothing happens by time alone, so that tests see what they cause.
pub(super) fn options() -> HubOptions {
    HubOptions {
        poll_interval: Duration::from_secs(3600),
        ring_events: 1000,
        max_life: Duration::from_secs(100_000),
        ..HubOptions::default()
    }
}

/// A watch of everything about one task.
pub(super) fn of_task(task_id: TaskId, start: Start) -> WatchRequest {
    WatchRequest {
        scope: Scope::Task {
            task_id,
            max_depth: None,
        },
        start,
        include_messages: true,
        heartbeat_interval: Duration::from_secs(20),
        connection_kill: None,
    }
}

/// A watch of everything.
pub(super) fn of_all(start: Start) -> WatchRequest {
    WatchRequest {
        scope: Scope::Fleet(Arc::new(TaskFilter::default())),
        ..of_task(TaskId::new_root(), start)
    }
}

/// A word and a sequence for each item, for example `message_added 4`.
pub(super) fn describe(item: &Item) -> String {
    let name = match item {
        Item::Snapshot { .. } => "snapshot",
        Item::SnapshotComplete { .. } => "snapshot_complete",
        Item::Event {
            published, index, ..
        } => published.event(*index).kind.name(),
        Item::Progress { .. } => "progress",
        Item::Heartbeat { .. } => "heartbeat",
    };
    format!("{name} {}", item.sequence())
}

/// The next `count` items in words.
pub(super) async fn take(watch: &mut Watch, count: usize) -> Vec<String> {
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(describe(&watch.next().await.unwrap().unwrap()));
    }
    items
}

/// The error that the watch ends with.
pub(super) async fn end(watch: &mut Watch) -> WatchError {
    loop {
        match watch.next().await.expect("an error before the end") {
            Ok(_) => {}
            Err(error) => {
                assert!(watch.next().await.is_none());
                return error;
            }
        }
    }
}

/// Until the hub has published everything up to `sequence`.
pub(super) async fn published(hub: &Hub, sequence: i64) {
    until(|| hub.head() >= sequence).await;
}

/// Until `is_so`, which nothing else tells of.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("it comes true");
}

/// Why the hub refuses the watch.
pub(super) async fn refused(hub: &Hub, request: WatchRequest) -> WatchError {
    match hub.watch(request).await {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error,
    }
}
