//! Creating roots: durable, once per key, told by two events.

use std::collections::HashSet;

use drydock::domain::{Action, TaskStatus};
use drydock::store::{Created, View};
use futures::future::join_all;

use super::fold::{assert_tells_the_state, still};
use super::tree::{self, Owner, create, full, keyed, request_id, root};

on_each_database! {
    async fn a_created_root_is_queued_and_survives_the_store(database) {
        let store = database.open().await;
        let new = root(Action::PrepareNode);
        let created = create(&store, new.clone()).await;
        assert_eq!(created.status, TaskStatus::Queued);
        assert_eq!(created.revision, new.task.revision + 1);
        assert_eq!(full(&store, created.task_id).await, created);
        store.close().await;
        drop(store);
        let store = database.open().await;
        assert_eq!(full(&store, created.task_id).await, created);
        let fold = assert_tells_the_state(&store).await;
        assert_eq!((fold.commits(), fold.last()), (1, 2));
        store.close().await;
    }

    async fn the_same_request_gives_the_same_task_as_it_is_now(database) {
        let store = database.open().await;
        let key = request_id();
        let first = create(&store, keyed(key, 1)).await;
        tree::terminate(&store, first.task_id).await;
        let Created::Replayed(again) = store.create(keyed(key, 1)).await.unwrap() else {
            panic!("not replayed");
        };
        assert_eq!(again.task_id, first.task_id);
        assert_eq!(still(&again), still(&full(&store, first.task_id).await));
        assert_eq!(again.status, TaskStatus::Terminated);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_key_with_another_body_names_the_task_it_was_used_for(database) {
        let store = database.open().await;
        let key = request_id();
        let first = create(&store, keyed(key, 1)).await;
        let other = keyed(key, 2);
        let refused = other.task.task_id;
        let Created::Reused(used_for) = store.create(other).await.unwrap() else {
            panic!("not reused");
        };
        assert_eq!(used_for, first.task_id);
        assert!(store.task(refused, View::Basic).await.unwrap().is_none());
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_key_belongs_to_its_creator(database) {
        let store = database.open().await;
        let key = request_id();
        let first = create(&store, keyed(key, 1)).await;
        let mut other = keyed(key, 2);
        other.task.created_by = "bob".into();
        let second = create(&store, other).await;
        assert_ne!(first.task_id, second.task_id);
        store.close().await;
    }

    async fn the_same_key_at_the_same_moment_makes_one_task(database) {
        let store = database.open().await;
        let replica = database.replica(&store).await;
        for _ in 0..10 {
            let key = request_id();
            let creates = (0..20).map(|number| {
                let store = if number % 2 == 0 { &store } else { &replica };
                store.create(keyed(key, 1))
            });
            let mut new = 0;
            let mut ids = HashSet::new();
            for created in join_all(creates).await {
                match created.unwrap() {
                    Created::New(task) => {
                        new += 1;
                        ids.insert(task.task_id);
                    }
                    Created::Replayed(task) => {
                        ids.insert(task.task_id);
                    }
                    Created::Reused(id) => panic!("{id} reused"),
                }
            }
            assert_eq!((new, ids.len()), (1, 1));
        }
        assert_tells_the_state(&store).await;
        store.close().await;
        replica.close().await;
    }

    async fn a_create_sent_again_after_its_answer_was_lost_finds_its_task(database) {
        let store = database.open().await;
        for new in [root(Action::DeployNode), keyed(request_id(), 1)] {
            let first = create(&store, new.clone()).await;
            let Created::Replayed(again) = store.create(new.clone()).await.unwrap() else {
                panic!("not replayed");
            };
            assert_eq!(again, first);
        }
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    /// A caller that gives up and sends again may meet its own first try in the same batch.
    async fn the_same_create_twice_at_the_same_moment_is_told_once(database) {
        let store = database.open().await;
        for _ in 0..20 {
            let plain = root(Action::DeployNode);
            let with_key = keyed(request_id(), 1);
            let sent = [&plain, &plain, &with_key, &with_key].map(|new| store.create(new.clone()));
            let new = join_all(sent)
                .await
                .into_iter()
                .filter(|created| matches!(created.as_ref().unwrap(), Created::New(_)))
                .count();
            assert_eq!(new, 2);
        }
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_root_keeps_its_filter_labels_and_retry_chain(database) {
        use drydock::domain::node_filter::{FilterType, NodeFilter, NodeFilterSet};
        let store = database.open().await;
        let mut new = root(Action::DestroyNode);
        let earlier = create(&store, root(Action::DestroyNode)).await;
        new.task.retry = 3;
        new.task.retry_of_task_id = Some(earlier.task_id);
        new.task.design_ref = "https://example.org/a?b='c'\"\\".into();
        new.task.labels = std::sync::Arc::new(
            [("k'\"\\".to_owned(), "värde {}".to_owned())].into_iter().collect(),
        );
        new.task.detail.as_mut().unwrap().node_filter = Some(NodeFilterSet {
            filter_set_type: FilterType::Union,
            filter_set: vec![NodeFilter {
                filter_type: FilterType::Intersection,
                node_names: vec!["n1".to_owned()],
                node_tags: Vec::new(),
                node_labels: [("kind".to_owned(), "blue".to_owned())].into_iter().collect(),
                rack_names: Vec::new(),
                rack_labels: Default::default(),
            }],
        });
        let created = create(&store, new.clone()).await;
        assert_eq!(full(&store, created.task_id).await, created);
        assert_eq!(created.detail, new.task.detail);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn the_queue_is_counted(database) {
        let store = database.open().await;
        create(&store, root(Action::DeployNode)).await;
        create(&store, root(Action::DeployNode)).await;
        assert_eq!(store.queued_roots().await.unwrap(), 2);
        Owner::running(&store, Action::DeployNode, &["n1"]).await;
        assert_eq!(store.queued_roots().await.unwrap(), 2);
        store.close().await;
    }
}
