//! The journal: what was published and what is stored are the same, however it is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock::domain::{Action, Commit, EventKind, ResultStatus, TaskId};
use drydock::store::{JournalScope, Store};

use super::fold::{assert_tells_the_state, fold};
use super::tree::{Owner, create, end, full, root, terminate};

/// A few trees in different states.
async fn some_trees(store: &Store) -> Vec<Owner> {
    let mut owners = Vec::new();
    for number in 0..4 {
        let owner = Owner::running(store, Action::DestroyNode, &["n1", "n2"]).await;
        let task = owner.add_node(0, "n1").await;
        if number > 0 {
            owner
                .send(owner.changes([end(&task, ResultStatus::Success)]))
                .await
                .unwrap();
        }
        if number > 1 {
            owner
                .send(owner.finish(drydock::domain::Ending::Done))
                .await
                .unwrap();
        }
        owners.push(owner);
    }
    terminate(store, owners[0].id()).await;
    terminate(store, create(store, root(Action::DeployNode)).await.task_id).await;
    owners
}

/// The whole journal of a scope in pages of about `page` events.
async fn read(store: &Store, scope: JournalScope, page: usize) -> Vec<Arc<Commit>> {
    let mut commits = Vec::new();
    let mut after = 0;
    loop {
        let page = store.journal(scope, after, page).await.unwrap();
        assert!(page.scanned > after || page.scanned == page.clock.last);
        commits.extend(page.commits);
        after = page.scanned;
        if after == page.clock.last {
            return commits;
        }
    }
}

on_each_database! {
    async fn what_is_published_is_what_is_stored(database) {
        let store = database.open().await;
        let mut published = store.commits();
        some_trees(&store).await;
        let mut received: BTreeMap<i64, Arc<Commit>> = BTreeMap::new();
        while let Ok(commit) = published.try_recv() {
            received.insert(commit.first_sequence, commit);
        }
        let stored = read(&store, JournalScope::All, 1000).await;
        assert_eq!(stored.len(), received.len());
        for (stored, received) in stored.iter().zip(received.values()) {
            assert_eq!(stored, received);
        }
        store.close().await;
    }

    /// Wherever it is in the journal, and however the clocks of owners and of the database differ.
    async fn the_end_of_every_task_is_found(database) {
        let store = database.open().await;
        let names: Vec<String> = (10..50).map(|number| format!("n{number}")).collect();
        let nodes: Vec<&str> = names.iter().map(String::as_str).collect();
        let owner = Owner::running(&store, Action::DestroyNode, &nodes).await;
        let mut ids = vec![owner.id()];
        for (ordinal, name) in (0..).zip(&names) {
            let task = owner.add_node(ordinal, name).await;
            let ends = owner.changes([end(&task, ResultStatus::Success)]);
            owner.send(ends).await.unwrap();
            ids.push(task.task_id);
        }
        owner.send(owner.finish(drydock::domain::Ending::Done)).await.unwrap();
        let commits = read(&store, JournalScope::Tree(owner.id()), 1000).await;
        for id in ids {
            let ends = |commit: &&Arc<Commit>| commit.events.iter().any(|event| {
                event.task_id == id && matches!(event.kind, EventKind::TaskFinished(_))
            });
            let expected = commits.iter().find(ends).expect("it has ended");
            let mut task = full(&store, id).await;
            let completed = task.completed.expect("it has ended");
            for skew in [0, -1, 1, -3_600_000, 3_600_000] {
                task.completed = Some(completed + chrono::Duration::milliseconds(skew));
                let found = store.finishing_commit(&task).await.unwrap();
                assert_eq!(found.as_ref(), Some(expected), "{skew} ms");
            }
        }
        store.close().await;
    }

    /// Terminations have transactions of their own beside the batches.
    async fn commits_are_published_in_their_order(database) {
        let store = database.open().await;
        let mut published = store.commits();
        for _ in 0..5 {
            let mut running = tokio::task::JoinSet::new();
            for _ in 0..30 {
                let store = store.clone();
                running.spawn(async move {
                    let task = create(&store, root(Action::DeployNode)).await;
                    terminate(&store, task.task_id).await;
                });
            }
            running.join_all().await;
        }
        let mut last = 0;
        while let Ok(commit) = published.try_recv() {
            assert_eq!(commit.first_sequence, last + 1, "out of order");
            last = commit.last_sequence();
        }
        assert_eq!(last, store.clock().await.unwrap().last);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn pages_of_any_size_make_the_same_journal(database) {
        let store = database.open().await;
        let owners = some_trees(&store).await;
        let whole = read(&store, JournalScope::All, 100_000).await;
        for page in [0, 1, 2, 3, 10, 1000] {
            assert_eq!(read(&store, JournalScope::All, page).await, whole, "pages of {page}");
        }
        for owner in &owners {
            let mine: Vec<Arc<Commit>> = whole
                .iter()
                .filter(|commit| commit.root_task_id == owner.id())
                .cloned()
                .collect();
            for page in [1, 2, 1000] {
                assert_eq!(read(&store, JournalScope::Tree(owner.id()), page).await, mine);
            }
        }
        let nothing = JournalScope::Tree(TaskId::new_root());
        assert!(read(&store, nothing, 10).await.is_empty());
        store.close().await;
    }

    /// A position inside a commit gives that commit again: its reader skips what it had.
    async fn a_position_inside_a_commit_gives_the_rest_of_it(database) {
        let store = database.open().await;
        create(&store, root(Action::DeployNode)).await;
        create(&store, root(Action::DeployNode)).await;
        for (after, first) in [(0, Some(1)), (1, Some(1)), (2, Some(3)), (3, Some(3)), (4, None)] {
            let page = store.journal(JournalScope::All, after, 1).await.unwrap();
            let found = page.commits.first().map(|commit| commit.first_sequence);
            assert_eq!(found, first, "after {after}");
            assert!(page.commits.len() <= 1);
        }
        let ahead = store.journal(JournalScope::All, 1000, 10).await.unwrap();
        assert!(ahead.commits.is_empty());
        store.close().await;
    }

    async fn the_commit_that_finished_a_task_is_found(database) {
        let store = database.open().await;
        let owners = some_trees(&store).await;
        let whole = fold(&store, 100).await;
        assert!(whole.last() > 0);
        let mut found = 0;
        for owner in &owners {
            for task in [owner.id(), owner.id().child(0)] {
                let task = full(&store, task).await;
                let commit = store.finishing_commit(&task).await.unwrap();
                assert_eq!(commit.is_some(), task.status.is_terminal());
                let Some(commit) = commit else { continue };
                found += 1;
                assert!(commit.events.iter().any(|event| event.task_id == task.task_id
                    && matches!(event.kind, EventKind::TaskFinished(_))));
            }
        }
        assert_eq!(found, 5);
        store.close().await;
    }

    async fn an_empty_store_has_an_empty_journal(database) {
        let store = database.open().await;
        let clock = store.clock().await.unwrap();
        assert_eq!((clock.last, clock.floor), (0, 0));
        assert!(clock.epoch > 0);
        let page = store.journal(JournalScope::All, 0, 10).await.unwrap();
        assert_eq!((page.commits.len(), page.scanned), (0, 0));
        store.close().await;
    }
}
