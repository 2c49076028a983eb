//! The rules of each kind of transition.

use drydock::domain::state::{Level, may_move};
use drydock::domain::{Cause, ResultStatus, TaskStatus};
use drydock::proto::v1::{
    BuildDataAdded, ResultChanged, Status, StatusChanged, StatusMessage, Task, TaskEvent,
};

use super::known::Known;
use super::message::{check_envelope, check_lists, result, status};
use super::watcher::{Check, Checker, Phase, Scope};

impl Checker {
    pub(super) fn task_created(&mut self, event: &TaskEvent, task: &Task) -> Check {
        check_envelope(event, task)?;
        if task.parent_task_id.is_some() {
            return Err("a task below another was created like a root".to_owned());
        }
        self.add(event, task)
    }

    pub(super) fn subtask_added(&mut self, event: &TaskEvent, task: &Task) -> Check {
        check_envelope(event, task)?;
        let parent_id = task.parent_task_id.as_ref().ok_or("it has no parent")?;
        let parent = self
            .tasks
            .get(parent_id)
            .ok_or("its parent was not added before")?;
        if parent.status != TaskStatus::Running {
            return Err(format!("its parent is {}", parent.status));
        }
        self.check_root_runs(&parent.root)?;
        let ordinal = task.ordinal.ok_or("it has no ordinal")?;
        if parent.below.ordinals.contains(&ordinal) {
            return Err(format!("its parent has a subtask {ordinal} already"));
        }
        self.add(event, task)
    }

    fn add(&mut self, event: &TaskEvent, task: &Task) -> Check {
        if self.tasks.contains_key(&event.task_id) {
            return Err("the task was added before".to_owned());
        }
        let known = Known::of(task)?;
        if known.status != TaskStatus::Requested {
            return Err(format!("a new task is {}", known.status));
        }
        self.insert(&event.task_id, known);
        Ok(())
    }

    pub(super) fn status_changed(&mut self, event: &TaskEvent, change: &StatusChanged) -> Check {
        let task = change.task.as_ref().ok_or("it holds no task")?;
        check_envelope(event, task)?;
        if task.status != change.status {
            return Err("the task it holds has another status".to_owned());
        }
        let (previous, status) = (status(change.previous_status)?, status(change.status)?);
        let cause = i16::try_from(change.cause)
            .ok()
            .and_then(Cause::from_number)
            .ok_or("its cause is unknown")?;
        let known = self.known(event)?;
        if known.finished.is_some() {
            return Err("the task is over".to_owned());
        }
        if previous != known.status {
            return Err(format!(
                "it leaves {previous}, the task was {}",
                known.status
            ));
        }
        let level = match known.parent {
            None => Level::Root,
            Some(_) => Level::Subtask,
        };
        if !may_move(level, previous, status, cause) {
            return Err(format!(
                "{level:?} may not go {previous} -> {status} by {cause}"
            ));
        }
        if event.revision <= known.revision {
            return Err(format!(
                "revision {} does not follow {}",
                event.revision, known.revision
            ));
        }
        if let Some(parent) = &known.parent
            && status == TaskStatus::Running
        {
            if self
                .tasks
                .get(parent)
                .is_some_and(|parent| parent.status != TaskStatus::Running)
            {
                return Err("its parent does not run".to_owned());
            }
            self.check_root_runs(&known.root)?;
        }
        if status.is_terminal() {
            let open = known.below.open;
            if open > 0 {
                return Err(format!("{open} tasks below it are not over"));
            }
        }
        let known = self.known_mut(event)?;
        known.status = status;
        known.revision = event.revision;
        Ok(())
    }

