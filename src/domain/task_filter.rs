//! The task filter: one type and one meaning for listing and for watching.

use std::collections::BTreeMap;

use super::action::Action;
use super::event::{Event, RootFacts};
use super::id::TaskId;
use super::result::ResultStatus;
use super::state::TaskStatus;
use super::task::{Task, Timestamp};

/// Which tasks a list or a watch is about. AND across fields, OR inside a list; an empty list or
/// an unset field asks nothing; the default filter matches every task, subtasks included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TaskFilter {
    /// Any of these statuses.
    pub status: Vec<TaskStatus>,
    /// Any of these actions.
    pub action: Vec<Action>,
    /// Any of these outcomes.
    pub result_status: Vec<ResultStatus>,
    /// Created by this actor.
    pub created_by: Option<String>,
    /// Created at or after this moment.
    pub created_after: Option<Timestamp>,
    /// Created before this moment.
    pub created_before: Option<Timestamp>,
    /// Direct children of this task.
    pub parent_task_id: Option<TaskId>,
    /// Tasks of this tree, the root included.
    pub root_task_id: Option<TaskId>,
    /// Only roots.
    pub roots_only: bool,
    /// Subtasks of this node.
    pub node_name: Option<String>,
    /// Trees on this design.
    pub design_ref: Option<String>,
    /// Trees whose root has all of these labels.
    pub labels: BTreeMap<String, String>,
}

/// The properties a filter looks at.
struct Properties<'a> {
    task_id: TaskId,
    root_task_id: TaskId,
    parent_task_id: Option<TaskId>,
    action: Action,
    created: Timestamp,
    created_by: &'a str,
    node_name: Option<&'a str>,
    design_ref: &'a str,
    labels: &'a BTreeMap<String, String>,
}

impl TaskFilter {
    /// Whether `task` is one of those asked for.
    pub fn matches(&self, task: &Task) -> bool {
        self.matches_state(task.status, task.result.status)
            && self.matches_properties(&Properties {
                task_id: task.task_id,
                root_task_id: task.root_task_id,
                parent_task_id: task.parent_task_id,
                action: task.action,
                created: task.created,
                created_by: &task.created_by,
                node_name: task.node_name.as_deref(),
                design_ref: &task.design_ref,
                labels: &task.labels,
            })
    }

    /// Whether the event's task was asked for before the event or is after it (api contract,
    /// streams, rule 9): so that a watcher of a status also sees tasks leave it.
    pub fn matches_event(&self, root_task_id: TaskId, facts: &RootFacts, event: &Event) -> bool {
        let subject = &event.subject;
        let (status, result) = subject.after;
        let state = self.matches_state(status, result)
            || subject
                .before
                .is_some_and(|(status, result)| self.matches_state(status, result));
        state
            && self.matches_properties(&Properties {
                task_id: event.task_id,
                root_task_id,
                parent_task_id: event.parent_task_id,
                action: facts.action,
                created: subject.created,
                created_by: &subject.created_by,
                node_name: subject.node_name.as_deref(),
                design_ref: &facts.design_ref,
                labels: &facts.labels,
            })
    }

    fn matches_state(&self, status: TaskStatus, result: ResultStatus) -> bool {
        (self.status.is_empty() || self.status.contains(&status))
            && (self.result_status.is_empty() || self.result_status.contains(&result))
    }

    fn matches_properties(&self, task: &Properties<'_>) -> bool {
        fn wants<T: PartialEq + ?Sized>(wanted: Option<&T>, actual: Option<&T>) -> bool {
            wanted.is_none() || wanted == actual
        }
        (self.action.is_empty() || self.action.contains(&task.action))
            && wants(self.created_by.as_deref(), Some(task.created_by))
            && self.created_after.is_none_or(|after| task.created >= after)
            && self
                .created_before
                .is_none_or(|before| task.created < before)
            && wants(self.parent_task_id.as_ref(), task.parent_task_id.as_ref())
            && wants(self.root_task_id.as_ref(), Some(&task.root_task_id))
            && (!self.roots_only || task.task_id == task.root_task_id)
            && wants(self.node_name.as_deref(), task.node_name)
            && wants(self.design_ref.as_deref(), Some(task.design_ref))
            && self
                .labels
                .iter()
                .all(|(key, value)| task.labels.get(key) == Some(value))
    }
}
