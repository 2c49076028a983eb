//! A database that goes away: every call says so, none makes something up, and all is well again
//! when it is back.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use drydock::domain::{Action, TaskFilter, TaskId};
use drydock::store::{
    Created, Error, JournalScope, MessageQuery, Order, SnapshotScope, Store, StoreOptions, View,
    WriteError,
};

use crate::database::{Database, LEASE};
use crate::fold::assert_tells_the_state;
use crate::postgres::Cluster;
use crate::tree::{Owner, add, keyed, node, request_id, root, termination};

/// How long the store may take to find a database that is back: a few times what a caller waits
/// for a connection.
const BACK_WITHIN: Duration = Duration::from_secs(20);

async fn open(url: String) -> Store {
    let options = StoreOptions {
        url: drydock::store::DatabaseUrl::Postgres(url),
        migrate: true,
        lease: LEASE,
    };
    Store::open(options).await.expect("the store opens")
}

/// What each call of the store answers.
async fn every_call(store: &Store, owner: &Owner) -> Vec<(&'static str, Result<(), Error>)> {
    let id = owner.id();
    let all = TaskFilter::default();
    let query = MessageQuery {
        task_id: id,
        root_task_id: id,
        include_subtasks: true,
        errors_only: false,
        after: 0,
        limit: 10,
    };
    let mut sink = |_| Ok(());
    let task = node(&owner.task, 7, "n7");
    let write = async {
        match owner.send(owner.changes([add(&task)])).await {
            Ok(_) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    };
    let scope = SnapshotScope::Filter(Arc::new(all.clone()));
    let order = Order::CreatedDescending;
    let (first, second, third, fourth) = tokio::join!(
        async {
            tokio::join!(
                async {
                    (
                        "create",
                        store.create(root(Action::VerifyNode)).await.map(drop),
                    )
                },
                async {
                    (
                        "terminate",
                        store
                            .terminate(termination(TaskId::new_root()))
                            .await
                            .map(drop),
                    )
                },
                async { ("write", write.await) },
                async { ("claim", store.claim(owner.instance, 1).await.map(drop)) },
                async { ("renew", store.renew(owner.instance).await.map(drop)) },
                async { ("register", store.register(owner.instance).await) },
                async { ("give back", store.give_back(owner.instance, id).await) },
            )
        },
        async {
            tokio::join!(
                async { ("task basic", found(store.task(id, View::Basic).await)) },
                async { ("task full", found(store.task(id, View::Full).await)) },
                async { ("tree", found(store.tree(id, None, View::Full, 10).await)) },
                async {
                    (
                        "list",
                        store
                            .list(&all, order, None, 10, View::Full)
                            .await
                            .map(drop),
                    )
                },
                async { ("snapshot", found(store.snapshot(scope, &mut sink).await)) },
                async { ("messages", store.messages(query).await.map(drop)) },
            )
        },
        async {
            tokio::join!(
                async { ("clock", store.clock().await.map(drop)) },
                async {
                    (
                        "journal",
                        store.journal(JournalScope::All, 0, 10).await.map(drop),
                    )
                },
                async {
                    (
                        "finishing",
                        store.finishing_commit(&owner.task).await.map(drop),
                    )
                },
                async { ("design", found(store.design("00d1").await)) },
                async { ("queued roots", store.queued_roots().await.map(drop)) },
            )
        },
        async {
            tokio::join!(
                async { ("owned", store.owned(owner.instance).await.map(drop)) },
                async { ("open tree", store.open_tree(id).await.map(drop)) },
                async { ("target nodes", store.target_nodes(id).await.map(drop)) },
                async { ("outcomes", store.node_outcomes(id).await.map(drop)) },
            )
        },
    );
    let mut answers = vec![
        first.0, first.1, first.2, first.3, first.4, first.5, first.6,
    ];
    answers.extend([second.0, second.1, second.2, second.3, second.4, second.5]);
    answers.extend([third.0, third.1, third.2, third.3, third.4]);
    answers.extend([fourth.0, fourth.1, fourth.2, fourth.3]);
    answers
}

/// What exists must be found whenever there is an answer at all.
fn found<T>(answer: Result<Option<T>, Error>) -> Result<(), Error> {
    answer.map(|found| assert!(found.is_some(), "not found"))
}

/// Waits until every call is answered. A connection that broke unnoticed may fail a call once.
async fn all_is_well(store: &Store, owner: &Owner) {
    let begun = Instant::now();
    loop {
        let mut failed = Vec::new();
        for (call, answer) in every_call(store, owner).await {
            match answer {
                Ok(()) => {}
                Err(Error::Unavailable(error)) => failed.push((call, error)),
                Err(error) => panic!("{call} after the return: {error:?}"),
            }
        }
        if failed.is_empty() {
            return;
        }
        assert!(begun.elapsed() < BACK_WITHIN, "{failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_away_is_unavailable_and_nothing_else() {
    let cluster = Cluster::start();
    let store = open(cluster.database().await).await;
    let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
    for (call, answer) in every_call(&store, &owner).await {
        answer.unwrap_or_else(|error| panic!("{call}: {error:?}"));
    }
    for crash in [false, true] {
        if crash {
            cluster.kill();
        } else {
            cluster.stop();
        }
        // For some calls a connection breaks, for the others none can be had.
        for (call, answer) in every_call(&store, &owner).await {
            assert!(
                matches!(answer, Err(Error::Unavailable(_))),
                "{call}: {answer:?}"
            );
        }
        cluster.resume();
        all_is_well(&store, &owner).await;
    }
    assert_tells_the_state(&store).await;
    store.close().await;
}

/// The readers of single tasks keep their connections, and nothing asks these before they are used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_does_not_fail_for_a_connection_that_broke_meanwhile() {
    let database = Database::postgres().await;
    let store = database.open().await;
    let task = crate::tree::create(&store, root(Action::VerifyNode)).await;
    let mut broken = 0;
    for round in 0..20 {
        let view = [View::Basic, View::Full][round % 2];
        let mut reads = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (store, id) = (store.clone(), task.task_id);
            reads.spawn(async move { store.task(id, view).await });
        }
        while let Some(read) = reads.join_next().await {
            assert!(read.unwrap().expect("it is read").is_some());
        }
        broken += database
            .number(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name = 'drydock-read'",
            )
            .await;
    }
    assert!(broken >= 20, "{broken} connections were broken");
    store.close().await;
}

/// Crashes under load: what was acknowledged is there, what was not may be sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_postgres_loses_nothing_acknowledged() {
    let cluster = Cluster::start();
    let store = open(cluster.database().await).await;
    let count = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, count, over) = (store.clone(), Arc::clone(&count), Arc::clone(&over));
        callers.spawn(async move {
            let mut acknowledged = Vec::new();
            let mut unknown = 0;
            while !over.load(Ordering::SeqCst) {
                let new = keyed(request_id(), 1);
                loop {
                    match store.create(new.clone()).await {
                        Ok(Created::New(task) | Created::Replayed(task)) => {
                            assert_eq!(task.task_id, new.task.task_id);
                            break;
                        }
                        Ok(Created::Reused(id)) => panic!("{id} reused"),
                        Err(Error::Unavailable(_)) => unknown += 1,
                        Err(error) => panic!("{error:?}"),
                    }
                }
                acknowledged.push(new.task.task_id);
                count.fetch_add(1, Ordering::SeqCst);
            }
            (acknowledged, unknown)
        });
    }
    let crashes = tokio::task::spawn_blocking(move || {
        for _ in 0..2 {
            // In the middle of the load, and the next one once it is back.
            let crash_at = count.load(Ordering::SeqCst) + 50;
            while count.load(Ordering::SeqCst) < crash_at {
                std::thread::sleep(Duration::from_millis(2));
            }
            cluster.kill();
            cluster.resume();
        }
        over.store(true, Ordering::SeqCst);
        cluster
    });
    let mut acknowledged = HashSet::new();
    let mut interrupted = 0;
    for (ids, unknown) in callers.join_all().await {
        acknowledged.extend(ids);
        interrupted += unknown;
    }
    let cluster = crashes.await.unwrap();
    assert!(interrupted > 0, "no call met the crash");
    let fold = assert_tells_the_state(&store).await;
    assert_eq!(
        fold.last(),
        acknowledged.len() as i64 * 2,
        "each exists once"
    );
    for id in acknowledged {
        assert!(store.task(id, View::Basic).await.unwrap().is_some());
    }
    store.close().await;
    drop(cluster);
}

