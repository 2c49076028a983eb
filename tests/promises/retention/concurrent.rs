//! A purge beside everything else: live watches, writes, a crash, a large tree.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{GetTaskRequest, GetTaskTreeResponse, TaskAction, TaskEvent};
use futures::StreamExt as _;
use rand::RngExt as _;

use super::purging::{answer, done, forgetful, purge, refusal};
use crate::support::checker::{Beginning, Checker, Scope, assert_same_history};
use crate::support::client::{Client, reason};
use crate::support::database::Database;
use crate::support::site::{Machine, Site};
use crate::support::stream::{Follower, Next};

on_both_databases!(
    a_purge_under_load_loses_no_event,
    a_server_killed_in_a_purge_leaves_each_tree_whole_or_gone,
    others_are_served_while_a_large_tree_is_purged,
);

/// Tasks are created, run, watched and purged at the same time.
async fn a_purge_under_load_loses_no_event(database: Database) {
    const CREATORS: usize = 4;
    const TASKS: usize = 15;
    const WATCHERS: usize = 3;
    let site = Site::of(&Machine::many(3));
    // Longer than a watcher on a busy machine lags.
    let server = forgetful(&database, &site)
        .set("retention.events", "5s")
        .start()
        .await;
    let client = Client::of(server.address());

    let watchers: Vec<_> = (0..WATCHERS)
        .map(|_| tokio::spawn(watch_purges(client.clone(), CREATORS * TASKS)))
        .collect();
    let creators: Vec<_> = (0..CREATORS)
        .map(|_| {
            let (client, design_ref) = (client.clone(), site.reference());
            tokio::spawn(async move {
                let mut created = BTreeSet::new();
                for _ in 0..TASKS {
                    let task = client.create(TaskAction::VerifyNode, &design_ref).await;
                    watch_to_end(&client, &task.task_id).await;
                    created.insert(task.task_id);
                }
                created
            })
        })
        .collect();
    let purger = {
        let client = client.clone();
        tokio::spawn(async move {
            let mut count = 0;
            while count < CREATORS * TASKS {
                let purged = purge(&client, None).await.purge_count;
                count += usize::try_from(purged.unwrap_or_default()).expect("a count");
                // Not to wait for anything: a purge beside everything else, again and again.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            count
        })
    };
    let mut created = BTreeSet::new();
    for creator in creators {
        created.extend(creator.await.expect("a creator is served"));
    }
    let count = purger.await.expect("the purger is served");
    assert_eq!(count, created.len(), "each is purged once");
    for watcher in watchers {
        assert_eq!(watcher.await.expect("a watcher sees all of it"), created);
    }
    assert_eq!(client.list().await, []);
}

/// Watches a task to its end, which a purge may be faster to tell.
async fn watch_to_end(client: &Client, task_id: &str) {
    let mut checker = Checker::new(Scope::Task(task_id.to_owned()));
    checker.begin(Beginning::Snapshot);
    let end = match client.try_watch(task_id, "").await {
        Err(status) => Err(status),
        Ok(mut stream) => loop {
            match stream.next().await {
                Next::Message(event, _) => {
                    checker
                        .see(&event)
                        .unwrap_or_else(|broken| panic!("{broken}"));
                }
                Next::End(end) => break end,
            }
        },
    };
    match end {
        Ok(()) => assert!(checker.is_over(), "OK before the end"),
        Err(status) => {
            assert_eq!(reason(&status), "TASK_PURGED", "{status:?}");
            assert!(!checker.is_over());
        }
    }
}

/// Watches everything, checked, until `count` trees were purged: their roots.
async fn watch_purges(client: Client, count: usize) -> BTreeSet<String> {
    let stream = client.watch_fleet(None, "").await;
    let mut stream = stream.expect("the fleet is watched");
    let mut checker = Checker::new(Scope::Fleet);
    checker.begin(Beginning::Snapshot);
    let mut purged = BTreeSet::new();
    while purged.len() < count {
        match stream.next().await {
            Next::Message(event, _) => {
                checker
                    .see(&event)
                    .unwrap_or_else(|broken| panic!("{broken}"));
                if matches!(event.event, Some(Arm::TaskPurged(_))) {
                    purged.insert(event.task_id);
                }
            }
            Next::End(end) => panic!("a fleet's stream ended: {end:?}"),
        }
    }
    purged
}

async fn a_server_killed_in_a_purge_leaves_each_tree_whole_or_gone(database: Database) {
    const TREES: usize = 200;
    const AT_ONCE: usize = 16;
    const ROUNDS: usize = 30;
    let site = Site::of(&Machine::many(1));
    let launch = forgetful(&database, &site);
    let mut server = launch.start().await;
    let mut in_the_middle = 0;
    // When a purge is under way depends on the machine, so each kill that misses it tells the next.
    let (mut soonest, mut latest) = (Duration::ZERO, Duration::from_millis(60));
    for round in 0..ROUNDS {
        let client = Client::of(server.address());
        let trees = futures::stream::iter(0..TREES).map(|_| tree(&client, &site));
        let trees: Vec<_> = trees.buffered(AT_ONCE).collect().await;
        let histories = histories(&client, &trees).await;
        let purging = {
            let client = client.clone();
            tokio::spawn(async move { client.try_purge(0, None, true).await })
        };
        // Not to wait for anything: the kill must come at any moment of the purge.
        let pause = rand::rng().random_range(soonest..=latest);
        tokio::time::sleep(pause).await;
        server.kill().await;
        let told = purging.await.expect("the call ends");

        server = launch.start().await;
        let client = Client::of(server.address());
        let mut gone = 0;
        let listed = client.list().await;
        for (place, (task_id, tree)) in trees.iter().enumerate() {
            let left = listed
                .iter()
                .filter(|task| task.root_task_id == *task_id)
                .count();
            let get = GetTaskRequest {
                task_id: task_id.clone(),
                ..GetTaskRequest::default()
            };
            match client.tasks.clone().get_task(get).await {
                Err(status) => {
                    assert_eq!(left, 0, "a part of tree {task_id} is left");
                    assert_eq!(reason(&status), "TASK_PURGED");
                    let resumed = client.try_watch(task_id, &tree.resume_token).await;
                    assert_eq!(reason(&refusal(resumed).await), "TASK_PURGED");
                    gone += 1;
                }
                Ok(_) => {
                    assert_eq!(left, 3, "a part of tree {task_id} is gone");
                    let Some(before) = histories.get(place) else {
                        continue;
                    };
                    let again = history(&client, task_id, tree).await;
                    assert_same_history(before, &again, "a tree that a purge left alone");
                }
            }
        }
        if let Ok(purged) = told {
            assert_eq!(purged.purge_count.map(|count| count as usize), Some(gone));
        }
        match gone {
            0 => soonest = (soonest + pause) / 2,
            TREES => latest = (latest + pause) / 2,
            _some => in_the_middle += 1,
        }
        let rest = purge(&client, None).await;
        assert_eq!(
            rest.purge_count.map(|count| count as usize),
            Some(TREES - gone)
        );
        if in_the_middle >= 2 {
            println!(
                "{:?}: killed in the middle after {round} rounds",
                database.kind
            );
            return;
        }
    }
    panic!("only {in_the_middle} of {ROUNDS} kills came in the middle of a purge");
}

/// A tree that ended, as it was soon after its creation.
async fn tree(client: &Client, site: &Site) -> (String, GetTaskTreeResponse) {
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let tree = client.tree(&task.task_id).await;
    Follower::of(client, &task.task_id).finish(None).await;
    (task.task_id, tree)
}

/// What the tokens of some of the trees lead to.
async fn histories(
    client: &Client,
    trees: &[(String, GetTaskTreeResponse)],
) -> Vec<Vec<TaskEvent>> {
    const SOME: usize = 20;
    let some = trees.iter().take(SOME);
    let some = some.map(|(task_id, tree)| history(client, task_id, tree));
    futures::future::join_all(some).await
}

/// What follows the tree as it was read. One that was over by then has an end to tell again.
async fn history(client: &Client, task_id: &str, tree: &GetTaskTreeResponse) -> Vec<TaskEvent> {
    let is_over = tree.tasks[task_id].completed.is_some();
    let follower = if is_over {
        Follower::of(client, task_id)
    } else {
        Follower::resuming(client, task_id, &tree.resume_token, tree.tasks.values())
    };
    follower.finish(None).await.events
}

async fn others_are_served_while_a_large_tree_is_purged(database: Database) {
    const NODES: usize = 1500;
    let site = Site::of(&Machine::many(NODES));
    let small = site.add("small", &Machine::many(1));
    let server = forgetful(&database, &site)
        .set("executor.max_parallel_nodes", 256)
        .start()
        .await;
    let client = Client::of(server.address());
    let large = done(&client, &site).await;
    assert_eq!(large.target_node_count, Some(NODES as i32));
    let begun = Instant::now();
    assert_eq!(purge(&client, None).await, answer(1, &[&large]));
    let purged = begun.elapsed();
    let mut slowest = Duration::ZERO;
    for _ in 0..30 {
        let begun = Instant::now();
        let task = client.create(TaskAction::VerifyNode, &small).await;
        slowest = slowest.max(begun.elapsed());
        Follower::of(&client, &task.task_id).finish(None).await;
    }
    println!(
        "{:?}: {NODES} nodes purged in {purged:?}, then the slowest create took {slowest:?}",
        database.kind
    );
}
