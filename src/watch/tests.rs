//! What a watcher sees, on a model of the journal.

use std::time::Duration;

use futures::StreamExt;

use super::hub::HubOptions;
use super::model::{By, Happening, Model};
use super::testing::{describe, end, of_all, of_task, options, published, refused, take, until};
use super::watch::{Item, Start, WatchRequest};
use super::{Scope, WatchError};
use crate::domain::{TaskId, TaskStatus};

#[tokio::test]
async fn a_watch_is_a_snapshot_then_what_follows_it_then_the_end() {
    let model = Model::new();
    let (hub, handle) = model.hub(options()).await;
    let root = model.create_tree(1, By::Us);
    let mut watch = hub.watch(of_task(root, Start::Snapshot)).await.unwrap();

    assert_eq!(
        take(&mut watch, 5).await,
        [
            "snapshot 4",
            "snapshot 4",
            "snapshot 4",
            "snapshot 4",
            "snapshot_complete 4"
        ]
    );
    model.commit(
        root,
        &[(root, Happening::Moved(TaskStatus::Running))],
        By::Us,
    );
    assert_eq!(
        take(&mut watch, 2).await,
        ["status_changed 5", "progress 5"]
    );
    model.finish_tree(root, By::Us);
    assert_eq!(
        take(&mut watch, 4).await,
        [
            "task_finished 6",
            "task_finished 7",
            "task_finished 8",
            "task_finished 9"
        ]
    );
    assert!(watch.next().await.is_none());
    assert!(watch.next().await.is_none());
    drop(watch);
    assert_eq!(hub.watches(), 0);
    handle.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_published_while_a_snapshot_is_handed_out_follows_it() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let root = model.create_tree(0, By::Us);
    let mut watch = hub.watch(of_task(root, Start::Snapshot)).await.unwrap();
    model.say(root, By::Us);
    published(&hub, 2).await;
    assert_eq!(
        take(&mut watch, 3).await,
        ["snapshot 1", "snapshot_complete 1", "message_added 2"]
    );
}

/// The moment between a look that finds nothing and the sleep after it.
#[tokio::test]
async fn what_is_published_while_a_watcher_falls_asleep_wakes_it() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let root = model.create_tree(0, By::Us);
    published(&hub, 1).await;
    let request = WatchRequest {
        // Which would wake it, too.
        heartbeat_interval: Duration::from_secs(3600),
        ..of_all(Start::After(1))
    };
    let mut watch = hub.watch(request).await.unwrap();
    assert!(futures::poll!(watch.next()).is_pending());
    model.say(root, By::Us);
    published(&hub, 2).await;
    let bound = Duration::from_secs(10);
    let woken = tokio::time::timeout(bound, take(&mut watch, 1)).await;
    assert_eq!(woken.expect("it sleeps on"), ["message_added 2"]);
}

#[tokio::test]
async fn a_finished_task_is_shown_with_its_end_as_it_was() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let root = model.create_tree(0, By::Us);
    model.finish_tree(root, By::Us);
    let other = model.create_tree(0, By::Us);
    model.say(other, By::Us);

    for (start, expected) in [
        (
            Start::Snapshot,
            &["snapshot 4", "snapshot_complete 4", "task_finished 2"][..],
        ),
        (Start::After(1), &["task_finished 2"]),
        (Start::After(2), &["task_finished 2"]),
        (Start::After(4), &["task_finished 2"]),
        (Start::Now, &["task_finished 2"]),
    ] {
        let mut watch = hub.watch(of_task(root, start)).await.unwrap();
        let mut items = Vec::new();
        let mut replayed = false;
        while let Some(item) = watch.next().await {
            let item = item.unwrap();
            items.push(describe(&item));
            replayed = matches!(item, Item::Event { replay: true, .. });
        }
        assert_eq!(items, expected, "{start:?}");
        assert_eq!(replayed, start != Start::After(1), "{start:?}");
    }
}

#[tokio::test]
async fn what_another_replica_committed_is_in_the_snapshot_before_the_tail_knows() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    // The tail has read once by then, and hears of nothing after it.
    until(|| model.journal_reads() > 0).await;
    let root = model.create_tree(0, By::Them);
    assert_eq!(hub.head(), 0);

    let mut watch = hub.watch(of_task(root, Start::Snapshot)).await.unwrap();
    assert_eq!(
        take(&mut watch, 2).await,
        ["snapshot 1", "snapshot_complete 1"]
    );
    model.say(root, By::Them);
    assert_eq!(hub.head(), 0);
    model.ring_doorbell();
    assert_eq!(take(&mut watch, 1).await, ["message_added 2"]);
}

