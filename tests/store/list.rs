//! Lists: a filter means the same in SQL and in memory, and pages make the whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drydock::domain::{Action, Ending, ResultStatus, Task, TaskFilter, TaskId, TaskStatus};
use drydock::store::{ListPosition, Order, SnapshotScope, Store, View};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::scale::scaled;
use super::tree::{self, Owner, create, end, full, root, terminate};

const PEOPLE: [&str; 3] = ["ada", "grace", "drydock"];
const DESIGNS: [&str; 2] = ["file:///site.yaml", "https://example.org/%41?b='c'"];
const NODES: [&str; 3] = ["n1", "N1", "n'1"];
const KEYS: [&str; 4] = ["team", "a.b", "q\"uote", "ключ"];
const VALUES: [&str; 3] = ["blue", "", "x\\y"];

/// Trees that differ in everything a filter looks at.
async fn various_tasks(store: &Store) -> Vec<Task> {
    let mut number = 0usize;
    let begin = drydock::clock::now();
    for round in 0..24usize {
        let mut new = root(Action::ALL[round % Action::ALL.len()]);
        new.task.created_by = PEOPLE[round % 2].into();
        new.task.design_ref = DESIGNS[round % DESIGNS.len()].into();
        // Some at the same microsecond: ids decide their order.
        new.task.created = begin + Duration::from_secs(round as u64 / 3);
        new.task.updated = new.task.created;
        new.task.labels = Arc::new(
            (0..round % 3)
                .map(|place| {
                    number += 1;
                    let value = VALUES[number % VALUES.len()];
                    (
                        KEYS[(round + place) % KEYS.len()].to_owned(),
                        value.to_owned(),
                    )
                })
                .collect(),
        );
        create(store, new).await;
    }
    let me = tree::instance(store).await;
    let claimed = store.claim(me, 14).await.unwrap();
    for (place, claimed) in claimed.into_iter().enumerate() {
        let mut owner = Owner::of(store, me, claimed);
        owner.send(owner.start(&NODES)).await.unwrap();
        owner.task = owner.now().await;
        let mut nodes = Vec::new();
        for (ordinal, name) in (0..).zip(NODES) {
            nodes.push(owner.add_node(ordinal, name).await);
        }
        if place % 2 == 0 {
            for (task, result) in nodes
                .iter()
                .zip([ResultStatus::Success, ResultStatus::Failure])
            {
                owner
                    .send(owner.changes([end(task, result)]))
                    .await
                    .unwrap();
            }
        }
        match place % 4 {
            0 => {
                let last = end(&nodes[2], ResultStatus::Success);
                owner.send(owner.changes([last])).await.unwrap();
                owner.send(owner.finish(Ending::Done)).await.unwrap();
            }
            1 => drop(terminate(store, owner.id()).await),
            _ => {}
        }
    }
    let all = TaskFilter::default();
    let listed = store
        .list(&all, Order::CreatedAscending, None, 10_000, View::Basic)
        .await
        .unwrap();
    let queued = listed
        .tasks
        .iter()
        .rfind(|task| task.status == TaskStatus::Queued);
    terminate(store, queued.unwrap().task_id).await;
    let listed = store
        .list(&all, Order::CreatedAscending, None, 10_000, View::Basic)
        .await
        .unwrap();
    listed.tasks
}

/// Nothing at all, or some of `all`: a list that is empty asks nothing.
fn few<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = Vec<T>> {
    prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(prop::sample::select(all), 1..4),
    ]
}

fn filter(tasks: &[Task]) -> impl Strategy<Value = TaskFilter> + use<> {
    let ids: Vec<TaskId> = tasks.iter().map(|task| task.task_id).collect();
    let times: Vec<_> = tasks.iter().map(|task| task.created).collect();
    let maybe = |weight: f64| prop::option::weighted(weight, any::<prop::sample::Index>());
    let pick = |index: prop::sample::Index, from: &[&str]| (*index.get(from)).to_owned();
    let statuses = few(&TaskStatus::ALL);
    let actions = few(&Action::ALL);
    let results = few(&ResultStatus::ALL);
    let labels = prop::collection::vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        0..2,
    );
    (
        (
            statuses,
            actions,
            results,
            labels,
            prop::bool::weighted(0.2),
        ),
        (
            maybe(0.15),
            maybe(0.15),
            maybe(0.15),
            maybe(0.1),
            maybe(0.1),
            maybe(0.15),
            maybe(0.15),
        ),
    )
        .prop_map(
            move |((status, action, result_status, labels, roots_only), picks)| {
                let (by, after, before, parent, root, node, design) = picks;
                TaskFilter {
                    status,
                    action,
                    result_status,
                    created_by: by.map(|index| pick(index, &PEOPLE)),
                    created_after: after.map(|index| *index.get(&times)),
                    created_before: before.map(|index| *index.get(&times)),
                    parent_task_id: parent.map(|index| *index.get(&ids)),
                    root_task_id: root.map(|index| *index.get(&ids)),
                    roots_only,
                    node_name: node.map(|index| pick(index, &NODES)),
                    design_ref: design.map(|index| pick(index, &DESIGNS)),
                    labels: labels
                        .into_iter()
                        .map(|(key, value)| (pick(key, &KEYS), pick(value, &VALUES)))
                        .collect::<BTreeMap<_, _>>(),
                }
            },
        )
}

