//! Writes: one at a time, each whole or not at all, with its events.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::apply::{BuildDataRow, LockedRoot, MessageRow, Rows};
use super::super::create_batch::{created_events, queue};
use super::super::error::{Error, WriteError};
use super::super::read::View;
use super::super::record::{RootEvents, number};
use super::super::sql::corrupt;
use super::super::terminate::stopped;
use super::super::write::{
    Change, ChangeKind, Created, NewRoot, RequestKey, RootChange, Terminated, Termination,
    TreeWrite, Written,
};
use super::tables::{Root, Tables};
use crate::clock;
use crate::domain::{Commit, Outcome, Task, TaskId, TaskStatus};
use crate::seeded::{Bug, seeded};

/// What was committed, to be published.
pub(super) type Commits = Vec<Arc<Commit>>;

impl Tables {
    /// Creates a root, unless its key or it itself is there.
    pub(super) fn create(&mut self, root: NewRoot) -> (Result<Created, Error>, Commits) {
        let id = root.task.task_id;
        let creator = Arc::clone(&root.task.created_by);
        let earlier = match &root.request {
            Some(key) => self.find_created(&creator, key),
            None => self.task(id, View::Full).map(Created::Replayed),
        };
        if let Some(earlier) = earlier {
            return (Ok(earlier), Vec::new());
        }
        if self.tasks.contains_key(&id) {
            let absent = corrupt("request", "absence of the task it created");
            return (Err(absent), Vec::new());
        }
        let queued = queue(&root.task);
        let events = created_events(&root.task, &queued);
        let mut task = queued.clone();
        let row = Root {
            epoch: 0,
            owner: None,
            released: false,
            request: root.request,
            asked: *task.detail.take().unwrap_or_default(),
            site: None,
            target_nodes: None,
        };
        self.roots.insert(id, row);
        self.tasks.insert(id, task);
        (Ok(Created::New(queued)), vec![self.append(events)])
    }

    pub(super) fn find_created(&self, created_by: &str, key: &RequestKey) -> Option<Created> {
        let (id, root) = self.roots.iter().find(|(id, root)| {
            let request = root.request.as_ref();
            request.is_some_and(|request| request.request_id == key.request_id)
                && *self.tasks[id].created_by == *created_by
        })?;
        if root.request.as_ref() == Some(key) {
            self.task(*id, View::Full).map(Created::Replayed)
        } else {
            Some(Created::Reused(*id))
        }
    }

    /// Records a request to stop a root.
    pub(super) fn terminate(&mut self, request: &Termination) -> (Terminated, Commits) {
        let Some(before) = self.task(request.task_id, View::Basic) else {
            return (Terminated::NotFound, Vec::new());
        };
        let full = |tables: &Self| tables.task(request.task_id, View::Full).expect("a task");
        match before.status {
            _ if !before.is_root() => (Terminated::Refused(before), Vec::new()),
            TaskStatus::Terminating | TaskStatus::Terminated => {
                (Terminated::Unchanged(full(self)), Vec::new())
            }
            TaskStatus::Complete => (Terminated::Refused(before), Vec::new()),
            TaskStatus::Requested | TaskStatus::Queued | TaskStatus::Running => {
                let revision = before.revision;
                if request
                    .expected_revision
                    .is_some_and(|expected| expected != revision)
                {
                    return (Terminated::RevisionConflict { revision }, Vec::new());
                }
                let detail = full(self).detail;
                let (task, events) = stopped(request, before, detail);
                if task.status.is_terminal() {
                    self.forget_locks(task.task_id);
                }
                self.tasks.insert(task.task_id, bare(task));
                let commits = vec![self.append(events)];
                (Terminated::Accepted(full(self)), commits)
            }
        }
    }

    /// Commits an owner's write to its tree.
    pub(super) fn write(&mut self, write: &TreeWrite) -> (Result<Written, WriteError>, Commits) {
        match self.try_write(write) {
            Ok((written, commits)) => (Ok(written), commits),
            Err(error) => (Err(error), Vec::new()),
        }
    }

    fn try_write(&mut self, write: &TreeWrite) -> Result<(Written, Commits), WriteError> {
        let id = write.root_task_id;
        let known = |root_status| {
            let message_sequences = Vec::new();
            let written = Written {
                root_status,
                message_sequences,
            };
            Ok((written, Vec::new()))
        };
        // One that is gone was purged: whoever owned it has nothing left to do.
        let (Some(row), Some(task)) = (self.roots.get(&id), self.task(id, View::Basic)) else {
            return Err(WriteError::Fenced);
        };
        let mut root = LockedRoot::new(task, row.epoch);
        match root.check(write) {
            Ok(()) => {}
            Err(WriteError::Conflict { .. }) if root.already_has(write) => {
                return known(root.task.status);
            }
            Err(error @ WriteError::Conflict { .. }) => {
                return self.as_left(write).map_or(Err(error), known);
            }
            Err(error) => return Err(error),
        }
        if let Some(holder) = write.lock.as_ref().and_then(|lock| self.holder(lock, id)) {
            return Err(WriteError::NodeBusy { holder });
        }
        let mut rows = Rows::default();
        let applied = root.apply(write, &mut rows);
        let grows = root.ends_growing();
        if root.finish.is_some() {
            let detail = self.task(id, View::Full).and_then(|task| task.detail);
            root.conclude(detail, &mut rows);
        }
        if grows || !self.is_sound(write, &rows) {
            let mismatch = "a row of the tree is not as the write expects it".to_owned();
            return match self.as_left(write) {
                Some(status) => known(status),
                None => Err(WriteError::Illegal(mismatch)),
            };
        }
        for change in &write.changes {
            self.change(change);
        }
        if let RootChange::Start(start) = &write.root
            && let Some(row) = self.roots.get_mut(&id)
        {
            row.site = Some(Arc::clone(&start.site));
            row.target_nodes = Some(Arc::clone(&start.target_nodes));
            if let Some(design) = &start.design {
                let bytes = self.designs.entry(Arc::clone(&design.digest));
                bytes.or_insert_with(|| Arc::clone(&design.bytes));
            }
        }
        self.note_locks(write);
        let progress = root.task.progress();
        self.tasks.insert(id, bare(root.task));
        let mut commits = Vec::new();
        let mut message_sequences = Vec::new();
        if !root.events.is_empty() {
            let commit = self.append(RootEvents {
                root_task_id: id,
                facts: root.facts,
                progress,
                events: root.events,
                messages: rows.messages,
                build_data: rows.build_data,
                payload: None,
            });
            let first = commit.first_sequence;
            message_sequences = applied
                .messages
                .iter()
                .map(|place| first + *place as i64)
                .collect();
            commits.push(commit);
        }
        let written = Written {
            root_status: applied.root_status,
            message_sequences,
        };
        Ok((written, commits))
    }

