//! What a batch of writes makes of the roots it locked: rows and events, computed in memory.
//!
//! A write is applied whole or refused whole, and nothing here touches the database. The batch
//! carries out what this leaves behind and then numbers the events.

mod legal;
mod said;
mod subtask;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::error::WriteError;
use super::row::{SubtaskRow, UpdateRow};
use super::write::{NewMessage, RootChange, Start, TreeWrite};
use crate::domain::ending::{self, Conclusion, Ending, Tally};
use crate::domain::event::{Event, EventKind, RootFacts, Subject};
use crate::domain::task::LIST_LIMIT;
use crate::domain::{
    BuildData, Cause, Detail, Message, ResultStatus, SERVICE_ACTOR, Task, TaskId, TaskStatus,
    Timestamp,
};
use crate::seeded::{Bug, seeded};
use legal::legal;
pub(super) use said::append_messages;

/// A root whose row is locked by the batch's transaction.
pub(super) struct LockedRoot {
    /// The root as it is, then as the writes make it.
    pub(super) task: Task,
    /// Its status in the database, which the update expects.
    stored_status: TaskStatus,
    /// The owner's fencing token.
    epoch: i64,
    /// Whether the row has to be written.
    changed: bool,
    /// What its tree has in common.
    pub(super) facts: Arc<RootFacts>,
    /// Its events so far.
    pub(super) events: Vec<Event>,
    /// Its ending, to be concluded once its subtasks' rows are written.
    pub(super) finish: Option<Finish>,
    /// What starts, to be written to its spec.
    pub(super) start: Option<Start>,
    /// The newest messages about the root in this batch, for its FULL view.
    said: Vec<Message>,
    /// How many there were.
    said_now: u32,
    /// The nodes that ended in this batch, for its FULL view.
    outcomes: Vec<(ResultStatus, Arc<str>)>,
    /// Whether a subtask of its own was added in this batch.
    grew: bool,
}

/// An ending that waits for the tally of the subtasks.
pub(super) struct Finish {
    ending: Ending,
    from: TaskStatus,
    now: Timestamp,
}

/// A message to be stored, by the place of its event.
#[derive(Clone)]
pub(super) struct MessageRow {
    pub(super) root_task_id: TaskId,
    pub(super) task_id: TaskId,
    /// The index of its event among its root's.
    pub(super) event: usize,
    pub(super) message: Message,
}

/// Build data to be stored, by the place of its event.
#[derive(Clone)]
pub(super) struct BuildDataRow {
    pub(super) root_task_id: TaskId,
    /// The index of its event among its root's.
    pub(super) event: usize,
    pub(super) data: BuildData,
}

/// The rows that applied writes ask for.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) inserts: Vec<SubtaskRow>,
    pub(super) updates: Vec<UpdateRow>,
    pub(super) messages: Vec<MessageRow>,
    pub(super) build_data: Vec<BuildDataRow>,
    pub(super) family: Family,
}

/// Whose place in a tree changes, and is to be checked.
#[derive(Default)]
pub(super) struct Family {
    /// New subtasks.
    added: HashSet<TaskId>,
    /// Subtasks that get a child.
    adopting: HashSet<TaskId>,
    /// Tasks that end and may have children.
    pub(super) ending: HashSet<TaskId>,
    /// Subtasks that end.
    pub(super) ended: HashSet<TaskId>,
    /// Whether a new subtask is changed again: its row must be there before that.
    pub(super) changes_added: bool,
}

impl Family {
    /// Whether no task ends that gets a child at the same time.
    pub(super) fn is_sound(&self) -> bool {
        self.adopting.is_disjoint(&self.ending)
    }

    /// Subtasks that get a child and were there before.
    pub(super) fn adopting(&self) -> Vec<TaskId> {
        self.adopting.difference(&self.added).copied().collect()
    }
}

/// What to answer to a write that was applied.
pub(super) struct Applied {
    pub(super) root_status: TaskStatus,
    /// The event indexes of the messages of its changes.
    pub(super) messages: Vec<usize>,
}

impl LockedRoot {
    /// A root as its locked row says.
    pub(super) fn new(task: Task, epoch: i64) -> Self {
        Self {
            stored_status: task.status,
            epoch,
            changed: false,
            facts: Arc::new(RootFacts {
                action: task.action,
                design_ref: Arc::clone(&task.design_ref),
                labels: Arc::clone(&task.labels),
            }),
            events: Vec::new(),
            finish: None,
            start: None,
            said: Vec::new(),
            said_now: 0,
            outcomes: Vec::new(),
            grew: false,
            task,
        }
    }

