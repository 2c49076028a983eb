//! What watching costs at the most, and what happens when something is too much, or away.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{Notify, Semaphore};

use super::WatchError;
use super::hub::{HubError, HubOptions};
use super::model::{By, Model};
use super::published::Published;
use super::testing::{describe, end, of_all, of_task, options, published, refused, take, until};
use super::watch::{Item, Start, WatchRequest};

#[tokio::test]
async fn a_quiet_tree_s_watcher_stays_in_memory_while_others_are_busy() {
    let model = Model::new();
    let quiet = model.create_tree(0, By::Us);
    let busy = model.create_tree(0, By::Us);
    let (hub, _handle) = model
        .hub(HubOptions {
            ring_events: 4,
            ..options()
        })
        .await;
    let mut watch = hub.watch(of_task(quiet, Start::After(2))).await.unwrap();
    let mut looked = std::pin::pin!(watch.next());
    assert!(futures::poll!(looked.as_mut()).is_pending());
    for _ in 0..20 {
        let last = model.say(busy, By::Us);
        published(&hub, last).await;
    }
    let reads = model.journal_reads();
    model.say(quiet, By::Us);
    let item = looked.await.unwrap().unwrap();
    assert_eq!(describe(&item), "message_added 23");
    assert_eq!(model.journal_reads(), reads);
}

#[tokio::test]
async fn a_consumer_that_accepts_nothing_is_released_and_then_cut_off() {
    let model = Model::new();
    let root = model.create_tree(0, By::Us);
    let quick = HubOptions {
        stall_timeout: Duration::from_millis(200),
        ..options()
    };
    let (hub, _handle) = model.hub(quick).await;
    let last = model.say(root, By::Us);
    published(&hub, last).await;
    let killed = Arc::new(Notify::new());
    let kills = Arc::clone(&killed);
    let request = WatchRequest {
        connection_kill: Some(Arc::new(move || kills.notify_one())),
        ..of_task(root, Start::After(1))
    };
    let mut stalled = hub.watch(request).await.unwrap();
    let mut waiting = hub.watch(of_task(root, Start::After(2))).await.unwrap();
    let waiting = tokio::spawn(async move { take(&mut waiting, 1).await });
    let begun = tokio::time::Instant::now();
    let Some(Ok(Item::Event {
        published: held, ..
    })) = stalled.next().await
    else {
        panic!("an event was committed");
    };

    // One here, one in the ring, one in the parked batch, until that is released.
    assert_eq!(Arc::strong_count(&held), 3);
    until(|| Arc::strong_count(&held) == 2).await;
    assert!(begun.elapsed() >= Duration::from_millis(200));
    killed.notified().await;
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert!(matches!(end(&mut stalled).await, WatchError::Stalled));

    // Waiting for us is not stalling.
    model.say(root, By::Us);
    assert_eq!(waiting.await.unwrap(), ["message_added 3"]);
}

#[tokio::test]
async fn a_watch_ends_at_its_maximum_life() {
    let model = Model::new();
    let limits = HubOptions {
        max_life: Duration::from_millis(200),
        ..options()
    };
    let (hub, _handle) = model.hub(limits).await;
    let begun = tokio::time::Instant::now();
    let mut watch = hub.watch(of_all(Start::Now)).await.unwrap();
    assert!(matches!(end(&mut watch).await, WatchError::Rotated));
    assert!(begun.elapsed() >= Duration::from_millis(180));
}

#[tokio::test]
async fn a_full_replica_refuses_watches_and_a_draining_one_ends_them() {
    let model = Model::new();
    let limits = HubOptions {
        max_watches: 2,
        ..options()
    };
    let (hub, handle) = model.hub(limits).await;
    let first = hub.watch(of_all(Start::Now)).await.unwrap();
    let mut second = hub.watch(of_all(Start::Now)).await.unwrap();
    assert!(matches!(
        refused(&hub, of_all(Start::Now)).await,
        WatchError::Quota
    ));
    drop(first);
    hub.watch(of_all(Start::Now)).await.unwrap();
    assert_eq!(take(&mut second, 1).await, ["heartbeat 0"]);

    let ended = tokio::spawn(async move { end(&mut second).await });
    hub.drain();
    assert!(matches!(ended.await.unwrap(), WatchError::Draining));
    assert!(matches!(
        refused(&hub, of_all(Start::Now)).await,
        WatchError::Draining
    ));
    handle.stop().await.unwrap();
}

