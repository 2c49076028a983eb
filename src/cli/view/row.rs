//! A row of the tree: a node with its steps, or a step that stands directly below the task.

use crate::cli::line::{name, plain};
use crate::cli::token;
use crate::domain::plan::PlannedStep;
use crate::proto::v1::{ResultStatus, Task, TaskStatus};

/// Where a row is in its life, as far as a person cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Running,
    Succeeded,
    Failed,
    /// It ended without an outcome.
    Stopped,
}

impl State {
    pub(super) const ALL: [Self; 5] = [
        Self::Waiting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Stopped,
    ];

    /// The state of a task that has a row.
    pub(super) fn of(task: &Task) -> Self {
        match task.status() {
            TaskStatus::Unspecified | TaskStatus::Requested | TaskStatus::Queued => Self::Waiting,
            TaskStatus::Running | TaskStatus::Terminating => Self::Running,
            TaskStatus::Complete | TaskStatus::Terminated => match outcome(task) {
                ResultStatus::Success => Self::Succeeded,
                ResultStatus::Failure | ResultStatus::PartialSuccess => Self::Failed,
                ResultStatus::Unspecified | ResultStatus::Incomplete => Self::Stopped,
            },
        }
    }

    pub(super) fn is_final(self) -> bool {
        match self {
            Self::Waiting | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Stopped => true,
        }
    }
}

/// What failed, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Failure {
    /// The step; empty where the failure is of no step.
    pub(super) step: String,
    /// In words.
    pub(super) why: String,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) ordinal: i32,
    pub(super) state: State,
    /// The step that runs, or ran last.
    pub(super) step: String,
    /// When that step began, in microseconds since 1970.
    pub(super) step_began_us: Option<i64>,
    /// Steps that are behind the row, of those its plan has.
    pub(super) steps_done: usize,
    /// What was said last about the step that runs.
    pub(super) note: String,
    pub(super) failure: Option<Failure>,
}

impl Row {
    pub(super) fn new(task: &Task) -> Self {
        let mut row = Self {
            name: plain(&name(task)),
            ordinal: task.ordinal.unwrap_or_default(),
            state: State::Waiting,
            step: String::new(),
            step_began_us: None,
            steps_done: 0,
            note: String::new(),
            failure: None,
        };
        row.update(task);
        row
    }

    /// Takes what its own task says.
    pub(super) fn update(&mut self, task: &Task) {
        self.state = State::of(task);
        if !task.step.is_empty() {
            self.step_began_us = task.started.as_ref().map(micros);
        }
        // A node only knows that a step failed; the step knows why.
        if self.state == State::Failed && self.failure.is_none() {
            self.failure = Some(failure(task));
        }
        if self.state.is_final() {
            self.note.clear();
        }
    }

    /// Takes what the task of one of its steps says.
    pub(super) fn update_step(&mut self, task: &Task, plan: &[PlannedStep]) {
        let position = position(task, plan);
        match State::of(task) {
            State::Waiting => {}
            State::Running => {
                if self.step != task.step {
                    self.note.clear();
                }
                self.step.clone_from(&task.step);
                self.step_began_us = task.started.as_ref().map(micros);
                self.steps_done = position;
            }
            State::Succeeded => self.steps_done = self.steps_done.max(position + 1),
            State::Failed if plan.get(position).is_some_and(|step| step.advisory) => {
                self.steps_done = self.steps_done.max(position + 1);
            }
            State::Failed => {
                self.step.clone_from(&task.step);
                self.steps_done = position;
                self.failure = Some(failure(task));
            }
            State::Stopped => self.step.clone_from(&task.step),
        }
    }
}

/// Where in its plan a step stands. A kind that is there twice is told apart by the number of steps
/// before it, which is never more than the plan has.
fn position(task: &Task, plan: &[PlannedStep]) -> usize {
    let ordinal = usize::try_from(task.ordinal.unwrap_or_default()).unwrap_or_default();
    plan.iter()
        .enumerate()
        .skip(ordinal)
        .find(|(_, step)| step.kind.token() == task.step)
        .map_or(ordinal, |(position, _)| position)
}

fn failure(task: &Task) -> Failure {
    let result = task.result.clone().unwrap_or_default();
    let why = plain(&result.message);
    // The message of a step begins with its name, which is told apart here.
    let why = why
        .strip_prefix(&format!("{}: ", task.step))
        .unwrap_or(&why);
    let why = match (why, result.reason.as_str()) {
        ("", reason) => reason,
        (why, _) => why,
    };
    Failure {
        step: task.step.clone(),
        why: why.to_owned(),
    }
}

/// The outcome of a task, as far as it is known.
pub(super) fn outcome(task: &Task) -> ResultStatus {
    task.result
        .as_ref()
        .map_or(ResultStatus::Incomplete, |result| result.status())
}

/// The outcome of a task as documents spell it.
pub(super) fn outcome_token(task: &Task) -> String {
    token::of::<ResultStatus>(outcome(task).into())
}

pub(super) fn micros(at: &prost_types::Timestamp) -> i64 {
    at.seconds
        .saturating_mul(1_000_000)
        .saturating_add(i64::from(at.nanos / 1_000))
}
