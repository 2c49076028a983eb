//! Node locks: one root at a time, the oldest first, given back or forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drydock::domain::{Action, Ending, ResultStatus, TaskId};
use drydock::store::{RootChange, Store, TreeWrite, WriteError};
use futures::future::join_all;

use super::database::Database;
use super::fold::assert_tells_the_state;
use super::tree::{self, Owner, add, end, lock, node, terminate};

/// The write with which a subtask of `name` starts: it takes the node's lock.
fn taking(owner: &Owner, ordinal: u32, name: &str) -> TreeWrite {
    TreeWrite {
        lock: Some(lock(name)),
        changes: vec![add(&node(&owner.task, ordinal, name))],
        ..owner.write()
    }
}

fn waiting(owner: &Owner, name: &str) -> TreeWrite {
    TreeWrite {
        wait_for: Some(lock(name)),
        ..owner.write()
    }
}

fn giving_back(owner: &Owner, name: &str) -> TreeWrite {
    TreeWrite {
        unlock: Some(lock(name)),
        ..owner.changes([])
    }
}

async fn busy(owner: &Owner, write: TreeWrite, by: TaskId) {
    match owner.send(write).await {
        Err(WriteError::NodeBusy { holder }) => assert_eq!(holder, by),
        other => panic!("not busy: {other:?}"),
    }
}

async fn owners<const N: usize>(store: &Store) -> [Owner; N] {
    let mut owners = Vec::new();
    for _ in 0..N {
        owners.push(Owner::running(store, Action::DestroyNode, &["n1", "n2"]).await);
    }
    owners.sort_by_key(Owner::id);
    owners.try_into().ok().expect("as many as asked for")
}

async fn locks(database: &Database) -> (i64, i64) {
    (
        database.number("SELECT count(*) FROM node_locks").await,
        database
            .number("SELECT count(*) FROM node_lock_waiters")
            .await,
    )
}

