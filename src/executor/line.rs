//! One line of steps: a node's plan, or the site's, from its first step to its end.
//!
//! Every step is durably running before its driver is called, and its outcome is durable before
//! the next one starts: a write ends a step and adds the next, or ends the line.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::message::About;
use super::outcome::StepResult;
use super::pen::{Halt, RUNNING};
use super::standing::Working;
use super::step::{Enter, Ran};
use super::subtask::{Edit, Subtask};
use super::terminate::Settled;
use super::tree::Tree;
use crate::clock;
use crate::domain::build_data::sort_out;
use crate::domain::plan::{self, Next, PlannedStep, StepEnd};
use crate::domain::{Cause, Reason, ResultStatus, Task, TaskId, TaskStatus, Timestamp};
use crate::store::{NewMessage, TreeWrite};

/// A line that this replica runs. It keeps what was committed last, so that any refused write
/// leaves it as the store has it.
pub(super) struct Line {
    pub(super) tree: Arc<Tree>,
    /// The node's place among the targets; 0 for the site.
    pub(super) index: u32,
    /// The node's name; none for the site.
    pub(super) name: Option<Arc<str>>,
    /// The node's subtask; none for the site, and before it was created.
    pub(super) node: Option<Subtask>,
    /// The step that runs.
    pub(super) step: Option<Subtask>,
    /// How the steps before it ended.
    pub(super) history: Vec<StepEnd>,
    /// Whether the step was found running, and how its owner left it.
    pub(super) enter: Enter,
    /// Whether the step is a vanished owner's and was not called by this one yet.
    pub(super) unmet: bool,
    /// Counts it among those that work; none while it only asks for its lock.
    pub(super) working: Option<Working>,
}

/// How a line ended, for the root's runner.
#[derive(Debug)]
pub(super) enum LineEnd {
    /// Its plan is through, or the stop found it so.
    Ended,
    /// The stop ended it.
    Stopped,
    /// Another root holds the node. Nothing was written.
    Busy(TaskId),
    /// The root is terminating and the line had not begun. Nothing was written.
    Unbegun,
    /// It was left as it stands, for a successor.
    Left,
    /// The tree is no longer ours.
    Gone,
    /// A defect.
    Broken(String),
}

/// What follows the end of a step.
enum Advance {
    /// The next step runs.
    Next,
    /// The line is through.
    Ended,
    /// Nothing more is begun here: the replica drains.
    Left,
}

impl Line {
    /// A line that has not begun. `node` is its subtask if it waits in the queue already.
    pub(super) fn new(
        tree: Arc<Tree>,
        index: u32,
        name: Option<Arc<str>>,
        node: Option<Subtask>,
    ) -> Self {
        Self {
            tree,
            index,
            name,
            node,
            step: None,
            history: Vec::new(),
            enter: Enter::Fresh,
            unmet: false,
            working: None,
        }
    }

    /// Runs the line to its end.
    pub(super) async fn run(mut self) -> LineEnd {
        match self.advance_to_end().await {
            Ok(end) => end,
            Err(Halt::Gone) => LineEnd::Gone,
            Err(Halt::Busy(holder)) => LineEnd::Busy(holder),
            Err(Halt::Stopping) => LineEnd::Unbegun,
            Err(Halt::Broken(problem)) => LineEnd::Broken(problem),
        }
    }

    async fn advance_to_end(&mut self) -> Result<LineEnd, Halt> {
        if self.step.is_none() {
            let begun = self.is_begun();
            match self.begin().await {
                Ok(Advance::Next) => {}
                Ok(Advance::Ended) => return Ok(LineEnd::Ended),
                Ok(Advance::Left) => return Ok(LineEnd::Left),
                Err(Halt::Stopping) if begun => return self.stop(None).await,
                Err(halt) => return Err(halt),
            }
        }
        loop {
            let result = match self.run_step().await? {
                Ran::Ended(result) => result,
                Ran::Left => return Ok(LineEnd::Left),
                Ran::Stopped(Settled::Left) => return Ok(LineEnd::Left),
                Ran::Stopped(settled) => return self.settle(settled).await,
            };
            match self.advance(&result).await {
                Ok(Advance::Next) => {}
                Ok(Advance::Ended) => return Ok(LineEnd::Ended),
                Ok(Advance::Left) => return Ok(LineEnd::Left),
                Err(Halt::Stopping) => return self.stop(Some(result)).await,
                Err(halt) => return Err(halt),
            }
        }
    }

