//! Subtasks as the executor holds them: what was committed last, and the edit to commit next.

use std::sync::Arc;
use std::time::Duration;

use super::message::shortened;
use super::tree::Tree;
use crate::domain::task::{LIST_LIMIT, MESSAGE_LIST_LIMIT};
use crate::domain::{
    Cause, Collected, Detail, Message, Outcome, Reason, ResultStatus, SERVICE_ACTOR, StepKind,
    Task, TaskStatus, Timestamp,
};
use crate::store::{Change, ChangeKind, NewMessage};

/// The revision of a subtask that was created queued, and of one that was created running: the
/// first counts its request, each move one more.
const QUEUED_REVISION: i64 = 2;
const RUNNING_REVISION: i64 = 3;

/// A subtask as it was committed last, with its newest messages.
#[derive(Debug)]
pub(super) struct Subtask {
    pub(super) task: Task,
    pub(super) said: Vec<Message>,
}

/// A change of one subtask that is not yet committed.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) task: Task,
    kind: ChangeKind,
    messages: Vec<NewMessage>,
    build_data: Vec<Collected>,
}

impl Subtask {
    /// A subtask as the store gave it.
    pub(super) fn found(mut task: Task) -> Self {
        let said = task.detail.take().map(|detail| detail.messages);
        Self {
            task,
            said: said.unwrap_or_default(),
        }
    }

    /// Whether its newest messages are all here.
    pub(super) fn remembers(&self) -> bool {
        let count = usize::try_from(self.task.result.message_count).unwrap_or(usize::MAX);
        self.said.len() >= count.min(MESSAGE_LIST_LIMIT)
    }

    /// Begins an edit.
    pub(super) fn edit(&self) -> Edit {
        Edit {
            task: self.task.clone(),
            kind: ChangeKind::Update,
            messages: Vec::new(),
            build_data: Vec::new(),
        }
    }

    /// Takes over a committed edit. `sequences` runs over all messages of the write.
    pub(super) fn commit(&mut self, edit: Edit, sequences: &mut impl Iterator<Item = i64>) {
        self.task = edit.task;
        for (message, sequence) in edit.messages.into_iter().zip(sequences) {
            if self.said.len() == MESSAGE_LIST_LIMIT {
                self.said.remove(0);
            }
            self.said.push(numbered(message, sequence));
        }
    }

    /// The newly created subtask of a committed edit.
    pub(super) fn created(edit: Edit, sequences: &mut impl Iterator<Item = i64>) -> Self {
        let mut subtask = Self {
            task: edit.task.clone(),
            said: Vec::new(),
        };
        subtask.commit(edit, sequences);
        subtask
    }
}

impl Edit {
    /// A new node subtask, queued or running.
    pub(super) fn new_node(
        tree: &Tree,
        index: u32,
        name: &Arc<str>,
        status: TaskStatus,
        now: Timestamp,
    ) -> Self {
        let mut task = blank(tree, &tree.root, index, status, now);
        task.node_name = Some(Arc::clone(name));
        task.timeout = tree.root.timeout;
        task.target_node_count = 1;
        Self::add(task)
    }

    /// A new step, running: below a node, or below the root for a step of the site.
    pub(super) fn new_step(
        tree: &Tree,
        node: Option<&Task>,
        ordinal: u32,
        step: StepKind,
        timeout: Duration,
        now: Timestamp,
    ) -> Self {
        let parent = node.unwrap_or(&tree.root);
        let mut task = blank(tree, parent, ordinal, TaskStatus::Running, now);
        task.node_name = parent.node_name.clone();
        task.step = Some(step);
        task.timeout = timeout;
        task.target_node_count = u32::from(task.node_name.is_some());
        Self::add(task)
    }

    fn add(task: Task) -> Self {
        Self {
            task,
            kind: ChangeKind::Add,
            messages: Vec::new(),
            build_data: Vec::new(),
        }
    }

    /// Moves the subtask. One move an edit.
    pub(super) fn move_to(
        &mut self,
        status: TaskStatus,
        cause: Cause,
        reason: &Arc<str>,
        now: Timestamp,
    ) {
        let task = &mut self.task;
        self.kind = ChangeKind::Move {
            from: task.status,
            cause,
            reason: Arc::clone(reason),
        };
        task.status = status;
        task.updated = now;
        task.revision += 1;
        if status == TaskStatus::Running {
            task.started = Some(now);
        }
        if status.is_terminal() {
            task.completed = Some(now);
            task.current_step = None;
        }
        if cause == Cause::Parent && task.terminated.is_none() {
            task.terminated = Some(now);
            task.terminated_by = Some(Arc::from(SERVICE_ACTOR));
        }
    }