    /// Nothing is created or started below a root that is to stop.
    fn check_root_runs(&self, root: &str) -> Check {
        match self.tasks.get(root) {
            Some(root) if root.status != TaskStatus::Running => {
                Err(format!("the root is {}", root.status))
            }
            // A watch of a subtask does not see the root.
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn result_changed(&mut self, event: &TaskEvent, change: &ResultChanged) -> Check {
        let result = result(change.status)?;
        let known = self.known_mut(event)?;
        if !matches!(known.status, TaskStatus::Running | TaskStatus::Terminating) {
            return Err(format!("the task is {}", known.status));
        }
        if event.revision < known.revision {
            return Err(format!(
                "revision {} falls from {}",
                event.revision, known.revision
            ));
        }
        if (result, &change.reason) == (known.result, &known.reason) {
            return Err("neither status nor reason changed".to_owned());
        }
        known.revision = event.revision;
        known.result = result;
        known.reason.clone_from(&change.reason);
        Ok(())
    }

    pub(super) fn message_added(&mut self, event: &TaskEvent, message: &StatusMessage) -> Check {
        if message.sequence != event.sequence {
            return Err(format!("the message has sequence {}", message.sequence));
        }
        let known = self.known_mut(event)?;
        if known.finished.is_some() {
            return Err("the task is over".to_owned());
        }
        known.messages += 1;
        known.errors += i32::from(message.error.unwrap_or_default());
        Ok(())
    }

    pub(super) fn build_data_added(&self, event: &TaskEvent, added: &BuildDataAdded) -> Check {
        if self.known(event)?.finished.is_some() {
            return Err("the task is over".to_owned());
        }
        let data = added.build_data.as_ref().ok_or("it has no build data")?;
        if data.task_id != event.task_id {
            return Err(format!("it was collected by {}", data.task_id));
        }
        if data.node_name.is_empty() || data.generator.is_empty() || data.collected_date.is_none() {
            return Err("it does not say of what, by what or when".to_owned());
        }
        if !data.data_element.is_empty() {
            return Err("it has the element".to_owned());
        }
        Ok(())
    }

    pub(super) fn task_finished(&mut self, event: &TaskEvent, task: &Task) -> Check {
        check_envelope(event, task)?;
        let known = self.known(event)?;
        if known.finished.is_some() {
            return Err("the task is over".to_owned());
        }
        if !known.status.is_terminal() || status(task.status)? != known.status {
            return Err(format!("the task was {}", known.status));
        }
        let outcome = task.result.as_ref().ok_or("it has no result")?;
        let details = outcome
            .details
            .as_ref()
            .ok_or("its result has no details")?;
        if details.message_count != Some(known.messages) {
            let (counted, seen) = (details.message_count, known.messages);
            return Err(format!("it counts {counted:?} messages, {seen} were sent"));
        }
        if details.error_count != Some(known.errors) {
            let (counted, seen) = (details.error_count, known.errors);
            return Err(format!("it counts {counted:?} errors, {seen} were sent"));
        }
        check_lists(outcome)?;
        if known.parent.is_none() {
            check_root_result(known, task, outcome)?;
        }
        let result = result(outcome.status)?;
        let known = self.known_mut(event)?;
        known.result = result;
        known.finished = Some(event.sequence);
        let is_node = known.is_node;
        let parent = known.parent.clone();
        if let Some(parent) = parent.and_then(|parent| self.tasks.get_mut(&parent)) {
            parent.below.end(is_node, result);
        }
        if self.scope == Scope::Task(event.task_id.clone()) {
            self.phase = Phase::Ended;
        }
        Ok(())
    }
}

/// The result of a root is the fold of its nodes' results.
fn check_root_result(known: &Known, task: &Task, outcome: &Status) -> Check {
    let targets = usize::try_from(task.target_node_count.unwrap_or_default());
    let targets = targets.map_err(|_| "its target_node_count is negative")?;
    let below = &known.below;
    if targets == 0 || (below.nodes == 0 && !below.ordinals.is_empty()) {
        // No nodes in scope, or a site action.
        return Ok(());
    }
    let (succeeded, failed) = (below.succeeded, below.failed);
    let counted = [outcome.success_count, outcome.failure_count]
        .map(|count| count.and_then(|count| usize::try_from(count).ok()));
    if counted != [Some(succeeded), Some(failed)] {
        return Err(format!(
            "it counts {counted:?} successes and failures, its nodes had {succeeded} and {failed}"
        ));
    }
    let expected = match (succeeded, failed) {
        (0, 0) if known.status == TaskStatus::Terminated => ResultStatus::Incomplete,
        (0, _) => ResultStatus::Failure,
        (all, 0) if all == targets => ResultStatus::Success,
        (_, _) => ResultStatus::PartialSuccess,
    };
    let told = result(outcome.status)?;
    if told != expected {
        return Err(format!(
            "it is {told:?}, {succeeded} successes and {failed} failures of {targets} nodes make {expected:?}"
        ));
    }
    Ok(())
}
