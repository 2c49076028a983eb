//! What is known of a task and of everything below it, learnt from events.

use std::collections::HashMap;

use super::row::{Row, State, micros};
use crate::cli::line::{is_final, plain};
use crate::cli::token;
use crate::domain::Action;
use crate::domain::plan::{self, PlannedStep};
use crate::proto::v1::task_event::Event;
use crate::proto::v1::{StatusMessage, Task, TaskAction, TaskEvent, TaskProgress, TaskStatus};

/// Most rows of which each is remembered: more than the tallest screen shows. Beyond them, one that
/// succeeds or is stopped is only counted, so that the memory of a large task is that of what runs and
/// of what failed.
const MAX_ROWS: usize = 1_000;

/// Whether events come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Connection {
    /// Nothing came yet.
    Opening,
    /// They do.
    Up,
    /// They do not.
    Lost {
        /// Why, as far as is known.
        why: String,
        /// Since when, in microseconds since 1970.
        since_us: i64,
    },
}

/// A task being watched.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Model {
    task_id: String,
    pub(super) connection: Connection,
    /// The watched task as it was told last; parts of it are only told at the beginning and the end.
    pub(super) task: Task,
    pub(super) is_done: bool,
    /// The last thing that was said about the task as a whole.
    pub(super) note: String,
    progress: Option<TaskProgress>,
    /// By the id of the task they stand for.
    rows: HashMap<String, Row>,
    /// Ids of the rows that failed, the oldest first.
    failed: Vec<String>,
    counts: [usize; State::ALL.len()],
}

/// How many rows there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) all: usize,
    pub(super) waiting: usize,
    pub(super) running: usize,
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    pub(super) stopped: usize,
}

impl Model {
    /// The task with this id, of which nothing is known yet.
    pub(in crate::cli) fn new(task_id: &str) -> Self {
        Self {
            task_id: task_id.to_owned(),
            connection: Connection::Opening,
            task: Task::default(),
            is_done: false,
            note: String::new(),
            progress: None,
            rows: HashMap::new(),
            failed: Vec::new(),
            counts: [0; State::ALL.len()],
        }
    }

    /// Says whether events come.
    pub(in crate::cli) fn connected(&mut self, connection: Connection) {
        self.connection = connection;
    }

    /// The watched task once it is final.
    pub(in crate::cli) fn finished(&self) -> Option<&Task> {
        self.is_done.then_some(&self.task)
    }

    /// Learns from the next event.
    pub(in crate::cli) fn learn(&mut self, event: &TaskEvent) {
        self.connection = Connection::Up;
        let Some(told) = &event.event else { return };
        match told {
            Event::Snapshot(task) => {
                // Snapshots begin with the watched task: a stream that begins anew tells everything anew.
                if task.task_id == self.task_id {
                    *self = Self::new(&self.task_id);
                    self.connection = Connection::Up;
                }
                self.task_is(task);
                self.forget(task);
            }
            Event::TaskCreated(task) | Event::SubtaskAdded(task) => self.task_is(task),
            Event::TaskFinished(task) => {
                self.task_is(task);
                self.forget(task);
                self.is_done |= task.task_id == self.task_id;
            }
            Event::StatusChanged(change) => {
                if let Some(task) = &change.task {
                    self.task_is(task);
                }
            }
            Event::MessageAdded(message) => self.said(event, message),
            Event::ProgressChanged(progress) => {
                if event.task_id == self.task_id {
                    self.progress = Some(progress.clone());
                }
            }
            Event::ResultChanged(_)
            | Event::BuildDataAdded(_)
            | Event::SnapshotComplete(_)
            | Event::Heartbeat(_)
            | Event::TaskPurged(_) => {}
        }
    }

    /// What the task does, if this client knows it.
    pub(super) fn action(&self) -> Option<Action> {
        Action::parse(&token::of::<TaskAction>(self.task.action))
    }