#[tokio::test]
async fn waiting_watchers_share_a_fill_and_nobody_joins_one_that_has_begun() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let root = model.create_tree(3, By::Us);
    model.snapshot_gate.forget_permits(Semaphore::MAX_PERMITS);
    let open = || {
        let hub = hub.clone();
        tokio::spawn(async move {
            let mut watch = hub.watch(of_task(root, Start::Snapshot)).await.unwrap();
            take(&mut watch, 11).await
        })
    };
    // Four begin and are held in the store; everybody else waits for a turn.
    let mut begun = Vec::new();
    for count in 1..=4 {
        begun.push(open());
        until(|| model.snapshot_asked() == count).await;
    }
    let waiting: Vec<_> = (0..50).map(|_| open()).collect();
    until(|| hub.watches() == 54).await;
    model.snapshot_gate.add_permits(100);
    for watch in begun.into_iter().chain(waiting) {
        assert_eq!(watch.await.unwrap().last().unwrap(), "snapshot_complete 10");
    }
    assert_eq!(model.snapshots(), 5);
}

#[tokio::test]
async fn a_snapshot_that_outgrows_memory_goes_through_a_file() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let root = model.create_tree(1500, By::Us);
    let mut watch = hub.watch(of_task(root, Start::Snapshot)).await.unwrap();
    let tasks = model.tasks();
    for task in &tasks {
        let Some(Ok(Item::Snapshot { task: seen, .. })) = watch.next().await else {
            panic!("{} tasks are in the snapshot", tasks.len());
        };
        assert_eq!(seen.task_id, task.task_id);
    }
    assert!(matches!(
        watch.next().await,
        Some(Ok(Item::SnapshotComplete {
            task_count: 4501,
            ..
        }))
    ));
}

#[tokio::test]
async fn spools_have_a_quota_that_comes_back() {
    let model = Model::new();
    let limits = HubOptions {
        spool_bytes: 3 << 10,
        ..options()
    };
    let (hub, _handle) = model.hub(limits).await;
    let small = model.create_tree(8, By::Us);
    let large = model.create_tree(40, By::Us);

    assert!(matches!(
        refused(&hub, of_task(large, Start::Snapshot)).await,
        WatchError::Quota
    ));
    let first = hub.watch(of_task(small, Start::Snapshot)).await.unwrap();
    assert!(matches!(
        refused(&hub, of_task(small, Start::Snapshot)).await,
        WatchError::Quota
    ));
    drop(first);
    hub.watch(of_task(small, Start::Snapshot)).await.unwrap();
}

#[tokio::test]
async fn the_tail_survives_an_outage_and_watches_end_resumable() {
    let model = Model::new();
    let root = model.create_tree(0, By::Us);
    let (hub, handle) = model
        .hub(HubOptions {
            ring_events: 1,
            ..options()
        })
        .await;
    for _ in 0..3 {
        model.say(root, By::Us);
    }
    published(&hub, 4).await;
    let mut behind = hub.watch(of_task(root, Start::After(1))).await.unwrap();
    model.fail(true);
    assert!(matches!(end(&mut behind).await, WatchError::Store(_)));
    let error = refused(&hub, of_task(root, Start::After(1))).await;
    assert!(matches!(error, WatchError::Store(_)));
    let reads = model.journal_reads();
    model.ring_doorbell();
    until(|| model.journal_reads() > reads + 2).await;
    model.fail(false);
    model.say(root, By::Them);
    let mut watch = hub.watch(of_task(root, Start::After(1))).await.unwrap();
    assert_eq!(
        take(&mut watch, 4).await,
        [
            "message_added 2",
            "message_added 3",
            "message_added 4",
            "message_added 5"
        ]
    );
    model.say(root, By::Them);
    model.ring_doorbell();
    assert_eq!(take(&mut watch, 2).await, ["progress 5", "message_added 6"]);
    handle.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_that_was_replaced_ends_the_hub() {
    let model = Model::new();
    let (_hub, mut handle) = model.hub(options()).await;
    model.replace();
    model.ring_doorbell();
    assert!(matches!(handle.ended().await, HubError::StoreReplaced));
}

#[test]
fn an_event_that_watchers_share_is_encoded_once() {
    let model = Model::new();
    model.create_tree(0, By::Us);
    let commit = model.history().remove(0).1;
    for (copy, expected) in [
        (Published::shared(Arc::clone(&commit)), 1),
        (Published::private(commit), 3),
    ] {
        let mut encoded = 0;
        for _ in 0..3 {
            let frame = copy.frame(0, || {
                encoded += 1;
                Bytes::from_static(b"frame")
            });
            assert_eq!(frame, "frame");
        }
        assert_eq!(encoded, expected);
    }
}
