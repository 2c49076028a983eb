//! Purging: a tree goes whole and at once for whoever looks, and its rows soon after.

use std::collections::BTreeSet;
use std::sync::Arc;

use drydock::domain::{
    Action, Commit, EventKind, ResultStatus, StepKind, Task, TaskFilter, TaskId, TaskStatus,
};
use drydock::store::{
    BuildDataQuery, Created, JournalScope, MessageQuery, Order, PurgePreview, SnapshotScope, Store,
    Terminated, View, WriteError,
};

use super::database::Database;
use super::fold::{assert_tells_the_state, fold};
use super::tree::{
    self, Owner, add, collecting, create, end, full, keyed, message, node, purge_part, request_id,
    root, saying, step, terminate,
};

/// A tree of a root, a node and a step, with messages, that ended.
async fn ended_tree(store: &Store) -> Owner {
    let owner = Owner::running(store, Action::DestroyNode, &["n1"]).await;
    let task = owner.add_node(0, "n1").await;
    let below = step(&task, 0, StepKind::DestroyNode);
    owner.send(owner.changes([add(&below)])).await.unwrap();
    let done = saying(end(&below, ResultStatus::Success), message("done"));
    let done = collecting(done, "redfish", "{}");
    owner.send(owner.changes([done])).await.unwrap();
    let mut task = full(store, task.task_id).await;
    task.detail = None;
    owner
        .send(owner.changes([end(&task, ResultStatus::Success)]))
        .await
        .unwrap();
    owner
        .send(owner.finish(drydock::domain::Ending::Done))
        .await
        .unwrap();
    owner
}

/// A root that was terminated before it ran.
async fn ended_root(store: &Store) -> TaskId {
    let task = create(store, root(Action::DeployNode)).await;
    terminate(store, task.task_id).await;
    task.task_id
}

fn of_tree(id: TaskId) -> TaskFilter {
    TaskFilter {
        root_task_id: Some(id),
        ..TaskFilter::default()
    }
}

/// Purges everything that ended and matches; the roots.
async fn purge(store: &Store, filter: TaskFilter) -> Vec<TaskId> {
    let mut part = purge_part(filter);
    let mut roots = Vec::new();
    loop {
        let purged = store.purge(part.clone()).await.unwrap();
        roots.extend(purged.roots);
        match purged.next {
            Some(next) => part.after = Some(next),
            None => return roots,
        }
    }
}

async fn sweep(store: &Store) -> u32 {
    let mut sweeps = 0;
    while store.sweep().await.unwrap() {
        sweeps += 1;
    }
    sweeps
}

async fn snapshot(store: &Store, scope: SnapshotScope) -> Option<Vec<Task>> {
    let mut seen = Vec::new();
    let mut sink = |task: Task| {
        seen.push(task);
        Ok(())
    };
    let clock = store.snapshot(scope, &mut sink).await.unwrap();
    clock.map(|_| seen)
}

/// Every read of a task of the tree says that there is none.
async fn assert_gone(store: &Store, id: TaskId) {
    for task_id in [id, id.child(0), id.child(0).child(0)] {
        for view in [View::Basic, View::Full] {
            assert_eq!(store.task(task_id, view).await.unwrap(), None);
            assert!(store.tree(task_id, None, view, 10).await.unwrap().is_none());
        }
        assert!(store.is_purged(task_id).await.unwrap());
        let scope = SnapshotScope::Tree {
            task_id,
            max_depth: None,
        };
        assert!(snapshot(store, scope).await.is_none());
    }
    for filter in [of_tree(id), TaskFilter::default()] {
        let order = Order::CreatedAscending;
        let page = store.list(&filter, order, None, 1000, View::Full).await;
        let page = page.unwrap();
        assert!(page.tasks.iter().all(|task| task.root_task_id != id));
        let scope = SnapshotScope::Filter(Arc::new(filter));
        let seen = snapshot(store, scope).await.unwrap();
        assert!(seen.iter().all(|task| task.root_task_id != id));
    }
    assert!(matches!(
        tree::terminate(store, id).await,
        Terminated::NotFound
    ));
    assert!(store.target_nodes(id).await.unwrap().is_empty());
}

