//! What a batch of writes makes of the roots it locked: rows and events, computed in memory.
//!
//! A write is applied whole or refused whole, and nothing here touches the database. The batch
//! carries out what this leaves behind and then numbers the events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::codec::relative;
use super::error::WriteError;
use super::row::{SubtaskRow, UpdateRow};
use super::write::{Change, ChangeKind, NewMessage, RootChange, Start, TreeWrite};
use crate::domain::ending::{self, Conclusion, Ending, Tally};
use crate::domain::event::{Event, EventKind, RootFacts, Subject};
use crate::domain::state::{Level, may_move};
use crate::domain::task::{LIST_LIMIT, MESSAGE_LIMIT, MESSAGE_LIST_LIMIT};
use crate::domain::{
    Cause, Detail, Message, Reason, ResultStatus, SERVICE_ACTOR, Task, TaskId, TaskStatus,
    Timestamp,
};
use crate::seeded::{Bug, seeded};

/// The most bytes of a message's text that are kept (api contract, "Sizes").
const MESSAGE_TEXT_LIMIT: usize = 8 << 10;

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

/// The rows that applied writes ask for.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) inserts: Vec<SubtaskRow>,
    pub(super) updates: Vec<UpdateRow>,
    pub(super) messages: Vec<MessageRow>,
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
            self.change(change, rows, &mut places);
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

    fn change(&mut self, change: &Change, rows: &mut Rows, places: &mut Vec<usize>) {
        let task = &change.task;
        rows.family.changes_added |= rows.family.added.contains(&task.task_id);
        match &change.kind {
            ChangeKind::Add => {
                self.add(change);
                self.count_running(None, task);
                self.say_all(change, rows, places);
                rows.family.added.insert(task.task_id);
                rows.family
                    .adopting
                    .extend(task.parent_task_id.filter(|_| task.depth > 1));
                rows.inserts.push(SubtaskRow::new(task));
            }
            ChangeKind::Update => {
                self.say_all(change, rows, places);
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

    /// Records the messages of a change about its subtask.
    fn say_all(&mut self, change: &Change, rows: &mut Rows, places: &mut Vec<usize>) {
        let after = u64::from(change.task.result.message_count);
        let before = after.saturating_sub(change.messages.len() as u64);
        // What is said with a move is said before it.
        let status = match &change.kind {
            ChangeKind::Move { from, .. } => *from,
            ChangeKind::Add | ChangeKind::Update => change.task.status,
        };
        let state = (status, ResultStatus::Incomplete);
        for (message, place) in change.messages.iter().zip(before..) {
            if let Some(message) = bounded(message, place) {
                places.push(self.record(&change.task, state, message, rows));
            }
        }
    }

    /// Records a message about the root itself.
    fn say(&mut self, message: &NewMessage, rows: &mut Rows) {
        let place = u64::from(self.task.result.message_count);
        self.say_at(place, message, rows);
    }

    fn say_at(&mut self, place: u64, message: &NewMessage, rows: &mut Rows) {
        self.task.result.message_count = self.task.result.message_count.saturating_add(1);
        self.said_now += 1;
        if message.error {
            self.task.result.error_count = self.task.result.error_count.saturating_add(1);
        }
        self.changed = true;
        let Some(message) = bounded(message, place) else {
            return;
        };
        let about = self.task.clone();
        let state = self.state();
        let index = self.record(&about, state, message, rows);
        if let EventKind::MessageAdded(message) = &self.events[index].kind {
            self.said.push(message.as_ref().clone());
            if self.said.len() > MESSAGE_LIST_LIMIT {
                self.said.remove(0);
            }
        }
    }

    fn record(
        &mut self,
        about: &Task,
        state: (TaskStatus, ResultStatus),
        mut message: Message,
        rows: &mut Rows,
    ) -> usize {
        let event = self.events.len();
        message.sequence = relative(event);
        rows.messages.push(MessageRow {
            root_task_id: self.task.task_id,
            task_id: about.task_id,
            event,
            message: message.clone(),
        });
        self.push(
            about,
            about.revision,
            Some(state),
            EventKind::MessageAdded(Box::new(message)),
        );
        self.events[event].subject.after = state;
        event
    }

    /// The messages of the events at `places`.
    fn recorded(&self, places: &[usize]) -> Vec<Message> {
        places
            .iter()
            .filter_map(|place| match &self.events[*place].kind {
                EventKind::MessageAdded(message) => Some(message.as_ref().clone()),
                EventKind::TaskCreated(_)
                | EventKind::StatusChanged { .. }
                | EventKind::SubtaskAdded(_)
                | EventKind::ResultChanged { .. }
                | EventKind::TaskFinished(_)
                | EventKind::TaskPurged(_) => None,
            })
            .collect()
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

/// Whether the state table has every move of `write`.
fn legal(write: &TreeWrite, root: TaskStatus) -> Result<(), WriteError> {
    let refuse = |text: String| Err(WriteError::Illegal(text));
    let (to, cause) = match &write.root {
        RootChange::None => (root, None),
        RootChange::Start(_) => (TaskStatus::Running, Some(Cause::Scheduler)),
        RootChange::TimeOut => (TaskStatus::Terminating, Some(Cause::Timeout)),
        RootChange::Finish(Ending::QueueTimeout) => (TaskStatus::Complete, Some(Cause::Timeout)),
        RootChange::Finish(Ending::Stopped) => (TaskStatus::Terminated, Some(Cause::Executor)),
        RootChange::Finish(Ending::Done | Ending::TimedOut | Ending::Failed(..)) => {
            (TaskStatus::Complete, Some(Cause::Executor))
        }
    };
    if let Some(cause) = cause
        && !may_move(Level::Root, root, to, cause)
    {
        return refuse(format!("a root may not go from {root} to {to} for {cause}"));
    }
    for change in &write.changes {
        let task = &change.task;
        let id = task.task_id;
        if task.root_task_id != write.root_task_id || task.parent_task_id.is_none() {
            return refuse(format!("task {id} is not below the root"));
        }
        match &change.kind {
            ChangeKind::Add => {
                // From the commit of a termination on, nothing is created below the root.
                if root != TaskStatus::Running
                    || !matches!(task.status, TaskStatus::Queued | TaskStatus::Running)
                {
                    return refuse(format!("task {id} may not be created {}", task.status));
                }
            }
            ChangeKind::Move { from, cause, .. } => {
                if !may_move(Level::Subtask, *from, task.status, *cause) {
                    return refuse(format!(
                        "task {id} may not go from {from} to {} for {cause}",
                        task.status
                    ));
                }
            }
            ChangeKind::Update => {
                if task.status.is_terminal() {
                    return refuse(format!("task {id} is {}", task.status));
                }
            }
        }
    }
    Ok(())
}

/// How many messages a change brings.
fn said(change: &Change) -> u32 {
    u32::try_from(change.messages.len()).unwrap_or(u32::MAX)
}

/// The message at `place` among its task's, as it is kept: none beyond the limit, and the first
/// beyond it says so. Long text is cut at a character border and marked.
fn bounded(message: &NewMessage, place: u64) -> Option<Message> {
    if place > MESSAGE_LIMIT {
        return None;
    }
    let mut kept = Message {
        sequence: 0,
        ts: message.ts,
        message: message.message.clone(),
        error: message.error,
        context_type: message.context_type.to_owned(),
        context: message.context.clone(),
        extra: message.extra.clone(),
    };
    if place == MESSAGE_LIMIT {
        kept.message = format!("further messages are counted but not kept (after {MESSAGE_LIMIT})");
        kept.error = false;
        kept.extra = serde_json::Map::new();
    } else if kept.message.len() > MESSAGE_TEXT_LIMIT {
        let cut = kept.message.floor_char_boundary(MESSAGE_TEXT_LIMIT);
        let lost = kept.message.len() - cut;
        kept.message.truncate(cut);
        kept.extra.insert("truncated_bytes".to_owned(), lost.into());
    }
    Some(kept)
}

/// Appends messages of this commit to those read from the store, keeping the newest.
pub(super) fn append_messages(messages: &mut Vec<Message>, said: Vec<Message>) {
    messages.extend(said);
    let surplus = messages.len().saturating_sub(MESSAGE_LIST_LIMIT);
    messages.drain(..surplus);
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
