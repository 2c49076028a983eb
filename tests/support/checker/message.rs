//! What can be said about one message by itself.

use drydock::domain::{ResultStatus, TaskStatus};
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{Status, Task, TaskEvent};

/// The most names that a list in a task holds beside its count.
const LIST_LIMIT: usize = 1000;

/// Rule 4: every message has a token but snapshot and progress_changed.
pub(super) fn check_token(event: &TaskEvent, arm: &Arm) -> Result<(), String> {
    let without = matches!(arm, Arm::Snapshot(_) | Arm::ProgressChanged(_));
    match (without, event.resume_token.is_empty()) {
        (true, false) => Err("it has a resume_token".to_owned()),
        (false, true) => Err("it has no resume_token".to_owned()),
        (true, true) | (false, false) => Ok(()),
    }
}

/// The event and the task that it holds are about the same task.
pub(super) fn check_envelope(event: &TaskEvent, task: &Task) -> Result<(), String> {
    let outside = (
        &event.task_id,
        &event.root_task_id,
        &event.parent_task_id,
        event.revision,
    );
    let inside = (
        &task.task_id,
        &task.root_task_id,
        &task.parent_task_id,
        task.revision,
    );
    if outside != inside {
        return Err(format!(
            "the event is about {outside:?}, its task is {inside:?}"
        ));
    }
    Ok(())
}

pub(super) fn check_lists(outcome: &Status) -> Result<(), String> {
    for (names, count, what) in [
        (&outcome.successes, outcome.success_count, "successes"),
        (&outcome.failures, outcome.failure_count, "failures"),
    ] {
        let count = count.and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or_else(|| format!("the count of {what} is not set"))?;
        if names.len() != count.min(LIST_LIMIT) {
            return Err(format!(
                "{} {what} are listed, {count} counted",
                names.len()
            ));
        }
        if !names.is_sorted_by(|one, next| one < next) {
            return Err(format!("the {what} are not sorted"));
        }
    }
    match outcome
        .successes
        .iter()
        .find(|name| outcome.failures.contains(name))
    {
        Some(name) => Err(format!("node {name} succeeded and failed")),
        None => Ok(()),
    }
}

pub(super) fn status(number: i32) -> Result<TaskStatus, String> {
    let known = i16::try_from(number).ok().and_then(TaskStatus::from_number);
    known.ok_or_else(|| format!("status {number} is unknown"))
}

pub(super) fn result(number: i32) -> Result<ResultStatus, String> {
    let known = i16::try_from(number)
        .ok()
        .and_then(ResultStatus::from_number);
    known.ok_or_else(|| format!("result {number} is unknown"))
}

/// The name of what a message tells, as the contract spells it.
pub(crate) fn arm_name(event: &TaskEvent) -> &'static str {
    match &event.event {
        None => "nothing",
        Some(Arm::Snapshot(_)) => "snapshot",
        Some(Arm::SnapshotComplete(_)) => "snapshot_complete",
        Some(Arm::TaskCreated(_)) => "task_created",
        Some(Arm::StatusChanged(_)) => "status_changed",
        Some(Arm::SubtaskAdded(_)) => "subtask_added",
        Some(Arm::ResultChanged(_)) => "result_changed",
        Some(Arm::MessageAdded(_)) => "message_added",
        Some(Arm::ProgressChanged(_)) => "progress_changed",
        Some(Arm::BuildDataAdded(_)) => "build_data_added",
        Some(Arm::TaskFinished(_)) => "task_finished",
        Some(Arm::Heartbeat(_)) => "heartbeat",
        Some(Arm::TaskPurged(_)) => "task_purged",
    }
}

pub(super) fn describe(event: &TaskEvent) -> String {
    format!(
        "{} of task {} at sequence {}",
        arm_name(event),
        event.task_id,
        event.sequence
    )
}
