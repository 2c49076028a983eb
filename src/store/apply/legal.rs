//! Which writes are legal at all.

use crate::domain::state::{Level, may_move};
use crate::domain::{Cause, Ending, TaskStatus};
use crate::store::error::WriteError;
use crate::store::write::{ChangeKind, RootChange, TreeWrite};

/// Whether the state table has every move of `write`.
pub(super) fn legal(write: &TreeWrite, root: TaskStatus) -> Result<(), WriteError> {
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
        if !change.build_data.is_empty() && task.node_name.is_none() {
            return refuse(format!("task {id} has build data and no node"));
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