#[tokio::test]
async fn without_a_hint_the_poll_finds_what_others_committed() {
    let model = Model::new();
    let root = model.create_tree(0, By::Us);
    let polling = HubOptions {
        poll_interval: Duration::from_millis(5),
        ..options()
    };
    let (hub, _handle) = model.hub(polling).await;
    let mut watch = hub.watch(of_task(root, Start::After(1))).await.unwrap();
    model.say(root, By::Them);
    assert_eq!(take(&mut watch, 1).await, ["message_added 2"]);
}

#[tokio::test]
async fn unknown_tasks_and_impossible_positions_are_refused() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let unknown = TaskId::new_root();
    for start in [Start::Snapshot, Start::Now, Start::After(0)] {
        let error = refused(&hub, of_task(unknown, start)).await;
        assert!(matches!(error, WatchError::NotFound), "{error}");
    }
    let old = model.create_tree(0, By::Us);
    model.finish_tree(old, By::Us);
    let kept = model.create_tree(0, By::Us);
    model.purge(old);

    let error = refused(&hub, of_all(Start::After(4))).await;
    assert!(matches!(error, WatchError::Future), "{error}");
    let error = refused(&hub, of_all(Start::After(1))).await;
    assert!(
        matches!(
            error,
            WatchError::Expired {
                oldest: 2,
                current: 3
            }
        ),
        "{error}"
    );
    hub.watch(of_all(Start::After(2))).await.unwrap();
    // Its own tree lost nothing.
    hub.watch(of_task(kept, Start::After(1))).await.unwrap();
}

#[tokio::test]
async fn a_purge_ends_a_watcher_that_lost_something_and_no_other() {
    let model = Model::new();
    let old = model.create_tree(0, By::Us);
    let kept = model.create_tree(0, By::Us);
    let (hub, _handle) = model
        .hub(HubOptions {
            ring_events: 2,
            ..options()
        })
        .await;
    let mut all = hub.watch(of_all(Start::After(0))).await.unwrap();
    let mut of_kept = hub.watch(of_task(kept, Start::After(0))).await.unwrap();
    let mut of_old = hub.watch(of_task(old, Start::After(0))).await.unwrap();
    model.finish_tree(old, By::Us);
    for _ in 0..4 {
        model.say(kept, By::Us);
    }
    published(&hub, 7).await;
    model.purge(old);

    let error = end(&mut all).await;
    assert!(
        matches!(
            error,
            WatchError::Expired {
                oldest: 3,
                current: 7
            }
        ),
        "{error}"
    );
    let error = end(&mut of_old).await;
    assert!(
        matches!(error, WatchError::Purged(task_id) if task_id == old),
        "{error}"
    );
    assert_eq!(
        take(&mut of_kept, 5).await,
        [
            "task_created 2",
            "message_added 4",
            "message_added 5",
            "message_added 6",
            "message_added 7"
        ]
    );
}

/// A replica that was cut off from the store for longer than events are kept.
#[tokio::test]
async fn what_was_purged_before_the_replica_read_it_is_not_skipped_in_silence() {
    let model = Model::new();
    let old = model.create_tree(0, By::Us);
    let kept = model.create_tree(0, By::Us);
    let (hub, _handle) = model
        .hub(HubOptions {
            poll_interval: Duration::from_millis(5),
            ..options()
        })
        .await;
    let mut all = hub.watch(of_all(Start::After(2))).await.unwrap();
    let mut of_kept = hub.watch(of_task(kept, Start::After(2))).await.unwrap();
    let mut of_old = hub.watch(of_task(old, Start::After(2))).await.unwrap();
    model.fail(true);
    model.finish_tree(old, By::Them);
    model.say(kept, By::Them);
    model.purge(old);
    model.fail(false);

    let bound = Duration::from_secs(10);
    let error = tokio::time::timeout(bound, end(&mut all)).await.unwrap();
    assert!(
        matches!(error, WatchError::Expired { oldest: 3, .. }),
        "{error}"
    );
    let error = tokio::time::timeout(bound, end(&mut of_old)).await.unwrap();
    assert!(matches!(error, WatchError::Purged(_)), "{error}");
    assert_eq!(take(&mut of_kept, 1).await, ["message_added 4"]);
}

