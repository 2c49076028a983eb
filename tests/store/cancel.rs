//! Callers that go away: a future of the store dropped at any moment leaves no transaction open,
//! nothing half done, and a store that works.

use std::time::{Duration, Instant};

use drydock::domain::{Action, TaskFilter};
use drydock::store::{JournalScope, Order, SnapshotScope, Store, View};
use rand::RngExt;

use crate::database::Database;
use crate::fold::assert_tells_the_state;
use crate::scale::scaled;
use crate::tree::{Owner, add, create, keyed, node, request_id, root, termination};

/// Calls that are made at once, then looked after.
const BURST: u32 = 10;
const BURSTS: u32 = 50;

/// How long detached work may go on after its callers have left.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest that a call is let live: about what the slowest of them takes.
const LONGEST: Duration = Duration::from_millis(4);

/// One call of the store, picked by `number`.
async fn call(store: Store, owner: Owner, number: u32) {
    // What it answers does not matter, only that it may be dropped before it does.
    match number % 10 {
        0 => drop(store.create(keyed(request_id(), 1)).await),
        1 => drop(store.create(root(Action::DeployNode)).await),
        2 => {
            let task = create(&store, root(Action::DeployNode)).await;
            drop(store.terminate(termination(task.task_id)).await);
        }
        3 => {
            let task = node(&owner.task, number, &format!("n{number}"));
            let mut write = owner.changes([add(&task)]);
            write.lock = Some(crate::tree::lock(&format!("n{number}")));
            drop(owner.send(write).await);
        }
        4 => drop(store.claim(owner.instance, 3).await),
        5 => drop(store.task(owner.id(), View::Full).await),
        6 => {
            let all = TaskFilter::default();
            drop(
                store
                    .list(&all, Order::CreatedDescending, None, 50, View::Full)
                    .await,
            );
        }
        7 => drop(store.tree(owner.id(), None, View::Full, 100).await),
        8 => {
            drop(store.open_tree(owner.id()).await);
            drop(store.renew(owner.instance).await);
        }
        _ => {
            drop(store.journal(JournalScope::All, 0, 100).await);
            drop(store.queued_roots().await);
        }
    }
}

async fn snapshot(store: Store, owner: Owner) {
    let scope = SnapshotScope::Tree {
        task_id: owner.id(),
        max_depth: None,
    };
    store.snapshot(scope, &mut |_| Ok(())).await.unwrap();
}

on_each_database! {
    async fn dropped_callers_leave_no_transaction_open(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let mut dropped = 0;
        for burst in 0..scaled(BURSTS) {
            let mut calls = tokio::task::JoinSet::new();
            for number in burst * BURST..(burst + 1) * BURST {
                let handle = calls.spawn(call(store.clone(), owner.clone(), number));
                if number % 10 == 0 {
                    // A snapshot runs in a task of its own: its caller drops only the handle.
                    drop(tokio::spawn(snapshot(store.clone(), owner.clone())));
                }
                let life = rand::rng().random_range(Duration::ZERO..LONGEST);
                tokio::spawn(async move {
                    tokio::time::sleep(life).await;
                    handle.abort();
                });
            }
            while let Some(ended) = calls.join_next().await {
                match ended {
                    Ok(()) => {}
                    Err(error) if error.is_cancelled() => dropped += 1,
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                }
            }
            // After each burst: the next one would use, and so mend, what this one left open.
            no_transaction_is_left(&database).await;
        }
        assert!(dropped > 100, "only {dropped} were dropped in flight");
        for _ in 0..30 {
            let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
            owner.add_node(0, "n1").await;
        }
        assert_tells_the_state(&store).await;
        no_transaction_is_left(&database).await;
        store.close().await;
    }
}

/// Waits for the transactions in progress, and fails for one that nobody will end.
async fn no_transaction_is_left(database: &Database) {
    if !database.is_postgres() {
        // The one writer: whoever is left inside keeps everybody else out.
        let mut session = database.sqlite_session().await;
        for sql in ["BEGIN IMMEDIATE", "ROLLBACK"] {
            sqlx::Executor::execute(&mut session, sql)
                .await
                .expect("nobody is inside");
        }
        return;
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND application_name LIKE 'drydock%' AND state LIKE 'idle in transaction%'";
    let begun = Instant::now();
    while database.number(open).await > 0 {
        assert!(
            begun.elapsed() < PATIENCE,
            "a transaction is open and nobody works in it"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