async fn rows(database: &Database, table: &str, id: TaskId) -> i64 {
    let id = database.id(id.0);
    let column = if table == "task_specs" {
        "task_id"
    } else {
        "root_task_id"
    };
    database
        .number(&format!(
            "SELECT count(*) FROM {table} WHERE {column} = {id}"
        ))
        .await
}

fn purges(commits: &[Arc<Commit>]) -> Vec<TaskId> {
    let is_purge =
        |commit: &&Arc<Commit>| matches!(commit.events[0].kind, EventKind::TaskPurged(_));
    let purges = commits.iter().filter(is_purge);
    purges.map(|commit| commit.root_task_id).collect()
}

on_each_database! {
    async fn a_purged_tree_is_gone_before_its_rows_are(database) {
        let store = database.open().await;
        let kept = ended_tree(&store).await;
        let owner = ended_tree(&store).await;
        let id = owner.id();
        let last = store.clock().await.unwrap().last;
        let task = owner.now().await;
        let mut published = store.commits();

        assert_eq!(purge(&store, of_tree(id)).await, [id]);
        assert_gone(&store, id).await;
        let clock = store.clock().await.unwrap();
        assert_eq!((clock.floor, clock.last), (last, last + 1));
        let commit = published.try_recv().unwrap();
        assert_eq!((commit.root_task_id, commit.first_sequence), (id, last + 1));
        let event = &commit.events[0];
        assert!(matches!(event.kind, EventKind::TaskPurged(_)));
        assert_eq!((event.task_id, event.revision), (id, task.revision));
        assert_eq!(commit.facts.design_ref, task.design_ref);
        assert!(rows(&database, "tasks", id).await > 0, "subtasks wait for the sweep");
        assert_eq!(rows(&database, "build_data", id).await, 1, "as does build data");
        let latest = BuildDataQuery {
            task: None,
            node_name: Some("n1".to_owned()),
            generator: None,
            latest: true,
            element_bytes: None,
            after: 0,
            limit: 100,
        };
        let known = store.build_data(latest).await.unwrap().entries;
        let [(_, known)] = &known[..] else { panic!("{known:?}") };
        assert_eq!(known.task_id, kept.id().child(0).child(0), "what is gone hides nothing");
        assert_tells_the_state(&store).await;

        assert!(sweep(&store).await > 0);
        for table in ["tasks", "task_specs", "result_messages", "build_data", "node_locks", "node_lock_waiters"] {
            assert_eq!(rows(&database, table, id).await, 0, "{table}");
        }
        assert_eq!(rows(&database, "task_events", id).await, 1, "what tells of the purge");
        assert_gone(&store, id).await;
        assert!(!store.is_purged(kept.id()).await.unwrap());
        assert!(!store.is_purged(TaskId::new_root()).await.unwrap());
        assert!(!store.is_purged(TaskId::new_root().child(0)).await.unwrap());
        let all = MessageQuery {
            task_id: kept.id(),
            root_task_id: kept.id(),
            include_subtasks: true,
            errors_only: false,
            after: 0,
            limit: 100,
        };
        assert_eq!(store.messages(all).await.unwrap().len(), 2);
        assert_tells_the_state(&store).await;
        let late = owner.send(owner.finish(drydock::domain::Ending::Done)).await;
        assert!(matches!(late, Err(WriteError::Fenced)), "{late:?}");
        store.close().await;
    }

    async fn only_trees_that_ended_in_time_and_match_are_purged(database) {
        let store = database.open().await;
        let running = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        create(&store, root(Action::DeployNode)).await;
        let one = ended_root(&store).await;
        let other = ended_root(&store).await;
        let one_ended = full(&store, one).await.completed.unwrap();
        let other_ended = full(&store, other).await.completed.unwrap();
        assert!(one_ended < other_ended);

        let mut part = purge_part(TaskFilter::default());
        part.query.ended_until = one_ended - chrono::TimeDelta::microseconds(1);
        let preview = store.preview_purge(part.query.clone()).await.unwrap();
        assert_eq!(preview, PurgePreview::default());
        assert!(store.purge(part.clone()).await.unwrap().roots.is_empty());
        part.query.ended_until = one_ended;
        let preview = store.preview_purge(part.query.clone()).await.unwrap();
        assert_eq!(preview, PurgePreview { count: 1, sample: vec![one] });
        for filter in [
            TaskFilter { status: vec![TaskStatus::Running], ..TaskFilter::default() },
            TaskFilter { action: vec![Action::DestroyNode], ..TaskFilter::default() },
            TaskFilter { node_name: Some("n1".to_owned()), ..TaskFilter::default() },
            TaskFilter { labels: [("team".to_owned(), "red".to_owned())].into(), ..TaskFilter::default() },
            of_tree(running.id()),
        ] {
            let mut part = purge_part(filter);
            part.query.ended_until = other_ended;
            assert_eq!(store.preview_purge(part.query.clone()).await.unwrap().count, 0);
            assert!(store.purge(part).await.unwrap().roots.is_empty());
        }
        assert_eq!(store.clock().await.unwrap().floor, 0, "nothing was purged so far");
        assert_eq!(store.purge(part).await.unwrap().roots, [one]);
        let blue = TaskFilter {
            labels: [("team".to_owned(), "blue".to_owned())].into(),
            ..TaskFilter::default()
        };
        assert_eq!(purge(&store, blue).await, [other]);
        assert_eq!(purge(&store, TaskFilter::default()).await, []);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_purge_goes_in_parts_and_names_each_tree_once(database) {
        let store = database.open().await;
        let mut ended = Vec::new();
        for _ in 0..150 {
            ended.push(ended_root(&store).await);
        }
        let query = purge_part(TaskFilter::default()).query;
        let preview = store.preview_purge(query).await.unwrap();
        assert_eq!(preview, PurgePreview { count: 150, sample: ended[..20].to_vec() });
        let first = store.purge(purge_part(TaskFilter::default())).await.unwrap();
        assert!(first.roots.len() < 150 && first.next.is_some());
        let mut roots = first.roots;
        roots.extend(purge(&store, TaskFilter::default()).await);
        assert_eq!(roots, ended);
        let audited = "SELECT count(*) FROM audit_records \
            WHERE rpc = 'PurgeTasks' AND actor = 'grace' AND decision = 'purged'";
        assert_eq!(database.number(audited).await, 150);
        sweep(&store).await;
        assert_eq!(database.number("SELECT count(*) FROM tasks").await, 0);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    /// What is left of a large tree is hidden however far the sweep is.
    async fn a_large_tree_is_swept_in_parts(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        for part in 0..11 {
            let nodes = (part * 100..part * 100 + 100).map(|ordinal| {
                let name = format!("n{ordinal}");
                let task = node(&owner.task, ordinal, &name);
                vec![add(&task), end(&task, ResultStatus::Success)]
            });
            owner.send(owner.changes(nodes.flatten())).await.unwrap();
        }
        owner.send(owner.finish(drydock::domain::Ending::Done)).await.unwrap();
        purge(&store, TaskFilter::default()).await;
        let mut sweeps = 0;
        while store.sweep().await.unwrap() {
            sweeps += 1;
            assert_gone(&store, owner.id()).await;
            let last = owner.id().child(1099);
            assert_eq!(store.task(last, View::Full).await.unwrap(), None);
        }
        assert!(sweeps > 1, "1,100 tasks in one transaction");
        assert_eq!(rows(&database, "tasks", owner.id()).await, 0);
        assert_eq!(database.number("SELECT count(*) FROM tombstones WHERE NOT swept").await, 0);
        store.close().await;
    }

    async fn a_request_id_is_free_again_with_its_task(database) {
        let store = database.open().await;
        let key = request_id();
        let first = create(&store, keyed(key, 1)).await;
        terminate(&store, first.task_id).await;
        let again = store.create(keyed(key, 1)).await.unwrap();
        assert!(matches!(again, Created::Replayed(_)), "{again:?}");
        purge(&store, TaskFilter::default()).await;
        let next = create(&store, keyed(key, 2)).await;
        assert_ne!(next.task_id, first.task_id);
        sweep(&store).await;
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_design_stays_while_a_tree_refers_to_it(database) {
        let store = database.open().await;
        let one = ended_tree(&store).await;
        let other = ended_tree(&store).await;
        purge(&store, of_tree(one.id())).await;
        assert!(store.design("00d1").await.unwrap().is_some());
        purge(&store, of_tree(other.id())).await;
        assert_eq!(store.design("00d1").await.unwrap(), None);
        let next = ended_tree(&store).await;
        assert!(store.design("00d1").await.unwrap().is_some());
        assert_eq!(next.now().await.design_digest.as_deref(), Some("00d1"));
        store.close().await;
    }

    /// A root that starts refers to a design at the moment when the last one that did is purged.
    async fn a_design_is_never_lost_to_a_purge_beside_a_start(database) {
        let store = database.open().await;
        let replica = database.replica(&store).await;
        let mut before = ended_tree(&store).await;
        for round in 0..40 {
            let next = Owner::of_new(&store, Action::DestroyNode).await;
            let purger = replica.clone();
            let id = before.id();
            let purged = tokio::spawn(async move { purge(&purger, of_tree(id)).await });
            next.send(next.start(&["n1"])).await.unwrap();
            assert_eq!(purged.await.unwrap(), [id]);
            assert!(store.design("00d1").await.unwrap().is_some(), "round {round}");
            next.send(next.finish(drydock::domain::Ending::Done)).await.unwrap();
            before = next;
        }
        store.close().await;
        replica.close().await;
    }

    async fn what_tells_of_a_purge_goes_once_no_position_needs_it(database) {
        let store = database.open().await;
        let first = ended_root(&store).await;
        purge(&store, TaskFilter::default()).await;
        sweep(&store).await;
        let told = store.journal(JournalScope::All, store.clock().await.unwrap().floor, 100).await;
        assert_eq!(purges(&told.unwrap().commits), [first]);
        let second = ended_root(&store).await;
        purge(&store, TaskFilter::default()).await;
        sweep(&store).await;
        let page = store.journal(JournalScope::All, 0, 100).await.unwrap();
        assert_eq!(purges(&page.commits), [second]);
        assert_eq!(page.commits.len(), 1);
        assert!(store.is_purged(first).await.unwrap(), "the tombstone stays");
        assert_eq!(fold(&store, 10).await.last(), page.clock.last);
        store.close().await;
    }

    async fn purges_beside_each_other_delete_each_tree_once(database) {
        let store = database.open().await;
        let replica = database.replica(&store).await;
        let mut ended = BTreeSet::new();
        for _ in 0..100 {
            ended.insert(ended_root(&store).await);
        }
        let before = store.clock().await.unwrap().last;
        let mut purging = tokio::task::JoinSet::new();
        for store in [&store, &replica, &store, &replica] {
            let store = store.clone();
            purging.spawn(async move { purge(&store, TaskFilter::default()).await });
        }
        let mut purged: Vec<TaskId> = purging.join_all().await.into_iter().flatten().collect();
        // What one passed over because another had it, that one deleted.
        purged.extend(purge(&store, TaskFilter::default()).await);
        assert_eq!(purged.len(), ended.len());
        assert_eq!(purged.into_iter().collect::<BTreeSet<_>>(), ended);
        let page = store.journal(JournalScope::All, before, 1000).await.unwrap();
        assert_eq!(purges(&page.commits).len(), 100);
        let mut sweeping = tokio::task::JoinSet::new();
        for store in [&store, &replica] {
            let store = store.clone();
            sweeping.spawn(async move { sweep(&store).await });
        }
        sweeping.join_all().await;
        sweep(&store).await;
        assert_eq!(database.number("SELECT count(*) FROM task_events").await, 100);
        assert_tells_the_state(&store).await;
        store.close().await;
        replica.close().await;
    }

    /// Whoever reads while a purge deletes either has every event or is told what is missing.
    async fn a_page_never_lacks_an_event_that_its_floor_does_not_tell_of(database) {
        let store = database.open().await;
        for _ in 0..20 {
            let before = store.clock().await.unwrap().last;
            for _ in 0..6 {
                ended_root(&store).await;
            }
            let reader = store.clone();
            let reads = tokio::spawn(async move {
                let mut whole = 0;
                loop {
                    let page = reader.journal(JournalScope::All, before, 1000).await.unwrap();
                    if page.clock.floor > before {
                        return whole;
                    }
                    let mut last = before;
                    for commit in &page.commits {
                        assert_eq!(commit.first_sequence, last + 1, "a hole that nothing tells of");
                        last = commit.last_sequence();
                    }
                    assert_eq!(last, page.clock.last.max(last));
                    whole += 1;
                }
            });
            purge(&store, TaskFilter::default()).await;
            sweep(&store).await;
            reads.await.unwrap();
        }
        store.close().await;
    }
}