    /// Whether `write` is one this root takes now.
    pub(super) fn check(&self, write: &TreeWrite) -> Result<(), WriteError> {
        if self.epoch != write.epoch && !seeded(Bug::UnfencedWrite) {
            return Err(WriteError::Fenced);
        }
        if !write.allowed.contains(&self.task.status) {
            return Err(WriteError::Conflict {
                status: self.task.status,
            });
        }
        legal(write, self.task.status)
    }

    /// Whether the root is already where `write` wants it: it was committed, though its answer
    /// was lost.
    pub(super) fn already_has(&self, write: &TreeWrite) -> bool {
        self.epoch == write.epoch
            && match &write.root {
                RootChange::Start(_) => matches!(
                    self.task.status,
                    TaskStatus::Running | TaskStatus::Terminating
                ),
                RootChange::Finish(_) => self.task.status.is_terminal(),
                // Nobody asked for the stop that it is in: it is that of the timeout.
                RootChange::TimeOut => {
                    self.task.status == TaskStatus::Terminating && self.task.terminated.is_none()
                }
                RootChange::None => false,
            }
    }

    /// Applies a write that [`Self::check`] took.
    pub(super) fn apply(&mut self, write: &TreeWrite, rows: &mut Rows) -> Applied {
        let mut places = Vec::new();
        if let RootChange::Start(start) = &write.root {
            self.begin(start, write.now);
        }
        for change in &write.changes {
            self.change(change, write.now, rows, &mut places);
        }
        for message in &write.root_messages {
            self.say(message, rows);
        }
        match &write.root {
            RootChange::None | RootChange::Start(_) => {}
            RootChange::TimeOut => {
                let before = self.state();
                self.task.status = TaskStatus::Terminating;
                self.touch(write.now);
                self.moved(
                    before,
                    Cause::Timeout,
                    SERVICE_ACTOR,
                    "the task's timeout passed",
                );
            }
            RootChange::Finish(ending) => {
                self.finish = Some(Finish {
                    ending: ending.clone(),
                    from: self.task.status,
                    now: write.now,
                });
                self.task.status = match ending {
                    Ending::Stopped => TaskStatus::Terminated,
                    Ending::Done | Ending::TimedOut | Ending::Failed(..) | Ending::QueueTimeout => {
                        TaskStatus::Complete
                    }
                };
            }
        }
        Applied {
            root_status: self.task.status,
            messages: places,
        }
    }

    /// Whether it ends in this batch, and got a child in it: its lists of children would not be
    /// known.
    pub(super) fn ends_growing(&self) -> bool {
        self.finish.is_some() && self.grew
    }

    /// The conclusion of a finishing root: its last message and events. `detail` is its FULL view
    /// as it was before this batch.
    pub(super) fn conclude(&mut self, detail: Option<Box<Detail>>, rows: &mut Rows) {
        let Some(finish) = self.finish.take() else {
            return;
        };
        rows.family.ending.insert(self.task.task_id);
        // The outcomes were counted one by one as the subtasks ended.
        let tally = Tally {
            succeeded: self.task.result.succeeded,
            failed: self.task.result.failed,
            targets: self.task.target_node_count,
        };
        let Conclusion {
            status,
            reason,
            message,
        } = ending::conclude(self.task.action, &finish.ending, tally);
        // The last message is said before the last move.
        let to = std::mem::replace(&mut self.task.status, finish.from);
        // The end is told however much was said before it.
        self.say_at(
            0,
            &NewMessage {
                ts: finish.now,
                message: message.clone(),
                error: matches!(status, ResultStatus::Failure | ResultStatus::PartialSuccess),
                context_type: "task",
                context: self.task.task_id.to_string(),
                extra: serde_json::Map::new(),
            },
            rows,
        );
        let before = self.state();
        self.task.status = to;
        self.task.result.status = status;
        self.task.result.reason = reason;
        self.task.result.message = Arc::from(message);
        self.task.completed = Some(not_before(finish.now, self.task.started));
        self.task.current_step = None;
        self.touch(finish.now);
        let cause = match finish.ending {
            Ending::QueueTimeout => Cause::Timeout,
            Ending::Done | Ending::Stopped | Ending::TimedOut | Ending::Failed(..) => {
                Cause::Executor
            }
        };
        self.moved(before, cause, SERVICE_ACTOR, reason.token());
        let mut finished = self.task.clone();
        finished.detail = detail;
        let said = std::mem::take(&mut self.said);
        let outcomes = std::mem::take(&mut self.outcomes);
        if let Some(detail) = finished.detail.as_mut() {
            append_messages(&mut detail.messages, said);
            append_outcomes(detail, outcomes);
            if let Some(start) = &self.start {
                let head = start.target_nodes.len().min(LIST_LIMIT);
                detail.target_nodes = start.target_nodes[..head].to_vec();
            }
        }
        let after = self.state();
        self.push_root_event(Some(after), EventKind::TaskFinished(Box::new(finished)));
    }

