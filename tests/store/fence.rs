//! Fencing at the database: a write of an owner that does not know that it is none any more, at the very
//! moment of the claim. On PostgreSQL alone: SQLite has one process.

use std::time::Duration;

use drydock::domain::{Action, EventKind};
use drydock::store::{JournalScope, Terminated, WriteError};
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::database::Database;
use crate::fold::assert_tells_the_state;
use crate::tree::{Owner, add, instance, node, terminate};

/// Returns once a write of the store waits for a lock.
async fn until_a_write_waits(database: &Database) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'drydock-write' AND wait_event_type = 'Lock'";
    while database.number(waits).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A claim that has moved the epoch and is not committed: a write that comes now waits, and is judged by
/// the epoch that it finds then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waits_for_a_claim_is_fenced_by_it() {
    let database = Database::postgres().await;
    let store = database.open().await;
    let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
    let successor = instance(&store).await;
    let before = store.clock().await.unwrap();

    let mut session = database.session().await;
    session.execute("BEGIN").await.unwrap();
    let claim = format!(
        "UPDATE tasks SET owner = {}, epoch = epoch + 1 WHERE task_id = {}",
        database.id(successor.0),
        database.id(owner.id().0)
    );
    session.execute(AssertSqlSafe(claim)).await.unwrap();
    let (late, task) = (owner.clone(), node(&owner.task, 0, "n1"));
    let write = tokio::spawn(async move { late.send(late.changes([add(&task)])).await });
    until_a_write_waits(&database).await;
    session.execute("COMMIT").await.unwrap();

    let answer = write.await.unwrap();
    assert!(matches!(answer, Err(WriteError::Fenced)), "{answer:?}");
    assert_eq!(store.clock().await.unwrap(), before, "nothing was written");
    let mut next = owner.clone();
    (next.instance, next.epoch) = (successor, owner.epoch + 1);
    next.add_node(0, "n1").await;
    assert_tells_the_state(&store).await;
    store.close().await;
}

/// A write that is on its way to its commit: a claim of another replica leaves its tree alone until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_does_not_overtake_a_write() {
    let database = Database::postgres().await;
    let store = database.open().await;
    let other = database.open().await;
    let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
    let successor = instance(&other).await;

    // Whoever has the clock keeps every write from its last statements.
    let mut session = database.session().await;
    session.execute("BEGIN").await.unwrap();
    let clock = "SELECT last FROM event_clock FOR UPDATE";
    session.execute(clock).await.unwrap();
    let (writer, task) = (owner.clone(), node(&owner.task, 0, "n1"));
    let write = tokio::spawn(async move { writer.send(writer.changes([add(&task)])).await });
    until_a_write_waits(&database).await;
    database.expire(owner.instance).await;
    let claimed = other.claim(successor, 10).await.unwrap();
    assert!(claimed.is_empty(), "taken in the middle of a write");
    session.execute("ROLLBACK").await.unwrap();
    write.await.unwrap().expect("it was the owner's still");

    let claimed = other.claim(successor, 10).await.unwrap().remove(0);
    assert_eq!(claimed.epoch, owner.epoch + 1);
    let task = node(&owner.task, 1, "n2");
    let late = owner.send(owner.changes([add(&task)])).await;
    assert!(matches!(late, Err(WriteError::Fenced)), "{late:?}");
    assert_tells_the_state(&store).await;
    store.close().await;
    other.close().await;
}

/// A write that waits for its root has not taken the clock, which every other commit needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waits_for_its_root_keeps_nobody_from_the_clock() {
    let database = Database::postgres().await;
    let store = database.open().await;
    let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;

    let mut session = database.session().await;
    session.execute("BEGIN").await.unwrap();
    let lock = format!(
        "SELECT 1 FROM tasks WHERE task_id = {} FOR UPDATE",
        database.id(owner.id().0)
    );
    session.execute(AssertSqlSafe(lock)).await.unwrap();
    let (writer, task) = (owner.clone(), node(&owner.task, 0, "n1"));
    let write = tokio::spawn(async move { writer.send(writer.changes([add(&task)])).await });
    until_a_write_waits(&database).await;
    let free = "SELECT count(*) FROM \
                (SELECT 1 FROM event_clock WHERE id = 1 FOR UPDATE SKIP LOCKED) AS free";
    assert_eq!(database.number(free).await, 1, "the clock is taken");
    session.execute("ROLLBACK").await.unwrap();
    write.await.unwrap().expect("it has its root");
    assert_tells_the_state(&store).await;
    store.close().await;
}

/// A termination waits for the owner's transaction, and then tells of the task as that left it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_termination_that_waited_tells_what_was_frozen_meanwhile() {
    let database = Database::postgres().await;
    let store = database.open().await;
    let owner = Owner::of_new(&store, Action::DestroyNode).await;
    let id = database.id(owner.id().0);
    let mut session = database.session().await;
    let mut start = session.begin().await.unwrap();
    let sql = format!(
        "UPDATE tasks SET status = 3, started = created, revision = 3 WHERE task_id = {id}; \
         UPDATE task_specs SET design_digest = '00d1' WHERE task_id = {id};"
    );
    start.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    let (stopper, task_id) = (store.clone(), owner.id());
    let stopping = tokio::spawn(async move { terminate(&stopper, task_id).await });
    let waits = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while database.number(waits).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.commit().await.unwrap();
    let Terminated::Accepted(task) = stopping.await.unwrap() else {
        panic!("not accepted");
    };
    assert_eq!(task.design_digest.as_deref(), Some("00d1"));
    let page = store.journal(JournalScope::All, 2, 10).await.unwrap();
    let EventKind::StatusChanged { task, .. } = &page.commits[0].events[0].kind else {
        panic!("{page:?}");
    };
    assert_eq!(task.design_digest.as_deref(), Some("00d1"));
    store.close().await;
}
