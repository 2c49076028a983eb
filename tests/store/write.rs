//! Writes to a tree: atomic, legal, recognised when they are sent again, and folded into the root.

use std::sync::Arc;

use drydock::domain::state::{Level, may_move};
use drydock::domain::{
    Action, Cause, Ending, EventKind, Reason, ResultStatus, StepKind, Task, TaskStatus,
};
use drydock::store::{
    ChangeKind, Error, JournalScope, RootChange, Store, TreeWrite, View, WriteError,
};

use super::fold::{assert_tells_the_state, still};
use super::tree::{
    self, Owner, add, child, end, ended, full, in_status, message, moved, node, queued, saying,
    step, terminate,
};

/// The names of the events after `position`, with the depth of their tasks.
async fn events_after(store: &Store, position: i64) -> Vec<(u8, &'static str)> {
    let page = store
        .journal(JournalScope::All, position, 10_000)
        .await
        .expect("the journal is read");
    let events = page.commits.iter().flat_map(|commit| &commit.events);
    events
        .map(|event| (event.depth, event.kind.name()))
        .collect()
}

/// Expects a write to be refused with `text` in the reason, and to leave nothing.
async fn refused(owner: &Owner, write: TreeWrite, text: &str) {
    let before = owner.store.clock().await.unwrap();
    match owner.send(write).await {
        Err(WriteError::Illegal(reason)) => assert!(reason.contains(text), "{reason}"),
        other => panic!("not refused for {text}: {other:?}"),
    }
    assert_eq!(owner.store.clock().await.unwrap(), before);
}

