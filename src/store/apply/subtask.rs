//! What a write does to one subtask: its row, its events, and what they change of its root's counts.

use std::sync::Arc;

use super::said::{append_messages, said};
use super::{LockedRoot, Rows};
use crate::domain::ending::{self, Tally};
use crate::domain::event::EventKind;
use crate::domain::{Cause, Reason, ResultStatus, SERVICE_ACTOR, Task, TaskStatus, Timestamp};
use crate::store::row::{SubtaskRow, UpdateRow};
use crate::store::write::{Change, ChangeKind};

impl LockedRoot {
    /// Applies one change; `places` gets the event indexes of its messages.
    pub(super) fn change(
        &mut self,
        change: &Change,
        now: Timestamp,
        rows: &mut Rows,
        places: &mut Vec<usize>,
    ) {
        let task = &change.task;
        rows.family.changes_added |= rows.family.added.contains(&task.task_id);
        match &change.kind {
            ChangeKind::Add => {
                self.add(change);
                self.count_running(None, task);
                self.say_all(change, rows, places);
                self.collect(change, now, rows);
                rows.family.added.insert(task.task_id);
                rows.family
                    .adopting
                    .extend(task.parent_task_id.filter(|_| task.depth > 1));
                rows.inserts.push(SubtaskRow::new(task));
            }
            ChangeKind::Update => {
                self.say_all(change, rows, places);
                self.collect(change, now, rows);
                rows.updates
                    .push(UpdateRow::new(task, task.status, said(change)));
            }
            ChangeKind::Move {
                from,
                cause,
                reason,
            } => {
                let first = places.len();
                self.say_all(change, rows, places);
                self.collect(change, now, rows);
                let mut basic = task.clone();
                let detail = basic.detail.take();
                let before = (*from, ResultStatus::Incomplete);
                self.push(
                    task,
                    task.revision,
                    Some(before),
                    EventKind::StatusChanged {
                        previous: *from,
                        cause: *cause,
                        actor: Arc::from(SERVICE_ACTOR),
                        reason: Arc::clone(reason),
                        task: basic.clone(),
                    },
                );
                if task.status.is_terminal() {
                    let mut finished = basic;
                    finished.detail = detail;
                    if let Some(detail) = finished.detail.as_mut() {
                        // Of this change the messages as they are kept: bounded and numbered.
                        detail.messages.retain(|message| message.sequence != 0);
                        append_messages(&mut detail.messages, self.recorded(&places[first..]));
                    }
                    let after = (task.status, task.result.status);
                    self.push(
                        task,
                        task.revision,
                        Some(after),
                        EventKind::TaskFinished(finished),
                    );
                    self.count_outcome(task);
                    rows.family.ended.insert(task.task_id);
                    if task.step.is_none() {
                        rows.family.ending.insert(task.task_id);
                    }
                }
                rows.updates.push(UpdateRow::new(task, *from, said(change)));
                self.count_running(Some(*from), task);
                if task.status == TaskStatus::Running {
                    self.note_step(task);
                }
            }
        }
    }

    /// The events of a subtask's creation, from requested to where it is at the commit.
    fn add(&mut self, change: &Change) {
        let task = change.task.as_ref();
        let running = task.status == TaskStatus::Running;
        let mut state = task.clone();
        state.detail = None;
        // What is said with a creation is said after it, and counted by whoever hears it.
        let errors = change.messages.iter().filter(|message| message.error);
        let errors = u32::try_from(errors.count()).unwrap_or(u32::MAX);
        let result = &mut state.result;
        result.message_count = result.message_count.saturating_sub(said(change));
        result.error_count = result.error_count.saturating_sub(errors);
        state.status = TaskStatus::Requested;
        state.started = None;
        state.revision = task.revision - if running { 2 } else { 1 };
        let basic = Box::new(state.clone());
        self.push(task, basic.revision, None, EventKind::SubtaskAdded(basic));
        let mut previous = TaskStatus::Requested;
        for status in [TaskStatus::Queued, TaskStatus::Running] {
            if status == TaskStatus::Running && !running {
                break;
            }
            state.status = status;
            state.revision += 1;
            if status == TaskStatus::Running {
                state.started = task.started;
            }
            let before = (previous, ResultStatus::Incomplete);
            let kind = EventKind::StatusChanged {
                previous,
                cause: Cause::Executor,
                actor: Arc::from(SERVICE_ACTOR),
                reason: Arc::from(""),
                task: Box::new(state.clone()),
            };
            self.push_state(&state, before, kind);
            previous = status;
        }
        if task.depth == 1 {
            self.task.subtask_count += 1;
            self.changed = true;
            self.grew = true;
        }
        if running {
            self.note_step(task);
        }
    }

    fn push_state(&mut self, state: &Task, before: (TaskStatus, ResultStatus), kind: EventKind) {
        self.push(state, state.revision, Some(before), kind);
    }

    /// Keeps the number of nodes that are being worked on.
    fn count_running(&mut self, from: Option<TaskStatus>, child: &Task) {
        if child.depth != 1 || child.node_name.is_none() {
            return;
        }
        let runs = |status| matches!(status, TaskStatus::Running | TaskStatus::Terminating);
        let running = &mut self.task.result.running;
        match (from.is_some_and(runs), runs(child.status)) {
            (false, true) => *running += 1,
            (true, false) => *running = running.saturating_sub(1),
            (true, true) | (false, false) => return,
        }
        self.changed = true;
    }

    fn note_step(&mut self, task: &Task) {
        if task.step.is_some() && self.task.current_step != task.step {
            self.task.current_step = task.step;
            self.changed = true;
        }
    }

    /// Counts a direct child's outcome and tells when the fold changes.
    fn count_outcome(&mut self, child: &Task) {
        if child.depth != 1 {
            return;
        }
        match child.result.status {
            ResultStatus::Success => self.task.result.succeeded += 1,
            ResultStatus::Failure => self.task.result.failed += 1,
            ResultStatus::Incomplete | ResultStatus::PartialSuccess => return,
        }
        let name = child.node_name.iter().cloned();
        self.outcomes
            .extend(name.map(|name| (child.result.status, name)));
        self.changed = true;
        let tally = Tally {
            succeeded: self.task.result.succeeded,
            failed: self.task.result.failed,
            targets: self.task.target_node_count,
        };
        let status = ResultStatus::of_counts(u64::from(tally.succeeded), u64::from(tally.failed));
        let reason = if tally.failed > 0 {
            Reason::NodeFailures
        } else {
            Reason::None
        };
        self.task.result.message = Arc::from(ending::sentence(self.task.action, tally));
        if (status, reason) == (self.task.result.status, self.task.result.reason) {
            return;
        }
        let before = self.state();
        self.task.result.status = status;
        self.task.result.reason = reason;
        self.touch(child.updated);
        let kind = EventKind::ResultChanged {
            status,
            reason,
            message: Arc::clone(&self.task.result.message),
            success_count: self.task.success_count(),
            failure_count: self.task.failure_count(),
        };
        self.push_root_event(Some(before), kind);
    }
}