/// One root whose row somebody holds must not fail the callers that share its batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_root_keeps_nobody_else_waiting_for_long() {
    use sqlx::Executor;
    let database = Database::postgres().await;
    let store = database.open().await;
    let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
    let mut holder = database.session().await;
    let id = database.id(owner.id().0);
    holder.execute("BEGIN").await.unwrap();
    let lock = format!("SELECT 1 FROM tasks WHERE task_id = {id} FOR UPDATE");
    holder.execute(sqlx::AssertSqlSafe(lock)).await.unwrap();
    let (writer, task) = (owner.clone(), node(&owner.task, 0, "n1"));
    let held = tokio::spawn(async move { writer.send(writer.changes([add(&task)])).await });
    let mut early = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let store = store.clone();
        early.spawn(async move { store.create(root(Action::DeployNode)).await });
        tokio::task::yield_now().await;
    }
    // Until the store waits for the lock.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'drydock-write' AND wait_event_type = 'Lock'";
    while database.number(waits).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Some of these come to the batches before the lock is waited for, some meanwhile.
    for created in early.join_all().await {
        assert!(created.is_ok(), "{created:?}");
    }
    let answer = held.await.unwrap();
    assert!(
        matches!(answer, Err(WriteError::Store(Error::Unavailable(_)))),
        "{answer:?}"
    );
    holder.execute("ROLLBACK").await.unwrap();
    owner.add_node(0, "n1").await;
    assert_tells_the_state(&store).await;
    store.close().await;
}

/// Every statement goes well, and the commit itself does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_is_no_success() {
    let database = Database::postgres().await;
    let store = database.open().await;
    let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
    let before = store.clock().await.unwrap();
    let mut commits = store.commits();
    database
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql \
               AS $$ BEGIN RAISE EXCEPTION 'refused at the commit'; END $$; \
             CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON task_events \
               DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    let (new, task) = (root(Action::VerifyNode), node(&owner.task, 0, "n1"));
    let created = store.create(new.clone()).await;
    assert!(matches!(created, Err(Error::Internal(_))), "{created:?}");
    let written = owner.send(owner.changes([add(&task)])).await;
    assert!(
        matches!(written, Err(WriteError::Store(Error::Internal(_)))),
        "{written:?}"
    );
    let stopped = store.terminate(termination(owner.id())).await;
    assert!(matches!(stopped, Err(Error::Internal(_))), "{stopped:?}");

    database.execute("DROP TRIGGER refuse ON task_events").await;
    let told = commits.try_recv();
    assert!(told.is_err(), "told of what was not committed");
    assert_eq!(store.clock().await.unwrap(), before, "nothing was written");
    crate::tree::create(&store, new).await;
    owner.add_node(0, "n1").await;
    assert_tells_the_state(&store).await;
    store.close().await;
}