    /// Sets the outcome, in the edit that also moves the subtask: its reason is why it moves.
    pub(super) fn conclude(&mut self, status: ResultStatus, reason: Reason, message: Arc<str>) {
        if let ChangeKind::Move { reason: why, .. } = &mut self.kind
            && reason != Reason::None
        {
            *why = Arc::from(reason.token());
        }
        let counts_node = self.task.node_name.is_some();
        let result = &mut self.task.result;
        result.status = status;
        result.reason = reason;
        result.message = shortened(message);
        if counts_node {
            result.succeeded = u32::from(status == ResultStatus::Success);
            result.failed = u32::from(status == ResultStatus::Failure);
        }
    }

    /// Says something about the subtask.
    pub(super) fn say(&mut self, message: NewMessage) {
        let result = &mut self.task.result;
        result.message_count = result.message_count.saturating_add(1);
        result.error_count = result.error_count.saturating_add(u32::from(message.error));
        self.messages.push(message);
    }

    /// Adds what was found out about the node.
    pub(super) fn collect(&mut self, collected: Vec<Collected>) {
        self.build_data.extend(collected);
    }

    /// The change to write. `said` are the messages said before.
    pub(super) fn change(&self, said: &[Message]) -> Change {
        let mut task = Box::new(self.task.clone());
        if task.status.is_terminal() {
            task.detail = Some(Box::new(self.detail(said)));
        }
        Change {
            kind: self.kind.clone(),
            task,
            messages: self.messages.clone(),
            build_data: self.build_data.clone(),
        }
    }

    fn detail(&self, said: &[Message]) -> Detail {
        let task = &self.task;
        let node: Vec<Arc<str>> = task.node_name.iter().cloned().collect();
        let only_if = |wanted: ResultStatus| {
            if task.result.status == wanted {
                node.clone()
            } else {
                Vec::new()
            }
        };
        let children = task.subtask_count.min(LIST_LIMIT as u32);
        let new = self.messages.iter().cloned();
        // The store numbers them when it commits: a sequence of 0 is the next unsaved message.
        let mut messages: Vec<Message> = said.to_vec();
        messages.extend(new.map(|message| numbered(message, 0)));
        let surplus = messages.len().saturating_sub(MESSAGE_LIST_LIMIT);
        messages.drain(..surplus);
        Detail {
            node_filter: None,
            subtask_ids: (0..children).map(|at| task.task_id.child(at)).collect(),
            successes: only_if(ResultStatus::Success),
            failures: only_if(ResultStatus::Failure),
            target_nodes: node,
            messages,
        }
    }
}

fn numbered(message: NewMessage, sequence: i64) -> Message {
    Message {
        sequence,
        ts: message.ts,
        message: message.message,
        error: message.error,
        context_type: message.context_type.to_owned(),
        context: message.context,
        extra: message.extra,
    }
}

/// A subtask with everything that it has from its tree.
fn blank(tree: &Tree, parent: &Task, ordinal: u32, status: TaskStatus, now: Timestamp) -> Task {
    let root = &tree.root;
    let running = status == TaskStatus::Running;
    Task {
        task_id: parent.task_id.child(ordinal),
        root_task_id: root.task_id,
        parent_task_id: Some(parent.task_id),
        depth: parent.depth + 1,
        ordinal,
        action: root.action,
        status,
        node_name: None,
        step: None,
        created: now,
        created_by: Arc::clone(&tree.words.service),
        updated: now,
        started: running.then_some(now),
        completed: None,
        heartbeat: None,
        terminated: None,
        terminated_by: None,
        termination_reason: None,
        timeout: root.timeout,
        revision: if running {
            RUNNING_REVISION
        } else {
            QUEUED_REVISION
        },
        retry: 0,
        retry_of_task_id: None,
        correlation_id: root.correlation_id.clone(),
        design_ref: Arc::clone(&root.design_ref),
        labels: Arc::clone(&root.labels),
        design_digest: root.design_digest.clone(),
        result: Outcome {
            message: Arc::clone(&tree.words.empty),
            ..Outcome::default()
        },
        subtask_count: 0,
        target_node_count: 0,
        current_step: None,
        detail: None,
    }
}
