//! The journal folded into tasks, as a watcher folds a stream, holding every event to its rules.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use drydock::domain::state::{Level, may_move};
use drydock::domain::task::MESSAGE_LIST_LIMIT;
use drydock::domain::{
    BuildData, Commit, Event, EventKind, Message, ResultStatus, Task, TaskFilter, TaskId,
    TaskStatus,
};
use drydock::store::{BuildDataQuery, InTree, JournalScope, Order, SnapshotScope, Store, View};

/// What the events so far tell.
#[derive(Default)]
pub(crate) struct Fold {
    tasks: BTreeMap<TaskId, Folded>,
    last: i64,
    /// Up to here there may be holes, where trees were purged.
    floor: i64,
    commits: usize,
    ts: Option<drydock::domain::Timestamp>,
}

/// One task as its events tell it.
struct Folded {
    task: Task,
    messages: Vec<Message>,
    collected: Vec<(i64, BuildData)>,
    finished: Option<Task>,
}

impl Fold {
    /// How many commits were folded.
    pub(crate) fn commits(&self) -> usize {
        self.commits
    }

    /// The sequence of the last event.
    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    /// Takes the next commit of the whole journal.
    pub(crate) fn commit(&mut self, commit: &Commit) {
        assert!(
            commit.first_sequence == self.last + 1
                || (self.last + 1..=self.floor + 1).contains(&commit.first_sequence),
            "a hole, or out of order"
        );
        assert!(!commit.events.is_empty(), "an empty commit");
        assert!(self.ts <= Some(commit.ts), "time ran backwards");
        self.ts = Some(commit.ts);
        for (event, sequence) in commit.events.iter().zip(commit.first_sequence..) {
            self.event(commit, event, sequence);
        }
        self.last = commit.last_sequence();
        self.commits += 1;
        if let Some(Folded { task: root, .. }) = self.tasks.get(&commit.root_task_id) {
            assert_eq!(*root.design_ref, *commit.facts.design_ref);
            assert_eq!(root.action, commit.facts.action);
        } else {
            let end = commit.events.last().map(|event| &event.kind);
            assert!(matches!(end, Some(EventKind::TaskPurged(_))), "{end:?}");
        }
    }

    fn event(&mut self, commit: &Commit, event: &Event, sequence: i64) {
        let id = event.task_id;
        let context = format!("event {sequence} {}: {event:#?}", event.kind.name());
        if let EventKind::TaskPurged(_) = event.kind {
            // Its events may be gone by then, as those of its tree.
            assert_eq!(id, commit.root_task_id, "{context}");
            assert_eq!(event.subject.before, Some(event.subject.after), "{context}");
            assert!(event.subject.after.0.is_terminal(), "{context}");
            self.tasks.retain(|_, folded| {
                let purged = folded.task.root_task_id == id;
                assert!(!purged || folded.finished.is_some(), "{context}");
                !purged
            });
            return;
        }
        if let EventKind::TaskCreated(task) | EventKind::SubtaskAdded(task) = &event.kind {
            assert_eq!(event.subject.before, None, "{context}");
            assert_eq!(task.status, TaskStatus::Requested, "{context}");
            assert_eq!(task.result.message_count, 0, "{context}");
            assert_eq!(task.result.error_count, 0, "{context}");
            assert_eq!(task.task_id, id, "{context}");
            assert_eq!(task.root_task_id, commit.root_task_id, "{context}");
            assert_eq!(task.parent_task_id, event.parent_task_id, "{context}");
            if let Some(parent) = task.parent_task_id {
                assert!(self.tasks[&parent].finished.is_none(), "{context}");
            }
            let folded = Folded {
                task: task.as_ref().clone(),
                messages: Vec::new(),
                collected: Vec::new(),
                finished: None,
            };
            assert!(self.tasks.insert(id, folded).is_none(), "{context}");
        } else {
            self.change(event, sequence, &context);
        }
        let task = &self.tasks[&id].task;
        assert_eq!(
            event.subject.after,
            (task.status, task.result.status),
            "after: {context}"
        );
        assert_eq!(event.subject.node_name, task.node_name, "{context}");
        assert_eq!(event.subject.created_by, task.created_by, "{context}");
    }