#[tokio::test]
async fn heartbeats_come_when_nothing_else_does_and_tell_how_far_was_looked() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let root = model.create_tree(0, By::Us);
    let other = model.create_tree(0, By::Us);
    published(&hub, 2).await;
    let request = WatchRequest {
        heartbeat_interval: Duration::from_millis(50),
        ..of_task(root, Start::After(1))
    };
    let mut watch = hub.watch(request).await.unwrap();
    let begun = tokio::time::Instant::now();

    assert_eq!(take(&mut watch, 1).await, ["heartbeat 2"]);
    model.say(other, By::Us);
    published(&hub, 3).await;
    assert_eq!(take(&mut watch, 1).await, ["heartbeat 3"]);
    assert!(begun.elapsed() >= Duration::from_millis(100));
    model.say(root, By::Us);
    published(&hub, 4).await;
    assert_eq!(
        take(&mut watch, 3).await,
        ["message_added 4", "progress 4", "heartbeat 4"]
    );
}

#[tokio::test]
async fn a_watch_from_now_begins_with_its_position() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let root = model.create_tree(0, By::Us);
    let mut watch = hub.watch(of_all(Start::Now)).await.unwrap();
    model.say(root, By::Us);
    assert_eq!(
        take(&mut watch, 2).await,
        ["heartbeat 1", "message_added 2"]
    );
}

#[tokio::test]
async fn progress_is_merged_while_the_watcher_lags() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let root = model.create_tree(0, By::Us);
    let mut watch = hub.watch(of_task(root, Start::After(1))).await.unwrap();
    for _ in 0..3 {
        model.say(root, By::Us);
    }
    published(&hub, 4).await;
    assert_eq!(
        take(&mut watch, 3).await,
        ["message_added 2", "message_added 3", "message_added 4"]
    );
    // Of the task as it is: a resumed watch was told nothing of it.
    let progress = watch.next().await.unwrap().unwrap();
    assert!(matches!(
        progress,
        Item::Progress {
            sequence: 4,
            revision: 1,
            ..
        }
    ));
}

#[tokio::test]
async fn commits_for_the_executor_have_no_hole() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let mut commits = hub.commits();
    let root = model.create_tree(0, By::Us);
    for by in [By::Them, By::Us, By::Us, By::Them, By::Them, By::Us] {
        model.say(root, by);
    }
    for sequence in 1..=7 {
        assert_eq!(commits.recv().await.unwrap().first_sequence, sequence);
    }
    assert_eq!(hub.head(), 7);
}

#[tokio::test]
async fn a_subtask_s_watch_ends_with_the_subtask() {
    let model = Model::new();
    let (hub, _handle) = model.hub(options()).await;
    let root = model.create_tree(2, By::Us);
    let node = root.child(1);
    let mut watch = hub
        .watch(WatchRequest {
            scope: Scope::Task {
                task_id: node,
                max_depth: Some(0),
            },
            include_messages: false,
            ..of_task(node, Start::After(7))
        })
        .await
        .unwrap();
    model.commit(
        root,
        &[
            (node, Happening::Said),
            (node.child(0), Happening::Finished),
            (root.child(0), Happening::Finished),
            (node, Happening::Moved(TaskStatus::Running)),
            (node, Happening::Finished),
            (root, Happening::Said),
        ],
        By::Us,
    );
    assert_eq!(
        take(&mut watch, 2).await,
        ["status_changed 11", "task_finished 12"]
    );
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn an_end_that_was_told_stays_an_end_whatever_comes_after_it() {
    let model = Model::new();
    let quick = HubOptions {
        stall_timeout: Duration::from_millis(20),
        max_life: Duration::from_millis(20),
        ..options()
    };
    let (hub, _handle) = model.hub(quick).await;
    let root = model.create_tree(0, By::Us);
    model.finish_tree(root, By::Us);
    let mut watch = hub.watch(of_task(root, Start::After(1))).await.unwrap();
    assert_eq!(take(&mut watch, 1).await, ["task_finished 2"]);
    hub.drain();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(watch.next().await.is_none());
}