on_each_database! {
    async fn a_node_is_locked_by_one_root_and_the_other_is_told_which(database) {
        let store = database.open().await;
        let [one, two] = owners(&store).await;
        two.send(taking(&two, 0, "n1")).await.unwrap();
        let before = store.clock().await.unwrap();
        busy(&one, taking(&one, 0, "n1"), two.id()).await;
        assert_eq!(store.clock().await.unwrap(), before, "a refused write leaves nothing");
        one.send(taking(&one, 1, "n2")).await.expect("another node is free");
        two.send(taking(&two, 1, "n1")).await.expect("what one holds, one may take again");
        two.send(giving_back(&two, "n1")).await.unwrap();
        one.send(taking(&one, 0, "n1")).await.expect("it was given back");
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn the_same_name_on_another_site_is_another_node(database) {
        let store = database.open().await;
        let [one, two] = owners(&store).await;
        one.send(taking(&one, 0, "n1")).await.unwrap();
        let mut elsewhere = taking(&two, 0, "n1");
        elsewhere.lock.as_mut().unwrap().site = "elsewhere".into();
        two.send(elsewhere).await.unwrap();
        store.close().await;
    }

    async fn the_oldest_root_that_waits_goes_first(database) {
        let store = database.open().await;
        let [oldest, middle, youngest] = owners(&store).await;
        middle.send(taking(&middle, 0, "n1")).await.unwrap();
        youngest.send(waiting(&youngest, "n1")).await.unwrap();
        oldest.send(waiting(&oldest, "n1")).await.unwrap();
        assert_eq!(locks(&database).await, (1, 2));
        busy(&oldest, taking(&oldest, 0, "n1"), middle.id()).await;
        middle.send(giving_back(&middle, "n1")).await.unwrap();
        busy(&youngest, taking(&youngest, 0, "n1"), oldest.id()).await;
        busy(&middle, taking(&middle, 1, "n1"), oldest.id()).await;
        oldest.send(taking(&oldest, 0, "n1")).await.unwrap();
        oldest.send(giving_back(&oldest, "n1")).await.unwrap();
        assert_eq!(locks(&database).await, (0, 1));
        youngest.send(taking(&youngest, 0, "n1")).await.unwrap();
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_root_that_is_to_stop_keeps_nobody_waiting(database) {
        let store = database.open().await;
        let [one, two] = owners(&store).await;
        one.send(waiting(&one, "n1")).await.unwrap();
        busy(&two, taking(&two, 0, "n1"), one.id()).await;
        terminate(&store, one.id()).await;
        two.send(taking(&two, 0, "n1")).await.unwrap();
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_root_that_ends_forgets_its_locks_and_its_places(database) {
        let store = database.open().await;
        let [one, two, three] = owners(&store).await;
        let take = taking(&one, 0, "n1");
        let task = take.changes[0].task.clone();
        one.send(take).await.unwrap();
        two.send(waiting(&two, "n1")).await.unwrap();
        terminate(&store, two.id()).await;
        two.send(two.finish(Ending::Stopped)).await.unwrap();
        assert_eq!(locks(&database).await, (1, 0));
        one.send(one.changes([end(&task, ResultStatus::Success)])).await.unwrap();
        one.send(one.finish(Ending::Done)).await.unwrap();
        assert_eq!(locks(&database).await, (0, 0));
        three.send(taking(&three, 0, "n1")).await.unwrap();
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_lock_is_its_roots_whoever_owns_that(database) {
        let store = database.open().await;
        let [one, two] = owners(&store).await;
        one.send(taking(&one, 0, "n1")).await.unwrap();
        store.release(one.instance).await.unwrap();
        let me = tree::instance(&store).await;
        let claimed = store.claim(me, 10).await.unwrap().remove(0);
        let successor = Owner::of(&store, me, claimed);
        busy(&two, taking(&two, 0, "n1"), one.id()).await;
        successor.send(giving_back(&successor, "n1")).await.unwrap();
        two.send(taking(&two, 0, "n1")).await.unwrap();
        store.close().await;
    }

    /// In one batch the root of the first write is moved by it, so the second is refused: the
    /// lock that it asked for must not stay.
    async fn a_write_refused_within_its_batch_takes_no_lock(database) {
        let store = database.open().await;
        for _ in 0..20 {
            let [one] = owners(&store).await;
            let time_out = TreeWrite { root: RootChange::TimeOut, ..one.write() };
            let both = [one.send(time_out), one.send(taking(&one, 0, "n1"))];
            let answers = join_all(both).await;
            assert!(answers[0].is_ok());
            assert!(matches!(answers[1], Err(WriteError::Conflict { .. })), "{answers:?}");
            assert_eq!(locks(&database).await, (0, 0));
        }
        store.close().await;
    }

    /// Many roots of two replicas want one node. Whoever is told that it has the lock has it.
    async fn a_lock_has_one_holder_whoever_races(database) {
        let store = database.open().await;
        let replica = database.replica(&store).await;
        let inside = Arc::new(AtomicUsize::new(0));
        let mut racers = tokio::task::JoinSet::new();
        for number in 0..6 {
            let from = if number % 2 == 0 { &store } else { &replica };
            let owner = Owner::running(from, Action::DestroyNode, &["n1"]).await;
            let inside = Arc::clone(&inside);
            racers.spawn(async move {
                let mut taken = 0;
                for ordinal in 0..60 {
                    match owner.send(taking(&owner, ordinal, "n1")).await {
                        Ok(_) => {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two holders");
                            tokio::task::yield_now().await;
                            inside.fetch_sub(1, Ordering::SeqCst);
                            owner.send(giving_back(&owner, "n1")).await.unwrap();
                            taken += 1;
                        }
                        Err(WriteError::NodeBusy { holder }) => assert_ne!(holder, owner.id()),
                        Err(error) => panic!("{error}"),
                    }
                }
                taken
            });
        }
        let taken: Vec<u32> = racers.join_all().await;
        assert!(taken.iter().sum::<u32>() > 0);
        assert_eq!(locks(&database).await, (0, 0));
        assert_tells_the_state(&store).await;
        store.close().await;
        replica.close().await;
    }
}