    fn change(&mut self, event: &Event, sequence: i64, context: &str) {
        let children_open = matches!(event.kind, EventKind::TaskFinished(_))
            && self.tasks.values().any(|other| {
                other.task.parent_task_id == Some(event.task_id) && other.finished.is_none()
            });
        assert!(!children_open, "a child is open: {context}");
        let folded = self.tasks.get_mut(&event.task_id).expect(context);
        assert!(folded.finished.is_none(), "after the end: {context}");
        let before = (folded.task.status, folded.task.result.status);
        match &event.kind {
            EventKind::TaskCreated(_) | EventKind::SubtaskAdded(_) | EventKind::TaskPurged(_) => {
                unreachable!("handled above")
            }
            EventKind::StatusChanged {
                previous,
                cause,
                task,
                ..
            } => {
                let level = if task.is_root() {
                    Level::Root
                } else {
                    Level::Subtask
                };
                assert_eq!(event.subject.before, Some(before), "before: {context}");
                assert_eq!(*previous, before.0, "{context}");
                assert!(may_move(level, *previous, task.status, *cause), "{context}");
                assert!(task.revision > folded.task.revision, "{context}");
                assert_eq!(task.revision, event.revision, "{context}");
                assert_eq!(task.detail, None, "{context}");
                folded.task = task.as_ref().clone();
            }
            EventKind::ResultChanged {
                status,
                reason,
                message,
                ..
            } => {
                assert_eq!(event.subject.before, Some(before), "before: {context}");
                assert!(event.revision > folded.task.revision, "{context}");
                let result = &mut folded.task.result;
                assert_ne!(
                    (*status, *reason),
                    (result.status, result.reason),
                    "{context}"
                );
                result.status = *status;
                result.reason = *reason;
                result.message = Arc::clone(message);
                folded.task.revision = event.revision;
            }
            EventKind::MessageAdded(message) => {
                assert_eq!(event.subject.before, Some(before), "before: {context}");
                assert_eq!(message.sequence, sequence, "{context}");
                folded.messages.push(message.as_ref().clone());
            }
            EventKind::BuildDataAdded(data) => {
                assert_eq!(event.subject.before, Some(before), "before: {context}");
                assert_eq!(data.task_id, event.task_id, "{context}");
                assert_eq!(
                    Some(&data.node_name),
                    folded.task.node_name.as_ref(),
                    "{context}"
                );
                assert_eq!(data.data_element, None, "{context}");
                folded.collected.push((sequence, data.as_ref().clone()));
            }
            EventKind::TaskFinished(task) => {
                assert!(folded.task.status.is_terminal(), "{context}");
                let mut basic = task.as_ref().clone();
                let detail = basic.detail.take().expect("a finished task has its lists");
                assert_eq!(basic, folded.task, "{context}");
                let kept = folded.messages.len().saturating_sub(MESSAGE_LIST_LIMIT);
                assert_eq!(detail.messages, folded.messages[kept..], "{context}");
                folded.finished = Some(task.as_ref().clone());
            }
        }
    }
}

/// Reads the whole journal, in pages of about `page` events, and folds it.
pub(crate) async fn fold(store: &Store, page: usize) -> Fold {
    let mut fold = Fold::default();
    let mut scanned = 0;
    loop {
        let read = store
            .journal(JournalScope::All, scanned, page)
            .await
            .expect("the journal is read");
        fold.floor = read.clock.floor;
        for commit in &read.commits {
            fold.commit(commit);
        }
        assert!(read.scanned >= fold.last);
        assert!(!read.commits.is_empty() || read.scanned == read.clock.last);
        if read.scanned == read.clock.last {
            return fold;
        }
        scanned = read.scanned;
    }
}