    /// The row that brings the root to its present state, if anything changed.
    pub(super) fn update_row(&self) -> Option<UpdateRow> {
        self.changed
            .then(|| UpdateRow::new(&self.task, self.stored_status, self.said_now))
    }

    fn begin(&mut self, start: &Start, now: Timestamp) {
        let before = self.state();
        self.task.status = TaskStatus::Running;
        self.task.started = Some(not_before(now, Some(self.task.created)));
        self.task.target_node_count = start.target_nodes.len() as u32;
        self.task.design_digest = start
            .design
            .as_ref()
            .map(|design| Arc::clone(&design.digest));
        self.touch(now);
        self.moved(before, Cause::Scheduler, SERVICE_ACTOR, "");
        self.start = Some(start.clone());
    }

    fn moved(
        &mut self,
        before: (TaskStatus, ResultStatus),
        cause: Cause,
        actor: &str,
        reason: &str,
    ) {
        let mut basic = self.task.clone();
        basic.detail = None;
        self.push_root_event(
            Some(before),
            EventKind::StatusChanged {
                previous: before.0,
                cause,
                actor: Arc::from(actor),
                reason: Arc::from(reason),
                task: Box::new(basic),
            },
        );
    }

    fn push_root_event(&mut self, before: Option<(TaskStatus, ResultStatus)>, kind: EventKind) {
        let event = event(&self.task, self.task.revision, before, kind);
        self.events.push(event);
    }

    fn push(
        &mut self,
        about: &Task,
        revision: i64,
        before: Option<(TaskStatus, ResultStatus)>,
        kind: EventKind,
    ) {
        self.events.push(event(about, revision, before, kind));
    }

    fn state(&self) -> (TaskStatus, ResultStatus) {
        (self.task.status, self.task.result.status)
    }

    fn touch(&mut self, now: Timestamp) {
        self.task.updated = not_before(now, Some(self.task.updated));
        self.task.revision += 1;
        self.changed = true;
    }
}

/// An event about `about` as it is after it.
pub(super) fn event(
    about: &Task,
    revision: i64,
    before: Option<(TaskStatus, ResultStatus)>,
    kind: EventKind,
) -> Event {
    // A creation tells of the task before the moves that follow it in the same commit.
    let after = match &kind {
        EventKind::TaskCreated(task) | EventKind::SubtaskAdded(task) => {
            (task.status, task.result.status)
        }
        EventKind::StatusChanged { .. }
        | EventKind::ResultChanged { .. }
        | EventKind::MessageAdded(_)
        | EventKind::BuildDataAdded(_)
        | EventKind::TaskFinished(_)
        | EventKind::TaskPurged(_) => (about.status, about.result.status),
    };
    Event {
        task_id: about.task_id,
        parent_task_id: about.parent_task_id,
        depth: about.depth,
        revision,
        subject: Subject {
            node_name: about.node_name.clone(),
            created: about.created,
            created_by: Arc::clone(&about.created_by),
            before,
            after,
        },
        kind,
    }
}

/// Adds nodes that ended in this commit to the lists read from the store: sorted, and bounded.
fn append_outcomes(detail: &mut Detail, outcomes: Vec<(ResultStatus, Arc<str>)>) {
    for (status, name) in outcomes {
        let list = match status {
            ResultStatus::Success => &mut detail.successes,
            ResultStatus::Failure => &mut detail.failures,
            ResultStatus::Incomplete | ResultStatus::PartialSuccess => continue,
        };
        let place = list.partition_point(|other| *other < name);
        list.insert(place, name);
        list.truncate(LIST_LIMIT);
    }
}

/// `now`, unless another replica's clock was ahead: a task's times do not run backwards.
fn not_before(now: Timestamp, earlier: Option<Timestamp>) -> Timestamp {
    earlier.map_or(now, |earlier| now.max(earlier))
}

/// The roots of a batch by id.
pub(super) type Roots = HashMap<TaskId, LockedRoot>;