/// The ids of every page of `limit` tasks.
async fn pages(store: &Store, filter: &TaskFilter, order: Order, limit: u64) -> Vec<TaskId> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .list(filter, order, after, limit, View::Basic)
            .await
            .unwrap();
        assert!(page.tasks.len() as u64 <= limit);
        ids.extend(page.tasks.iter().map(|task| task.task_id));
        if !page.more {
            return ids;
        }
        assert_eq!(page.tasks.len() as u64, limit);
        after = page.tasks.last().map(|task| ListPosition {
            time: match order {
                Order::CreatedAscending | Order::CreatedDescending => task.created,
                Order::UpdatedDescending => task.updated,
            },
            task_id: task.task_id,
        });
    }
}

on_each_database! {
    async fn a_filter_selects_what_it_matches(database) {
        let store = database.open().await;
        let tasks = various_tasks(&store).await;
        let orders = [Order::CreatedDescending, Order::CreatedAscending, Order::UpdatedDescending];
        let mut runner = TestRunner::new(Config {
            cases: scaled(100),
            failure_persistence: None,
            ..Config::default()
        });
        let cases = (filter(&tasks), prop::sample::select(orders.to_vec()), 1u64..40);
        let matched = std::cell::Cell::new(0);
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            let result = runner.run(&cases, |(filter, order, limit)| {
                let mut expected: Vec<&Task> =
                    tasks.iter().filter(|task| filter.matches(task)).collect();
                matched.set(matched.get() + expected.len());
                match order {
                    Order::CreatedAscending => {
                        expected.sort_by_key(|task| (task.created, task.task_id));
                    }
                    Order::CreatedDescending => {
                        expected.sort_by_key(|task| std::cmp::Reverse((task.created, task.task_id)));
                    }
                    Order::UpdatedDescending => {
                        expected.sort_by_key(|task| std::cmp::Reverse((task.updated, task.task_id)));
                    }
                }
                let expected: Vec<TaskId> = expected.iter().map(|task| task.task_id).collect();
                let listed = runtime.block_on(pages(&store, &filter, order, limit));
                prop_assert_eq!(&listed, &expected);
                let mut seen = Vec::new();
                let scope = SnapshotScope::Filter(Arc::new(filter));
                let mut sink = |task: Task| {
                    seen.push(task.task_id);
                    Ok(())
                };
                runtime.block_on(store.snapshot(scope, &mut sink)).unwrap();
                let mut expected = expected;
                expected.sort();
                seen.sort();
                prop_assert_eq!(seen, expected);
                Ok(())
            });
            if let Err(failure) = result {
                panic!("{failure}");
            }
        });
        assert!(matched.get() > 100, "filters that match nothing");
        store.close().await;
    }

    async fn a_tree_is_cut_by_depth_and_limit(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1", "n2"]).await;
        for (ordinal, name) in [(0, "n1"), (1, "n2")] {
            let task = owner.add_node(ordinal, name).await;
            let step = tree::step(&task, 0, drydock::domain::StepKind::DestroyNode);
            owner.send(owner.changes([tree::add(&step)])).await.unwrap();
        }
        let size = async |id, depth, limit| {
            let tree = store.tree(id, depth, View::Basic, limit).await.unwrap().unwrap();
            assert_eq!(tree.tasks[0].task_id, id);
            let mut ids: Vec<TaskId> = Vec::new();
            let scope = SnapshotScope::Tree { task_id: id, max_depth: depth };
            let mut sink = |task: Task| {
                ids.push(task.task_id);
                Ok(())
            };
            store.snapshot(scope, &mut sink).await.unwrap().unwrap();
            let listed: Vec<TaskId> = tree.tasks.iter().map(|task| task.task_id).collect();
            assert_eq!(ids[..listed.len()], listed);
            assert_eq!(tree.truncated, ids.len() > listed.len());
            (listed.len(), tree.truncated)
        };
        let (root, task) = (owner.id(), owner.id().child(0));
        let step = task.child(0);
        assert_eq!(size(root, None, 10).await, (5, false));
        assert_eq!(size(root, None, 5).await, (5, false));
        assert_eq!(size(root, None, 4).await, (4, true));
        assert_eq!(size(root, Some(1), 10).await, (3, false));
        assert_eq!(size(root, Some(0), 10).await, (1, false));
        assert_eq!(size(task, None, 10).await, (2, false));
        assert_eq!(size(task, Some(0), 10).await, (1, false));
        assert_eq!(size(task, Some(7), 1).await, (1, true));
        assert_eq!(size(step, None, 10).await, (1, false));
        let absent = TaskId::new_root();
        assert!(store.tree(absent, None, View::Full, 10).await.unwrap().is_none());
        let scope = SnapshotScope::Tree { task_id: absent, max_depth: None };
        assert!(store.snapshot(scope, &mut |_| Ok(())).await.unwrap().is_none());
        store.close().await;
    }

    /// A snapshot larger than its page, taken while others write, is of one moment.
    async fn a_snapshot_is_of_one_moment(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let count = 2100;
        for chunk in (0..count).collect::<Vec<u32>>().chunks(300) {
            let nodes = chunk
                .iter()
                .map(|ordinal| tree::node(&owner.task, *ordinal, &format!("n{ordinal}")));
            let adds: Vec<_> = nodes.map(|task| tree::add(&task)).collect();
            owner.send(owner.changes(adds)).await.unwrap();
        }
        let writer = owner.clone();
        let writing = tokio::spawn(async move {
            for ordinal in count..count + 60 {
                writer.add_node(ordinal, &format!("n{ordinal}")).await;
            }
        });
        for _ in 0..5 {
            let mut tasks: Vec<Task> = Vec::new();
            let scope = SnapshotScope::Tree { task_id: owner.id(), max_depth: None };
            let mut sink = |task: Task| {
                tasks.push(task);
                Ok(())
            };
            let clock = store.snapshot(scope, &mut sink).await.unwrap().unwrap();
            assert_eq!(tasks[0].subtask_count as usize, tasks.len() - 1);
            let page = store.journal(drydock::store::JournalScope::All, 0, 1).await.unwrap();
            assert!(page.clock.last >= clock.last);
            // Every added node has three events, after the root's four.
            assert_eq!(clock.last as usize, 3 + 3 * (tasks.len() - 1));
            for (place, task) in tasks.iter().skip(1).enumerate() {
                assert_eq!(task.ordinal as usize, place, "in order, each once");
            }
        }
        writing.await.unwrap();
        let whole = full(&store, owner.id()).await;
        assert_eq!(whole.subtask_count, count + 60);
        let listed = whole.detail.as_ref().unwrap();
        let first: Vec<TaskId> = (0..1000).map(|place| owner.id().child(place)).collect();
        assert_eq!(listed.subtask_ids, first, "as many as a list shows");
        let tree = store.tree(owner.id(), Some(0), View::Full, 1).await.unwrap().unwrap();
        assert_eq!(tree.tasks, [whole]);
        store.close().await;
    }

    /// Calls that come at once share statements; each gets what it asked for.
    async fn readers_of_many_tasks_at_once_get_each_their_own(database) {
        let store = database.open().await;
        let tasks = various_tasks(&store).await;
        let mut readers = tokio::task::JoinSet::new();
        for round in 0..20 {
            for expected in &tasks {
                let (store, expected) = (store.clone(), expected.clone());
                readers.spawn(async move {
                    let view = [View::Basic, View::Full][round % 2];
                    let task = store.task(expected.task_id, view).await.unwrap().unwrap();
                    assert_eq!(task.detail.is_some(), view == View::Full);
                    assert_eq!(Task { detail: None, ..task }, expected);
                });
            }
            let store = store.clone();
            readers.spawn(async move {
                let absent = store.task(TaskId::new_root(), View::Full).await.unwrap();
                assert_eq!(absent, None);
            });
        }
        while let Some(read) = readers.join_next().await {
            read.unwrap();
        }
        // The same lists, one task at a time and a page at a time.
        let all = TaskFilter::default();
        let page = store
            .list(&all, Order::CreatedAscending, None, 10_000, View::Full)
            .await
            .unwrap();
        for expected in page.tasks {
            assert_eq!(full(&store, expected.task_id).await, expected);
        }
        store.close().await;
    }

    async fn a_reader_that_fails_is_told_so(database) {
        let store = database.open().await;
        create(&store, root(Action::DeployNode)).await;
        let scope = SnapshotScope::Filter(Arc::default());
        let mut full = |_| Err(std::io::Error::other("no room"));
        let answer = store.snapshot(scope, &mut full).await;
        assert!(matches!(answer, Err(drydock::store::Error::Sink { .. })));
        create(&store, root(Action::DeployNode)).await;
        store.close().await;
    }
}