    /// Numbers events and puts them into the journal, with their messages.
    pub(super) fn append(&mut self, events: RootEvents) -> Arc<Commit> {
        let first_sequence = self.clock.last + 1;
        self.clock.last += events.events.len() as i64;
        self.clock.ts = self.clock.ts.max(clock::now());
        for MessageRow {
            task_id,
            event,
            mut message,
            ..
        } in events.messages
        {
            message.sequence = first_sequence + event as i64;
            self.messages.insert(message.sequence, (task_id, message));
        }
        for BuildDataRow { event, data, .. } in events.build_data {
            self.build_data.insert(first_sequence + event as i64, data);
        }
        let mut commit = Commit {
            root_task_id: events.root_task_id,
            first_sequence,
            ts: self.clock.ts,
            facts: events.facts,
            progress: events.progress,
            events: events.events,
        };
        number(&mut commit);
        let commit = Arc::new(commit);
        self.journal.insert(self.clock.last, Arc::clone(&commit));
        commit
    }

    /// The root's status where the tree is as `write` leaves it: an earlier try was committed.
    fn as_left(&self, write: &TreeWrite) -> Option<TaskStatus> {
        if write.changes.is_empty() || !matches!(write.root, RootChange::None) {
            return None;
        }
        let state = |task: &Task| (task.status, task.revision, task.result.message_count);
        let as_left = write.changes.iter().all(|change| {
            let stored = self.tasks.get(&change.task.task_id);
            stored.is_some_and(|stored| state(stored) == state(&change.task))
        });
        let root = self.tasks.get(&write.root_task_id);
        root.filter(|_| as_left).map(|root| root.status)
    }

    /// Whether every row is as the write expects it, and parents outlive their children.
    fn is_sound(&self, write: &TreeWrite, rows: &Rows) -> bool {
        let open = |id: &TaskId| {
            self.tasks
                .get(id)
                .is_some_and(|task| !task.status.is_terminal())
        };
        let family = &rows.family;
        let closed_early = family.ending.iter().any(|parent| {
            self.below(*parent)
                .any(|child| open(&child) && !family.ended.contains(&child))
        });
        if !family.is_sound()
            || (closed_early && !seeded(Bug::ParentClosedEarly))
            || !family.adopting().iter().all(open)
        {
            return false;
        }
        let mut added = std::collections::HashMap::new();
        let mut changed = HashSet::new();
        write.changes.iter().all(|change| {
            let (task, said) = (&change.task, change.messages.len() as u32);
            let stored = added.get(&task.task_id).copied().or_else(|| {
                let task = self.tasks.get(&task.task_id)?;
                Some((task.status, task.result.message_count))
            });
            let expected = match &change.kind {
                ChangeKind::Add => {
                    added.insert(task.task_id, (task.status, task.result.message_count));
                    return stored.is_none() || seeded(Bug::DuplicateChild);
                }
                ChangeKind::Move { from, .. } => *from,
                ChangeKind::Update => task.status,
            };
            let messages = task.result.message_count.saturating_sub(said);
            // A row is taken once in a statement.
            changed.insert(task.task_id) && stored == Some((expected, messages))
        })
    }

    fn change(&mut self, change: &Change) {
        let task = bare(change.task.as_ref().clone());
        match &change.kind {
            ChangeKind::Add => {
                if self.tasks.contains_key(&task.task_id) {
                    return;
                }
                if let Some(parent) = task.parent_task_id {
                    let children = self.children.entry(parent).or_default();
                    children.insert(task.ordinal, task.task_id);
                }
                let result = Outcome {
                    error_count: task.result.error_count,
                    message_count: task.result.message_count,
                    ..Outcome::default()
                };
                let added = Task {
                    updated: task.created,
                    retry: 0,
                    result,
                    ..task
                };
                self.tasks.insert(added.task_id, added);
            }
            ChangeKind::Move { .. } | ChangeKind::Update => {
                let Some(stored) = self.tasks.get_mut(&task.task_id) else {
                    return;
                };
                // What does not change in a task's life is as it was created.
                *stored = Task {
                    node_name: stored.node_name.clone(),
                    step: stored.step,
                    created: stored.created,
                    created_by: Arc::clone(&stored.created_by),
                    timeout: stored.timeout,
                    correlation_id: stored.correlation_id.clone(),
                    ..task
                };
            }
        }
    }
}

/// A task as its row has it.
fn bare(task: Task) -> Task {
    Task {
        detail: None,
        heartbeat: None,
        ..task
    }
}
