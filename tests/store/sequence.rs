//! Commit order is the order of sequences: a reader that has passed a sequence has missed nothing
//! below it, whatever transactions are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drydock::domain::Action;
use drydock::store::{JournalScope, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use crate::database::Database;
use crate::fold::{Fold, assert_tells_the_state};
use crate::tree::{Owner, create, root, terminate};

/// A transaction that numbers one event and keeps it to itself: the row is a copy of another's,
/// only its sequences matter here.
const NUMBER_ONE: &str = "UPDATE event_clock SET last = last + 2 WHERE id = 1; \
    INSERT INTO task_events (last_sequence, first_sequence, root_task_id, ts, payload) \
    SELECT c.last, c.last - 1, e.root_task_id, e.ts, e.payload \
    FROM event_clock c, task_events e WHERE e.last_sequence = 2;";

/// How long a transaction is held open: many times what a commit takes.
const HELD: Duration = Duration::from_millis(600);

/// The sequences that a reader who starts after `after` can see now.
async fn visible(store: &Store, after: i64) -> Vec<i64> {
    let page = store.journal(JournalScope::All, after, 1000).await.unwrap();
    let first = page.commits.iter().map(|commit| commit.first_sequence);
    first.collect()
}

/// While `holder` has taken the clock and not committed, others wait for it.
async fn nobody_overtakes<C>(store: &Store, mut holder: C)
where
    C: Connection,
    for<'a> &'a mut C: Executor<'a>,
{
    holder.execute(NUMBER_ONE).await.unwrap();
    let later = store.clone();
    let mut creating =
        tokio::spawn(async move { create(&later, root(Action::DeployNode)).await.task_id });
    let early = tokio::time::timeout(HELD, &mut creating).await;
    assert!(
        early.is_err(),
        "a later sequence was committed before an earlier one"
    );
    assert_eq!(visible(store, 2).await, [0i64; 0]);
    assert_eq!(store.clock().await.unwrap().last, 2);
    holder.execute("COMMIT").await.unwrap();
    creating.await.unwrap();
    assert_eq!(visible(store, 2).await, [3, 5]);
}

/// With a `BIGSERIAL` in the clock's place this test would fail at "a later sequence was
/// committed": the create takes the next number without waiting and commits first, so that a
/// reader passes 5 and never sees 3. The second half shows exactly that on a table that has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_readers_never_pass_an_open_transaction() {
    let database = Database::postgres().await;
    let store = database.open().await;
    create(&store, root(Action::DeployNode)).await;
    let mut session = database.session().await;
    session.execute("BEGIN").await.unwrap();
    nobody_overtakes(&store, session).await;
    store.close().await;

    database.execute("CREATE TABLE serial (id bigserial)").await;
    let insert = "INSERT INTO serial DEFAULT VALUES";
    let mut open = database.session().await;
    open.execute("BEGIN").await.unwrap();
    open.execute(insert).await.unwrap();
    database.execute(insert).await;
    let mut reader = database.session().await;
    let mut after = async |position: i64| -> Vec<i64> {
        let sql = AssertSqlSafe(format!(
            "SELECT id FROM serial WHERE id > {position} ORDER BY id"
        ));
        let rows = reader.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(after(0).await, [2], "the later one is visible first");
    open.execute("COMMIT").await.unwrap();
    assert_eq!(
        after(2).await,
        [0i64; 0],
        "and the earlier one is lost for a reader behind it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_readers_never_pass_an_open_transaction() {
    let database = Database::sqlite();
    let store = database.open().await;
    create(&store, root(Action::DeployNode)).await;
    let mut session = database.sqlite_session().await;
    session.execute("BEGIN IMMEDIATE").await.unwrap();
    nobody_overtakes(&store, session).await;
    store.close().await;
}

on_each_database! {
    /// Readers tail the journal while two replicas create, write and terminate.
    async fn a_tailing_reader_sees_every_sequence_once(database) {
        let store = database.open().await;
        let replica = database.replica(&store).await;
        let done = Arc::new(AtomicBool::new(false));
        let mut readers = tokio::task::JoinSet::new();
        for from in [store.clone(), replica.clone()] {
            let done = Arc::clone(&done);
            readers.spawn(async move {
                let mut fold = Fold::default();
                let mut scanned = 0;
                loop {
                    let last_look = done.load(Ordering::SeqCst);
                    let page = from.journal(JournalScope::All, scanned, 64).await.unwrap();
                    for commit in &page.commits {
                        fold.commit(commit);
                    }
                    assert_eq!(page.scanned, page.scanned.max(fold.last()));
                    let idle = scanned == page.scanned;
                    scanned = page.scanned;
                    if last_look && idle {
                        return fold.last();
                    }
                }
            });
        }
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..6 {
            let store = if number % 2 == 0 { store.clone() } else { replica.clone() };
            let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
            writers.spawn(async move {
                for ordinal in 0..15 {
                    create(&store, root(Action::DeployNode)).await;
                    owner.add_node(ordinal, "n1").await;
                    let stopped = create(&store, root(Action::DeployNode)).await;
                    terminate(&store, stopped.task_id).await;
                }
            });
        }
        while let Some(written) = writers.join_next().await {
            written.unwrap();
        }
        done.store(true, Ordering::SeqCst);
        let last = store.clock().await.unwrap().last;
        for seen in readers.join_all().await {
            assert_eq!(seen, last);
        }
        assert_tells_the_state(&store).await;
        store.close().await;
        replica.close().await;
    }
}
