//! Termination: decided by the status under the lock, and seen by every write that races it.

use drydock::domain::{Action, Cause, Ending, ResultStatus, TaskId, TaskStatus};
use drydock::store::{Terminated, Termination, WriteError};
use futures::future::join_all;

use super::fold::{assert_tells_the_state, still};
use super::tree::{
    self, Owner, add, create, end, full, in_status, moved, node, root, terminate, termination,
};

on_each_database! {
    async fn a_queued_root_is_terminated_at_once(database) {
        let store = database.open().await;
        let task = create(&store, root(Action::DestroyNode)).await;
        let Terminated::Accepted(stopped) = terminate(&store, task.task_id).await else {
            panic!("not accepted");
        };
        assert_eq!(stopped.status, TaskStatus::Terminated);
        assert_eq!(stopped.revision, task.revision + 1);
        assert_eq!(stopped.terminated_by.as_deref(), Some("grace"));
        assert_eq!(stopped.termination_reason.as_deref(), Some("wrong rack"));
        assert!(stopped.terminated.is_some() && stopped.completed.is_some());
        assert_eq!(stopped.result.status, ResultStatus::Incomplete);
        assert_eq!(still(&stopped), still(&full(&store, task.task_id).await));
        let me = tree::instance(&store).await;
        assert!(store.claim(me, 10).await.unwrap().is_empty());
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_running_root_is_asked_to_stop_once(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1", "n2"]).await;
        let task = owner.add_node(0, "n1").await;
        let Terminated::Accepted(stopping) = terminate(&store, owner.id()).await else {
            panic!("not accepted");
        };
        assert_eq!(stopping.status, TaskStatus::Terminating);
        let later = Termination { actor: "bob".into(), ..termination(owner.id()) };
        let Terminated::Unchanged(unchanged) = store.terminate(later).await.unwrap() else {
            panic!("changed");
        };
        assert_eq!(still(&unchanged), still(&stopping), "the first request stands");
        // From the commit on nothing is created below it.
        let late = owner.changes([add(&node(&owner.task, 1, "n2"))]);
        assert!(matches!(owner.send(late).await, Err(WriteError::Illegal(_))));
        let late = drydock::store::TreeWrite {
            changes: vec![add(&node(&owner.task, 1, "n2"))],
            ..owner.write()
        };
        assert!(matches!(
            owner.send(late).await,
            Err(WriteError::Conflict { status: TaskStatus::Terminating })
        ));
        owner.send(owner.changes([end(&task, ResultStatus::Success)])).await.unwrap();
        owner.send(owner.finish(Ending::Stopped)).await.unwrap();
        let stopped = owner.now().await;
        assert_eq!(stopped.status, TaskStatus::Terminated);
        assert_eq!(stopped.result.status, ResultStatus::PartialSuccess);
        assert_eq!(stopped.terminated, stopping.terminated, "set once, never cleared");
        assert_eq!(stopped.terminated_by, stopping.terminated_by);
        assert_eq!(stopped.termination_reason, stopping.termination_reason);
        assert!(matches!(terminate(&store, owner.id()).await, Terminated::Unchanged(_)));
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    /// A claim, of either kind, moves the owner and nothing else.
    async fn a_takeover_keeps_a_request_to_stop(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        terminate(&store, owner.id()).await;
        let stopping = owner.now().await;
        let first = tree::instance(&store).await;
        store.release(owner.instance).await.unwrap();
        let claimed = store.claim_free(first, 10).await.unwrap().remove(0);
        assert_eq!(claimed.task.status, TaskStatus::Terminating);
        assert_eq!(still(&owner.now().await), still(&stopping), "given back");
        let second = tree::instance(&store).await;
        database.expire(first).await;
        let claimed = store.claim(second, 10).await.unwrap().remove(0);
        assert_eq!(claimed.task.status, TaskStatus::Terminating);
        assert_eq!(still(&owner.now().await), still(&stopping), "taken");
        let owner = Owner::of(&store, second, claimed);
        owner.send(owner.finish(Ending::Stopped)).await.unwrap();
        assert_eq!(owner.now().await.status, TaskStatus::Terminated);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn what_cannot_be_terminated_is_left_alone(database) {
        let store = database.open().await;
        assert!(matches!(terminate(&store, TaskId::new_root()).await, Terminated::NotFound));
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let task = owner.add_node(0, "n1").await;
        assert!(matches!(terminate(&store, task.task_id).await, Terminated::Refused(_)));
        owner.send(owner.changes([end(&task, ResultStatus::Success)])).await.unwrap();
        owner.send(owner.finish(Ending::Done)).await.unwrap();
        let before = (store.clock().await.unwrap(), owner.now().await);
        let Terminated::Refused(refused) = terminate(&store, owner.id()).await else {
            panic!("a complete task was terminated");
        };
        assert_eq!(refused.status, TaskStatus::Complete);
        assert_eq!((store.clock().await.unwrap(), owner.now().await), before);
        store.close().await;
    }

    async fn a_revision_may_be_expected(database) {
        let store = database.open().await;
        let task = create(&store, root(Action::DestroyNode)).await;
        let expecting = |revision| Termination {
            expected_revision: Some(revision),
            ..termination(task.task_id)
        };
        let answer = store.terminate(expecting(task.revision + 1)).await.unwrap();
        assert!(matches!(
            answer,
            Terminated::RevisionConflict { revision } if revision == task.revision
        ));
        let answer = store.terminate(expecting(task.revision)).await.unwrap();
        assert!(matches!(answer, Terminated::Accepted(_)));
        store.close().await;
    }

    /// Whoever comes second sees what the first did: either the child exists before the request,
    /// or its creation is a conflict.
    async fn a_write_that_races_a_termination_comes_before_it_or_conflicts(database) {
        let store = database.open().await;
        let replica = database.replica(&store).await;
        let (mut kept, mut conflicts) = (0, 0);
        for round in 0..40 {
            let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
            let write = drydock::store::TreeWrite {
                changes: vec![add(&node(&owner.task, 0, "n1"))],
                ..owner.write()
            };
            let (writer, id) = (owner.clone(), owner.id());
            let writing = tokio::spawn(async move { writer.send(write).await });
            let from = if round % 2 == 0 { store.clone() } else { replica.clone() };
            let stopping = tokio::spawn(async move { terminate(&from, id).await });
            let stopped = stopping.await.unwrap();
            assert!(matches!(stopped, Terminated::Accepted(_)));
            match writing.await.unwrap() {
                Ok(_) => kept += 1,
                Err(WriteError::Conflict { status: TaskStatus::Terminating }) => conflicts += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(kept + conflicts, 40);
        assert_tells_the_state(&store).await;
        store.close().await;
        replica.close().await;
    }

    async fn many_terminations_at_once_are_one(database) {
        let store = database.open().await;
        let replica = database.replica(&store).await;
        for _ in 0..5 {
            let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
            let answers = join_all((0..16).map(|number| {
                let store = if number % 2 == 0 { &store } else { &replica };
                store.terminate(termination(owner.id()))
            }))
            .await;
            let accepted = answers
                .iter()
                .filter(|answer| matches!(answer, Ok(Terminated::Accepted(_))))
                .count();
            assert_eq!(accepted, 1);
            assert!(answers.iter().all(Result::is_ok));
        }
        assert_tells_the_state(&store).await;
        store.close().await;
        replica.close().await;
    }

    async fn each_subtask_stops_in_its_own_way(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1", "n2"]).await;
        let running = owner.add_node(0, "n1").await;
        let waiting = tree::queued(&node(&owner.task, 1, "n2"));
        owner.send(owner.changes([add(&waiting)])).await.unwrap();
        terminate(&store, owner.id()).await;
        let never = drydock::domain::Task {
            status: TaskStatus::Terminated,
            ..tree::ended(&waiting, ResultStatus::Incomplete)
        };
        let stopping = in_status(&running, TaskStatus::Terminating);
        owner
            .send(owner.changes([
                moved(&never, TaskStatus::Queued, Cause::Parent),
                moved(&stopping, TaskStatus::Running, Cause::Parent),
            ]))
            .await
            .unwrap();
        owner.send(owner.changes([end(&stopping, ResultStatus::Success)])).await.unwrap();
        owner.send(owner.finish(Ending::Stopped)).await.unwrap();
        assert_tells_the_state(&store).await;
        store.close().await;
    }
}