    /// The steps that each row goes through.
    pub(super) fn plan(&self) -> &'static [PlannedStep] {
        self.action().map_or(&[], plan::steps)
    }

    /// Whether the rows are nodes; if not, they are steps.
    pub(super) fn rows_are_nodes(&self) -> bool {
        let below_a_node = !self.task.node_name.is_empty();
        self.action().is_none_or(Action::is_per_node) && !below_a_node
    }

    pub(super) fn totals(&self) -> Totals {
        let [waiting, running, succeeded, failed, stopped] = self.counts;
        let begun = waiting + running + succeeded + failed + stopped;
        let progress = self.progress.as_ref().or(self.task.progress.as_ref());
        let told = |count: fn(&TaskProgress) -> Option<i32>| {
            let count = progress.and_then(count).unwrap_or_default();
            usize::try_from(count).unwrap_or_default()
        };
        // Without subtasks in the stream, what the service counts is all there is.
        if begun == 0 && progress.is_some() {
            return Totals {
                all: told(|progress| progress.node_count),
                waiting: told(|progress| progress.nodes_pending),
                running: told(|progress| progress.nodes_running),
                succeeded: told(|progress| progress.nodes_succeeded),
                failed: told(|progress| progress.nodes_failed),
                stopped: 0,
            };
        }
        let expected = if self.rows_are_nodes() {
            let targets = self.task.target_node_count.unwrap_or_default();
            told(|progress| progress.node_count).max(usize::try_from(targets).unwrap_or_default())
        } else {
            self.plan().len()
        };
        let all = expected.max(begun);
        Totals {
            all,
            // Subtasks are created as places come free: those to come wait too.
            waiting: if self.is_done {
                0
            } else {
                waiting + all - begun
            },
            running,
            succeeded,
            failed,
            stopped: if self.is_done {
                stopped + all - begun
            } else {
                stopped
            },
        }
    }

    /// The rows that are remembered, in no order.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.rows.values()
    }

    /// The rows that failed, the latest first.
    pub(super) fn failed(&self) -> impl Iterator<Item = &Row> {
        self.failed.iter().rev().filter_map(|id| self.rows.get(id))
    }

    /// How long the task runs, or ran, at the time `now_us`, in microseconds.
    pub(super) fn elapsed_us(&self, now_us: i64) -> Option<i64> {
        let began = self.task.started.as_ref().map(micros)?;
        let until = self.task.completed.as_ref().map_or(now_us, micros);
        Some((until - began).max(0))
    }

    fn task_is(&mut self, task: &Task) {
        if task.task_id == self.task_id {
            self.watched_is(task);
        } else if task.parent_task_id.as_deref() == Some(self.task_id.as_str()) {
            self.row_is(task);
        } else if let Some(row) = task
            .parent_task_id
            .as_ref()
            .and_then(|parent| self.rows.get_mut(parent))
        {
            let plan = Action::parse(&token::of::<TaskAction>(task.action));
            row.update_step(task, plan.map_or(&[], plan::steps));
        }
    }

    fn watched_is(&mut self, task: &Task) {
        let progress = task.progress.clone().or_else(|| self.task.progress.take());
        self.task = Task {
            progress,
            ..task.clone()
        };
    }

    fn row_is(&mut self, task: &Task) {
        let before = self.rows.get(&task.task_id).map(|row| row.state);
        let row = self
            .rows
            .entry(task.task_id.clone())
            .and_modify(|row| row.update(task))
            .or_insert_with(|| Row::new(task));
        let state = row.state;
        if let Some(before) = before {
            self.counts[before as usize] -= 1;
        }
        self.counts[state as usize] += 1;
        if state == State::Failed && before != Some(State::Failed) {
            self.failed.push(task.task_id.clone());
        }
    }

    /// Forgets the row of `task`, once nothing more will be told of it, where there are too many.
    fn forget(&mut self, task: &Task) {
        let can_go = |row: &Row| match row.state {
            State::Succeeded | State::Stopped => true,
            State::Waiting | State::Running | State::Failed => false,
        };
        if self.rows.len() > MAX_ROWS && self.rows.get(&task.task_id).is_some_and(can_go) {
            self.rows.remove(&task.task_id);
        }
    }

    fn said(&mut self, event: &TaskEvent, message: &StatusMessage) {
        let about = plain(&message.message);
        if event.task_id == self.task_id {
            // What is said of a node is told in its row.
            if message.context_type != "node" {
                self.note = about;
            }
            return;
        }
        let row = match self.rows.get_mut(&event.task_id) {
            Some(row) => Some(row),
            None => event
                .parent_task_id
                .as_ref()
                .and_then(|parent| self.rows.get_mut(parent)),
        };
        if let Some(row) = row.filter(|row| !row.state.is_final()) {
            row.note = about;
        }
    }

    /// The status of the watched task, as documents spell it.
    pub(super) fn status(&self) -> String {
        match &self.connection {
            Connection::Opening if self.task.task_id.is_empty() => "connecting".to_owned(),
            _ if self.task.task_id.is_empty() => "no answer yet".to_owned(),
            _ => token::of::<TaskStatus>(self.task.status),
        }
    }

    /// Whether nothing more is expected of the watched task.
    pub(super) fn is_over(&self) -> bool {
        self.is_done || is_final(&self.task)
    }
}