/// Folds the journal and holds it against every other way to read the store's state.
pub(crate) async fn assert_tells_the_state(store: &Store) -> Fold {
    let fold = fold(store, 7).await;
    let everything = TaskFilter::default();
    let listed = store
        .list(
            &everything,
            Order::CreatedAscending,
            None,
            100_000,
            View::Full,
        )
        .await
        .expect("the list is read");
    assert!(!listed.more);
    assert_eq!(listed.clock.last, fold.last);
    assert_eq!(listed.tasks.len(), fold.tasks.len());
    let mut roots = Vec::new();
    for task in &listed.tasks {
        let folded = &fold.tasks[&task.task_id];
        assert_same(task, folded);
        if task.is_root() {
            roots.push(task.task_id);
        }
    }
    let stored: HashMap<TaskId, &Task> = listed
        .tasks
        .iter()
        .map(|task| (task.task_id, task))
        .collect();
    let mut seen = Vec::new();
    let mut sink = |task: Task| {
        seen.push(task);
        Ok(())
    };
    let clock = store
        .snapshot(SnapshotScope::Filter(Arc::new(everything)), &mut sink)
        .await
        .expect("a snapshot")
        .expect("a clock");
    assert_eq!(clock.last, fold.last);
    assert_eq!(seen.len(), stored.len());
    for pair in seen.windows(2) {
        assert!(pair[0].depth <= pair[1].depth, "parents first");
    }
    for task in &seen {
        assert_eq!(still(task), still(stored[&task.task_id]));
    }
    for root in roots {
        let tree = store
            .tree(root, None, View::Full, 100_000)
            .await
            .expect("the tree is read")
            .expect("the tree exists");
        assert_eq!(tree.clock.last, fold.last);
        assert!(!tree.truncated);
        let size = stored
            .values()
            .filter(|task| task.root_task_id == root)
            .count();
        assert_eq!(tree.tasks.len(), size);
        for task in &tree.tasks {
            assert_eq!(still(task), still(stored[&task.task_id]));
        }
        let of_tree = BuildDataQuery {
            task: Some(InTree {
                task_id: root,
                root_task_id: root,
            }),
            node_name: None,
            generator: None,
            latest: false,
            element_bytes: None,
            after: 0,
            limit: 100_000,
        };
        let kept = store.build_data(of_tree).await.expect("it is read").entries;
        let of_root = fold.tasks.values();
        let of_root = of_root.filter(|folded| folded.task.root_task_id == root);
        let mut told: Vec<_> = of_root
            .flat_map(|folded| folded.collected.clone())
            .collect();
        told.sort_by_key(|(sequence, _)| *sequence);
        assert_eq!(kept, told);
    }
    fold
}

/// A task without what changes while nothing is written to it.
pub(crate) fn still(task: &Task) -> Task {
    Task {
        heartbeat: None,
        ..task.clone()
    }
}

fn assert_same(stored: &Task, folded: &Folded) {
    if let Some(finished) = &folded.finished {
        assert_eq!(still(stored), still(finished));
        return;
    }
    assert!(
        !stored.status.is_terminal(),
        "no task_finished: {stored:#?}"
    );
    let told = &folded.task;
    let facts = |task: &Task| {
        (
            (
                task.status,
                task.revision,
                task.result.status,
                task.result.reason,
            ),
            (task.created, task.updated, task.started, task.completed),
            (
                task.terminated,
                task.terminated_by.clone(),
                task.termination_reason.clone(),
            ),
            (task.action, task.node_name.clone(), task.step, task.ordinal),
            (task.design_digest.clone(), task.target_node_count),
        )
    };
    // A result told while running does not say when.
    let mut told = told.clone();
    if told.result.status != ResultStatus::Incomplete && told.is_root() {
        told.updated = stored.updated;
    }
    assert_eq!(facts(&told), facts(stored));
    assert_eq!(stored.result.message_count as usize, folded.messages.len());
    let detail = stored.detail.as_ref().expect("the full view");
    let kept = folded.messages.len().saturating_sub(MESSAGE_LIST_LIMIT);
    assert_eq!(detail.messages, folded.messages[kept..]);
}