    /// Counts the step as met: whatever its vanished owner was doing to it has been seen to.
    pub(super) fn meet(&mut self) {
        if std::mem::take(&mut self.unmet) {
            self.tree.unmet.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Whether anything of it runs: a stop must then wind it down.
    fn is_begun(&self) -> bool {
        !self.history.is_empty()
            || self
                .node
                .as_ref()
                .is_some_and(|node| node.task.status > TaskStatus::Queued)
    }

    /// One write that begins the line, or goes on where a drained owner left it between steps.
    async fn begin(&mut self) -> Result<Advance, Halt> {
        let tree = Arc::clone(&self.tree);
        if tree.stop.is_cancelled() {
            return Err(Halt::Stopping);
        }
        let planned = match plan::next(tree.root.action, &self.history) {
            Next::Step(planned) => planned,
            Next::Succeeded => return self.end_found(false).await,
            Next::Failed => return self.end_found(true).await,
        };
        if tree.leave.is_cancelled() {
            return Ok(Advance::Left);
        }
        let now = clock::now();
        let mut write = tree.pen.blank(now, RUNNING);
        let mut changes = Vec::with_capacity(2);
        let step = if let Some(name) = &self.name {
            let mut edit = match &self.node {
                None => Edit::new_node(&tree, self.index, name, TaskStatus::Running, now),
                Some(node) => node.edit(),
            };
            if edit.task.status == TaskStatus::Queued {
                edit.move_to(TaskStatus::Running, Cause::Executor, &tree.words.empty, now);
            }
            edit.task.subtask_count = self.ordinal() + 1;
            edit.task.current_step = Some(planned.kind);
            // A successor inherits the lock: it belongs to the root.
            if !self.is_begun() {
                write.lock = tree.lock(name);
            }
            let step = self.new_step(Some(&edit.task), self.ordinal(), planned, now);
            changes.push((edit, Slot::Node));
            step
        } else {
            self.new_step(None, self.ordinal(), planned, now)
        };
        changes.push((step, Slot::Fresh));
        let mut fresh = None;
        self.commit(&tree, write, changes, &mut fresh).await?;
        self.working.get_or_insert_with(|| tree.standing.work());
        self.step = fresh;
        self.enter = Enter::Fresh;
        Ok(Advance::Next)
    }

    /// One write that ends the step and adds the next, or ends the line.
    async fn advance(&mut self, result: &StepResult) -> Result<Advance, Halt> {
        let tree = Arc::clone(&self.tree);
        if tree.stop.is_cancelled() {
            return Err(Halt::Stopping);
        }
        let now = clock::now();
        let mut history = self.history.clone();
        history.push(result.end());
        let next = plan::next(tree.root.action, &history);
        let mut write = tree.pen.blank(now, RUNNING);

        let Some((step, failure)) = self.conclude_step(result, now) else {
            return Err(Halt::Broken("a step ended that does not run".to_owned()));
        };
        write.root_messages.extend(failure);
        let mut fresh = None;
        let mut changes = vec![(step, Slot::Current)];
        let mut last = false;
        let advance = match next {
            Next::Step(_) if tree.leave.is_cancelled() => Advance::Left,
            Next::Step(planned) => {
                let ordinal = self.ordinal() + 1;
                let node = self.node.as_ref();
                let step = self.new_step(node.map(|node| &node.task), ordinal, planned, now);
                if let Some(node) = node {
                    let mut edit = node.edit();
                    edit.task.subtask_count = ordinal + 1;
                    edit.task.current_step = Some(planned.kind);
                    changes.push((edit, Slot::Node));
                }
                changes.push((step, Slot::Fresh));
                Advance::Next
            }
            Next::Succeeded | Next::Failed => {
                let failed = next == Next::Failed;
                if let Some(node) = &self.node {
                    let mut edit = node.edit();
                    self.conclude_node(&mut edit, failed, result.node_reason(), now);
                    changes.push((edit, Slot::Node));
                    write.unlock = self.name.as_ref().and_then(|name| tree.lock(name));
                }
                last = tree.end_if_last(&mut write);
                Advance::Ended
            }
        };
        self.commit(&tree, write, changes, &mut fresh).await?;
        tree.ended.store(last, Ordering::Release);
        tree.pen.progressed.store(true, Ordering::Relaxed);
        self.history = history;
        self.enter = Enter::Fresh;
        self.step = fresh;
        Ok(advance)
    }

    /// Ends a line that was found with its plan through.
    async fn end_found(&mut self, failed: bool) -> Result<Advance, Halt> {
        let tree = Arc::clone(&self.tree);
        let Some(node) = &self.node else {
            return Ok(Advance::Ended);
        };
        let now = clock::now();
        let mut edit = node.edit();
        self.conclude_node(&mut edit, failed, Reason::NodeFailures, now);
        let mut write = tree.pen.blank(now, RUNNING);
        write.unlock = self.name.as_ref().and_then(|name| tree.lock(name));
        let last = tree.end_if_last(&mut write);
        let mut none = None;
        self.commit(&tree, write, vec![(edit, Slot::Node)], &mut none)
            .await?;
        tree.ended.store(last, Ordering::Release);
        Ok(Advance::Ended)
    }

    /// The edit that completes the step, and what to say about it on the root.
    pub(super) fn conclude_step(
        &self,
        result: &StepResult,
        now: Timestamp,
    ) -> Option<(Edit, Option<NewMessage>)> {
        let tree = &self.tree;
        let step = self.step.as_ref()?;
        let mut edit = step.edit();
        edit.move_to(TaskStatus::Complete, result.cause(), &tree.words.empty, now);
        let about = self.about();
        let planned = self.planned();
        let advisory = planned.is_some_and(|planned| planned.advisory);
        let kind = step.task.step.map_or("step", |kind| kind.token());
        let mut failure = None;
        match result {
            StepResult::Succeeded(report) => {
                let text = match &report.message {
                    Some(text) => {
                        edit.say(about.say(now, text.clone(), false, report.extra.clone()));
                        Arc::from(text.as_str())
                    }
                    None => Arc::clone(&tree.words.done),
                };
                let (kept, not_kept) = sort_out(&report.build_data, self.name.is_some());
                edit.collect(kept);
                for item in not_kept {
                    edit.say(about.note(now, item.to_string()));
                }
                edit.conclude(ResultStatus::Success, Reason::None, text);
            }
            StepResult::Failed { reason, text, .. } => {
                let text = format!("{kind}: {text}");
                if advisory {
                    edit.say(about.note(now, text.as_str()));
                } else {
                    edit.say(about.error(now, text.as_str()));
                    failure = Some(about.error(now, text.as_str()));
                }
                edit.conclude(ResultStatus::Failure, *reason, Arc::from(text));
            }
        }
        Some((edit, failure))
    }

    /// Completes the node in `edit`.
    pub(super) fn conclude_node(
        &self,
        edit: &mut Edit,
        failed: bool,
        reason: Reason,
        now: Timestamp,
    ) {
        let words = &self.tree.words;
        edit.move_to(TaskStatus::Complete, Cause::Executor, &words.empty, now);
        if failed {
            let step = self.step.as_ref().and_then(|step| step.task.step);
            let text = format!("{} failed", step.map_or("a step", |kind| kind.token()));
            edit.conclude(ResultStatus::Failure, reason, Arc::from(text));
        } else {
            edit.conclude(ResultStatus::Success, Reason::None, Arc::clone(&words.done));
        }
    }

    /// Commits edits of the node, the step and a fresh step.
    pub(super) async fn commit(
        &mut self,
        tree: &Tree,
        write: TreeWrite,
        edits: Vec<(Edit, Slot)>,
        fresh: &mut Option<Subtask>,
    ) -> Result<(), Halt> {
        let (mut node, mut step, mut fresh) =
            (Some(&mut self.node), Some(&mut self.step), Some(fresh));
        let mut placed = Vec::with_capacity(edits.len());
        for (edit, slot) in edits {
            let place = match slot {
                Slot::Node => node.take(),
                Slot::Current => step.take(),
                Slot::Fresh => fresh.take(),
            };
            match place {
                Some(place) => placed.push((place, edit)),
                None => return Err(Halt::Broken("two edits of one subtask".to_owned())),
            }
        }
        tree.commit(write, placed).await
    }

    /// The plan's entry for the step that runs.
    pub(super) fn planned(&self) -> Option<PlannedStep> {
        plan::at(self.tree.root.action, &self.history)
    }

    /// What messages of this line are about.
    pub(super) fn about(&self) -> About<'_> {
        match &self.name {
            Some(name) => About::node(name),
            None => About::site(&self.tree.site),
        }
    }

    /// The place of the step that runs, or of the next: the steps before it are the history.
    fn ordinal(&self) -> u32 {
        u32::try_from(self.history.len()).unwrap_or(u32::MAX)
    }

    fn new_step(
        &self,
        node: Option<&Task>,
        ordinal: u32,
        planned: PlannedStep,
        now: Timestamp,
    ) -> Edit {
        let timeout = self.tree.options.step_timeout(planned.kind);
        Edit::new_step(&self.tree, node, ordinal, planned.kind, timeout, now)
    }
}

/// Which of a line's subtasks an edit is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Node,
    Current,
    Fresh,
}