on_each_database! {
    async fn a_start_freezes_the_target_nodes_and_the_design(database) {
        let store = database.open().await;
        let owner = Owner::of_new(&store, Action::DeployNode).await;
        let queued = owner.now().await;
        assert_eq!((queued.target_node_count, queued.design_digest), (0, None));
        assert!(store.target_nodes(owner.id()).await.unwrap().is_empty());
        let written = owner.send(owner.start(&["n1", "n2"])).await.unwrap();
        assert_eq!(written.root_status, TaskStatus::Running);
        let task = owner.now().await;
        assert_eq!(task.status, TaskStatus::Running);
        assert_eq!(task.revision, queued.revision + 1);
        assert_eq!(task.target_node_count, 2);
        assert_eq!(task.design_digest.as_deref(), Some("00d1"));
        assert!(task.started.is_some());
        let names = ["n1", "n2"].map(Arc::<str>::from);
        assert_eq!(task.detail.unwrap().target_nodes, names);
        assert_eq!(store.target_nodes(owner.id()).await.unwrap(), names);
        assert_eq!(store.design("00d1").await.unwrap().unwrap(), b"a design");
        assert_eq!(store.design("00d2").await.unwrap(), None);
        // Another root on the same design shares its bytes.
        Owner::running(&store, Action::DeployNode, &["n1"]).await;
        assert_eq!(database.number("SELECT count(*) FROM designs").await, 1);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_whole_tree_goes_by_and_its_events_are_in_order(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::VerifyNode, &["n1", "n2"]).await;
        let position = store.clock().await.unwrap().last;
        let one = node(&owner.task, 0, "n1");
        let first = step(&one, 0, StepKind::InterrogateOob);
        let one = Task { subtask_count: 1, ..one };
        owner.send(owner.changes([add(&one), add(&first)])).await.unwrap();
        assert_eq!(
            events_after(&store, position).await,
            [
                (1, "subtask_added"), (1, "status_changed"), (1, "status_changed"),
                (2, "subtask_added"), (2, "status_changed"), (2, "status_changed"),
            ]
        );
        assert_eq!(owner.now().await.current_step, Some(StepKind::InterrogateOob));
        assert_eq!(owner.now().await.progress().running, 1);

        let position = store.clock().await.unwrap().last;
        let said = saying(end(&first, ResultStatus::Success), message("answered"));
        let written = owner
            .send(owner.changes([said, end(&one, ResultStatus::Success)]))
            .await
            .unwrap();
        assert_eq!(written.message_sequences, [position + 1]);
        assert_eq!(
            events_after(&store, position).await,
            [
                (2, "message_added"), (2, "status_changed"), (2, "task_finished"),
                (1, "status_changed"), (1, "task_finished"), (0, "result_changed"),
            ]
        );
        let two = queued(&node(&owner.task, 1, "n2"));
        owner.send(owner.changes([add(&two)])).await.unwrap();
        let two = in_status(&two, TaskStatus::Running);
        owner
            .send(owner.changes([moved(&two, TaskStatus::Queued, Cause::Executor)]))
            .await
            .unwrap();
        owner.send(owner.changes([end(&two, ResultStatus::Success)])).await.unwrap();
        let position = store.clock().await.unwrap().last;
        let written = owner.send(owner.finish(Ending::Done)).await.unwrap();
        assert_eq!(written.root_status, TaskStatus::Complete);
        assert_eq!(
            events_after(&store, position).await,
            [(0, "message_added"), (0, "status_changed"), (0, "task_finished")]
        );
        let root = owner.now().await;
        assert_eq!(root.result.status, ResultStatus::Success);
        assert_eq!(&*root.result.message, "2 of 2 nodes succeeded");
        assert_eq!((root.subtask_count, root.result.succeeded), (2, 2));
        assert_eq!(root.current_step, None);
        let detail = root.detail.unwrap();
        assert_eq!(detail.subtask_ids, [one.task_id, two.task_id]);
        assert_eq!(detail.successes, ["n1", "n2"].map(Arc::<str>::from));
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    /// One write may do it all: everything of it is one commit.
    async fn a_write_with_many_changes_is_one_commit(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let commits = assert_tells_the_state(&store).await.commits();
        let one = Task { subtask_count: 1, ..queued(&node(&owner.task, 0, "n1")) };
        let first = step(&one, 0, StepKind::DestroyNode);
        let running = in_status(&one, TaskStatus::Running);
        let mut write = owner.changes([
            add(&one),
            moved(&running, TaskStatus::Queued, Cause::Executor),
            add(&first),
            end(&first, ResultStatus::Failure),
        ]);
        write.root_messages = vec![message("on it"), message("and on")];
        owner.send(write).await.unwrap();
        assert_eq!(assert_tells_the_state(&store).await.commits(), commits + 1);
        let mut finish = owner.finish(Ending::Done);
        finish.changes = vec![end(&running, ResultStatus::Failure)];
        finish.root_messages = vec![message("over")];
        owner.send(finish).await.unwrap();
        assert_eq!(assert_tells_the_state(&store).await.commits(), commits + 2);
        let root = owner.now().await;
        assert_eq!(root.result.status, ResultStatus::Failure);
        assert_eq!(root.result.reason, Reason::NodeFailures);
        let said: Vec<String> = root.detail.unwrap().messages.into_iter()
            .map(|message| message.message).collect();
        assert_eq!(said, ["on it", "and on", "over", "0 of 1 node succeeded, 1 failed"]);
        store.close().await;
    }

    async fn outcomes_fold_as_they_come_and_are_told_when_the_fold_changes(database) {
        let store = database.open().await;
        let names = ["a", "b", "c", "d"];
        let owner = Owner::running(&store, Action::DestroyNode, &names).await;
        let mut nodes = Vec::new();
        for (ordinal, name) in (0..).zip(names) {
            nodes.push(owner.add_node(ordinal, name).await);
        }
        use ResultStatus::{Failure, PartialSuccess, Success};
        let ends = [
            (Success, Success, true),
            (Success, Success, false),
            (Failure, PartialSuccess, true),
            (Success, PartialSuccess, false),
        ];
        for ((outcome, fold, told), task) in ends.into_iter().zip(&nodes) {
            let position = store.clock().await.unwrap().last;
            let revision = owner.now().await.revision;
            owner.send(owner.changes([end(task, outcome)])).await.unwrap();
            let root = owner.now().await;
            assert_eq!(root.result.status, fold);
            assert_eq!(root.revision, revision + i64::from(told));
            let events = events_after(&store, position).await;
            assert_eq!(events.contains(&(0, "result_changed")), told);
        }
        let root = owner.now().await;
        assert_eq!((root.result.succeeded, root.result.failed), (3, 1));
        assert_eq!(&*root.result.message, "3 of 4 nodes succeeded, 1 failed");
        assert_eq!(root.detail.as_ref().unwrap().failures, ["c".into()]);
        let outcomes = store.node_outcomes(owner.id()).await.unwrap();
        assert_eq!(outcomes[2], ("c".into(), Failure));
        assert_eq!(outcomes.len(), 4);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    /// The contract sorts names, and says nothing of languages: as their bytes are.
    async fn names_are_sorted_as_bytes(database) {
        let store = database.open().await;
        let names = ["A2", "B", "a-1", "a1", "a_1", "b", "ä"];
        let owner = Owner::running(&store, Action::DestroyNode, &names).await;
        for (ordinal, name) in (0..).zip(names) {
            let task = owner.add_node(ordinal, name).await;
            owner.send(owner.changes([end(&task, ResultStatus::Success)])).await.unwrap();
        }
        let names = names.map(Arc::<str>::from);
        assert_eq!(owner.now().await.detail.unwrap().successes, names);
        let outcomes = store.node_outcomes(owner.id()).await.unwrap();
        let listed: Vec<Arc<str>> = outcomes.into_iter().map(|(name, _)| name).collect();
        assert_eq!(listed, names);
        store.close().await;
    }

    async fn a_root_does_not_end_while_a_child_is_open(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let task = owner.add_node(0, "n1").await;
        refused(&owner, owner.finish(Ending::Done), "not as the write expects").await;
        owner.send(owner.changes([end(&task, ResultStatus::Success)])).await.unwrap();
        owner.send(owner.finish(Ending::Done)).await.unwrap();
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_node_does_not_end_while_a_step_is_open(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let task = owner.add_node(0, "n1").await;
        let open = step(&task, 0, StepKind::DestroyNode);
        owner.send(owner.changes([add(&open)])).await.unwrap();
        let end_node = || owner.changes([end(&task, ResultStatus::Success)]);
        refused(&owner, end_node(), "not as the write expects").await;
        owner.send(owner.changes([end(&open, ResultStatus::Success)])).await.unwrap();
        owner.send(end_node()).await.unwrap();
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn nothing_is_created_below_what_does_not_exist_or_has_ended(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let absent = node(&owner.task, 5, "n5");
        let orphan = step(&absent, 0, StepKind::DestroyNode);
        refused(&owner, owner.changes([add(&orphan)]), "not as the write expects").await;
        let task = owner.add_node(0, "n1").await;
        owner.send(owner.changes([end(&task, ResultStatus::Success)])).await.unwrap();
        let late = step(&task, 0, StepKind::DestroyNode);
        refused(&owner, owner.changes([add(&late)]), "not as the write expects").await;
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn every_move_that_is_not_in_the_table_is_refused(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let task = owner.add_node(0, "n1").await;
        let position = store.clock().await.unwrap();
        for from in TaskStatus::ALL {
            for to in TaskStatus::ALL {
                for cause in Cause::ALL {
                    if may_move(Level::Subtask, from, to, cause) {
                        continue;
                    }
                    let illegal = moved(&in_status(&task, to), from, cause);
                    let answer = owner.send(owner.changes([illegal])).await;
                    assert!(matches!(answer, Err(WriteError::Illegal(_))), "{from} {to} {cause}");
                }
            }
        }
        assert_eq!(store.clock().await.unwrap(), position);
        store.close().await;
    }

    async fn a_move_from_another_status_than_the_stored_is_refused(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let task = queued(&node(&owner.task, 0, "n1"));
        owner.send(owner.changes([add(&task)])).await.unwrap();
        let running = in_status(&task, TaskStatus::Running);
        refused(&owner, owner.changes([end(&running, ResultStatus::Success)]), "not as").await;
        // The other changes of a refused write are not kept either.
        let other = node(&owner.task, 1, "n2");
        let both = owner.changes([add(&other), end(&running, ResultStatus::Success)]);
        refused(&owner, both, "not as").await;
        assert!(store.task(other.task_id, View::Basic).await.unwrap().is_none());
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_child_is_created_once(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        owner.add_node(0, "n1").await;
        let other = Task { revision: 7, ..node(&owner.task, 0, "n2") };
        refused(&owner, owner.changes([add(&other)]), "not as").await;
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_root_moves_only_as_the_table_says(database) {
        let store = database.open().await;
        let owner = Owner::of_new(&store, Action::DestroyNode).await;
        let on_queued = |root| TreeWrite {
            allowed: &[TaskStatus::Queued],
            root,
            ..owner.write()
        };
        let done = RootChange::Finish(Ending::Done);
        refused(&owner, on_queued(done), "may not go from queued").await;
        refused(&owner, on_queued(RootChange::TimeOut), "may not go from queued").await;
        let mut early = on_queued(RootChange::None);
        early.changes = vec![add(&node(&owner.task, 0, "n1"))];
        refused(&owner, early, "may not be created").await;
        owner.send(owner.start(&["n1"])).await.unwrap();
        let mut twice = owner.start(&["n1"]);
        twice.allowed = &[TaskStatus::Running];
        refused(&owner, twice, "may not go from running").await;
        let late = TreeWrite {
            root: RootChange::Finish(Ending::QueueTimeout),
            ..owner.write()
        };
        refused(&owner, late, "may not go from running").await;
        owner.send(owner.finish(Ending::Done)).await.unwrap();
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_write_is_for_the_statuses_it_names(database) {
        let store = database.open().await;
        let owner = Owner::of_new(&store, Action::DestroyNode).await;
        let answer = owner.send(owner.write()).await;
        assert!(matches!(answer, Err(WriteError::Conflict { status: TaskStatus::Queued })));
        owner.send(owner.start(&["n1"])).await.unwrap();
        terminate(&store, owner.id()).await;
        let answer = owner.send(owner.write()).await;
        assert!(matches!(answer, Err(WriteError::Conflict { status: TaskStatus::Terminating })));
        store.close().await;
    }

    async fn a_task_of_another_tree_is_refused(database) {
        let store = database.open().await;
        let one = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let two = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        refused(&one, one.changes([add(&node(&two.task, 0, "n1"))]), "not below the root").await;
        store.close().await;
    }

    /// The timeout stops what runs, and the result says so.
    async fn a_timeout_terminates_and_completes(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1", "n2"]).await;
        let task = owner.add_node(0, "n1").await;
        let time_out = TreeWrite { root: RootChange::TimeOut, ..owner.write() };
        owner.send(time_out).await.unwrap();
        let root = owner.now().await;
        assert_eq!((root.status, root.terminated), (TaskStatus::Terminating, None));
        refused(&owner, owner.changes([add(&node(&owner.task, 1, "n2"))]), "created").await;
        let stopping = in_status(&task, TaskStatus::Terminating);
        let stop = moved(&stopping, TaskStatus::Running, Cause::Parent);
        owner.send(owner.changes([stop])).await.unwrap();
        let stopped = Task {
            status: TaskStatus::Terminated,
            ..ended(&stopping, ResultStatus::Incomplete)
        };
        let stopped = moved(&stopped, TaskStatus::Terminating, Cause::Executor);
        owner.send(owner.changes([stopped])).await.unwrap();
        owner.send(owner.finish(Ending::TimedOut)).await.unwrap();
        let root = owner.now().await;
        assert_eq!((root.status, root.result.status), (TaskStatus::Complete, ResultStatus::Failure));
        assert_eq!(root.result.reason, Reason::Timeout);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_root_may_wait_too_long(database) {
        let store = database.open().await;
        let owner = Owner::of_new(&store, Action::DestroyNode).await;
        let late = TreeWrite {
            allowed: &[TaskStatus::Queued],
            ..owner.finish(Ending::QueueTimeout)
        };
        owner.send(late).await.unwrap();
        let root = owner.now().await;
        assert_eq!((root.status, root.result.reason), (TaskStatus::Complete, Reason::Timeout));
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_write_sent_again_after_its_answer_was_lost_is_known(database) {
        let store = database.open().await;
        let mut owner = Owner::of_new(&store, Action::DestroyNode).await;
        owner.task.design_digest = Some("00d1".into());
        let one = Task { subtask_count: 1, ..node(&owner.task, 0, "n1") };
        let first = step(&one, 0, StepKind::DestroyNode);
        let mut adds = owner.changes([add(&one), add(&first)]);
        adds.lock = Some(tree::lock("n1"));
        adds.root_messages = vec![message("on it")];
        let said = saying(end(&first, ResultStatus::Success), message("wiped"));
        let ends = owner.changes([said, end(&one, ResultStatus::Success)]);
        let mut unlock = ends.clone();
        unlock.unlock = Some(tree::lock("n1"));
        for write in [owner.start(&["n1"]), adds, unlock, owner.finish(Ending::Done)] {
            let first = owner.send(write.clone()).await.unwrap();
            let left = (store.clock().await.unwrap(), still(&owner.now().await));
            let again = owner.send(write).await.expect("it is known");
            assert_eq!(again.root_status, first.root_status);
            assert!(again.message_sequences.is_empty());
            assert_eq!((store.clock().await.unwrap(), still(&owner.now().await)), left);
        }
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    /// Counts alone change too: what is said about a subtask that goes on.
    async fn an_update_keeps_the_status_and_adds_messages(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let mut task = owner.add_node(0, "n1").await;
        let mut failed = message("refused");
        failed.error = true;
        task.retry = 1;
        let update = tree::Change { kind: ChangeKind::Update, ..add(&task) };
        let update = saying(saying(update, failed), message("again"));
        let written = owner.send(owner.changes([update])).await.unwrap();
        assert_eq!(written.message_sequences.len(), 2);
        let stored = full(&store, task.task_id).await;
        assert_eq!(stored.retry, 1);
        assert_eq!((stored.result.message_count, stored.result.error_count), (2, 1));
        assert_eq!(stored.detail.unwrap().messages[0].message, "refused");
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn times_do_not_run_backwards(database) {
        let store = database.open().await;
        let owner = Owner::of_new(&store, Action::DestroyNode).await;
        let mut start = owner.start(&[]);
        start.now -= std::time::Duration::from_secs(60);
        owner.send(start).await.unwrap();
        let mut finish = owner.finish(Ending::Done);
        finish.now -= std::time::Duration::from_secs(120);
        owner.send(finish).await.unwrap();
        let root = owner.now().await;
        assert!(root.started >= Some(root.created));
        assert!(root.completed >= root.started);
        assert!(Some(root.updated) >= root.started);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_site_action_has_its_steps_below_the_root(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::PrepareSite, &[]).await;
        let first = Task { step: Some(StepKind::CreateNetworkTemplate), ..child(&owner.task, 0) };
        owner.send(owner.changes([add(&first)])).await.unwrap();
        owner.send(owner.changes([end(&first, ResultStatus::Failure)])).await.unwrap();
        owner.send(owner.finish(Ending::Done)).await.unwrap();
        let root = owner.now().await;
        assert_eq!(root.result.status, ResultStatus::Failure);
        assert_eq!((root.result.failed, root.failure_count()), (1, 0));
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_closed_store_says_so(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        store.close().await;
        let answer = owner.send(owner.write()).await;
        assert!(matches!(answer, Err(WriteError::Store(Error::Closed))));
        let created = store.create(tree::root(Action::DestroyNode)).await;
        assert!(matches!(created, Err(Error::Closed)));
    }

    async fn a_commit_is_published_after_it_is_durable(database) {
        let store = database.open().await;
        let mut commits = store.commits();
        let created = tree::create(&store, tree::root(Action::VerifyNode)).await;
        let commit = commits.try_recv().expect("published before the answer");
        assert_eq!(commit.root_task_id, created.task_id);
        let EventKind::TaskCreated(task) = &commit.events[0].kind else {
            panic!("{commit:?}");
        };
        assert_eq!(task.status, TaskStatus::Requested);
        store.close().await;
    }
}
