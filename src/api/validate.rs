//! Requests as the use cases want them: every rule of their shape is checked here, before anything is
//! looked up, and everything that is wrong is told at once.

use std::sync::Arc;
use std::time::Duration;

use prost_types::Duration as ProtoDuration;

use super::enums;
use super::fields;
use super::filters::{node_filter, task_filter};
use super::requests::{
    Create, Delivery, GetTree, List, ListMessages, Resolve, Terminate, WatchMany, WatchOne,
};
use super::violations::{Check, Violations};
use crate::domain::{RequestId, TaskId};
use crate::proto::v1;
use crate::store::{Order, View};
use crate::tasks::read::MessagesOf;
use crate::tasks::{PurgeRequest, RetryRequest, RetryScope, Submission, WatchStart};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MIN_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(7 * DAY.as_secs());
const MIN_HEARTBEAT: Duration = Duration::from_secs(5);
const MAX_HEARTBEAT: Duration = Duration::from_secs(240);
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(20);
/// The longest wait, and the one where the request names none.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The oldest that a purge can ask for: a century, which every clock can count back.
const MAX_AGE: Duration = Duration::from_secs(36_500 * DAY.as_secs());
/// The most labels of a task.
pub(super) const MAX_TASK_LABELS: usize = 32;
/// The longest reason of a termination, in bytes.
const MAX_REASON: usize = 1024;
/// Tasks on a page where the request does not say, and at most.
const TASK_PAGE: (usize, usize) = (50, 500);
/// Messages and nodes on a page where the request does not say, and at most: both are small.
const SMALL_PAGE: (usize, usize) = (100, 1000);

/// Checks a design reference by its text; the error is the rule it breaks.
pub(super) type CheckDesignRef<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// Reads CreateTask.
pub(super) fn create_task(
    mut check: Check,
    request: v1::CreateTaskRequest,
    check_design_ref: CheckDesignRef<'_>,
) -> Result<Create, Violations> {
    let action = fields::known(&mut check, "action", request.action, enums::action);
    let design_ref = design_ref(&mut check, request.design_ref, check_design_ref);
    let node_filter = node_filter(&mut check, request.node_filter);
    let request_id = request_id(&mut check, &request.request_id);
    let timeout = optional(request.timeout, |timeout| {
        fields::duration(&mut check, "timeout", &timeout, MIN_TIMEOUT, MAX_TIMEOUT)
    });
    let labels = fields::labels(&mut check, "labels", request.labels, MAX_TASK_LABELS);
    let read = || {
        Some(Create {
            submission: Submission {
                action: action?,
                design_ref: design_ref?,
                node_filter: node_filter?,
                timeout: timeout?,
                labels: labels?,
                request_id: request_id?,
            },
            validate_only: request.validate_only,
        })
    };
    let read = read();
    check.finish(read)
}

/// Reads GetTask.
pub(super) fn get_task(request: &v1::GetTaskRequest) -> Result<(TaskId, View), Violations> {
    let mut check = Check::default();
    let task_id = task_id(&mut check, &request.task_id);
    let view = view(&mut check, request.view, View::Full);
    check.finish(task_id.zip(view))
}

/// Reads GetTaskTree.
pub(super) fn get_task_tree(request: &v1::GetTaskTreeRequest) -> Result<GetTree, Violations> {
    let mut check = Check::default();
    let task_id = task_id(&mut check, &request.task_id);
    let max_depth = fields::max_depth(&mut check, request.max_depth);
    let view = view(&mut check, request.view, View::Full);
    let read = || {
        Some(GetTree {
            task_id: task_id?,
            max_depth: max_depth?,
            view: view?,
        })
    };
    check.finish(read())
}

/// Reads ListTasks, but for its page token.
pub(super) fn list_tasks(request: v1::ListTasksRequest) -> Result<List, Violations> {
    let mut check = Check::default();
    let (unset, most) = TASK_PAGE;
    let page_size = fields::page_size(&mut check, request.page_size, unset, most);
    let filter = task_filter(&mut check, request.filter.unwrap_or_default());
    let order = match request.order_by.as_str() {
        "" | "created desc" => Some(Order::CreatedDescending),
        "created" => Some(Order::CreatedAscending),
        // Where the filter itself is wrong, that is told instead.
        "updated desc" if filter.as_ref().is_none_or(|filter| filter.roots_only) => {
            Some(Order::UpdatedDescending)
        }
        "updated desc" => {
            check.refuse("order_by", "`updated desc` needs filter.roots_only");
            None
        }
        _unknown => {
            check.refuse(
                "order_by",
                "must be `created desc`, `created` or `updated desc`",
            );
            None
        }
    };
    let view = view(&mut check, request.view, View::Basic);
    let read = || {
        Some(List {
            filter: Arc::new(filter?),
            order: order?,
            page_size: page_size?,
            view: view?,
        })
    };
    let read = read();
    check.finish(read)
}

/// Reads ListTaskMessages, but for its page token.
pub(super) fn list_task_messages(
    request: &v1::ListTaskMessagesRequest,
) -> Result<ListMessages, Violations> {
    let mut check = Check::default();
    let task_id = task_id(&mut check, &request.task_id);
    let (unset, most) = SMALL_PAGE;
    let page_size = fields::page_size(&mut check, request.page_size, unset, most);
    let read = || {
        Some(ListMessages {
            of: MessagesOf {
                task_id: task_id?,
                include_subtasks: request.include_subtasks,
                errors_only: request.errors_only,
            },
            page_size: page_size?,
        })
    };
    check.finish(read())
}

/// Reads WatchTask, but for what its resume token says.
pub(super) fn watch_task(request: v1::WatchTaskRequest) -> Result<WatchOne, Violations> {
    let mut check = Check::default();
    let task_id = task_id(&mut check, &request.task_id);
    let max_depth = fields::max_depth(&mut check, request.max_depth);
    let heartbeat_interval = heartbeat_interval(&mut check, request.heartbeat_interval);
    let read = || {
        Some(WatchOne {
            task_id: task_id?,
            max_depth: if request.include_subtasks.unwrap_or(true) {
                max_depth?
            } else {
                max_depth.map(|_| Some(0))?
            },
            delivery: Delivery {
                start: resume_or(request.resume_token, WatchStart::Snapshot),
                include_messages: request.include_messages.unwrap_or(true),
                heartbeat_interval: heartbeat_interval?,
            },
        })
    };
    let read = read();
    check.finish(read)
}

/// Reads WatchTasks, but for what its resume token says.
pub(super) fn watch_tasks(request: v1::WatchTasksRequest) -> Result<WatchMany, Violations> {
    let mut check = Check::default();
    let filter = task_filter(&mut check, request.filter.unwrap_or_default());
    if request.start != 0 && !request.resume_token.is_empty() {
        check.refuse("resume_token", "must be empty where start is set");
    }
    let start = fields::known_or(
        &mut check,
        "start",
        request.start,
        WatchStart::Snapshot,
        enums::watch_start,
    );
    let heartbeat_interval = heartbeat_interval(&mut check, request.heartbeat_interval);
    let read = || {
        Some(WatchMany {
            filter: Arc::new(filter?),
            delivery: Delivery {
                start: resume_or(request.resume_token, start?),
                include_messages: request.include_messages.unwrap_or(false),
                heartbeat_interval: heartbeat_interval?,
            },
        })
    };
    let read = read();
    check.finish(read)
}

/// Reads WaitTask.
pub(super) fn wait_task(request: &v1::WaitTaskRequest) -> Result<(TaskId, Duration), Violations> {
    let mut check = Check::default();
    let task_id = task_id(&mut check, &request.task_id);
    let timeout = optional(request.timeout, |timeout| {
        fields::duration(&mut check, "timeout", &timeout, Duration::ZERO, MAX_WAIT)
    });
    let timeout = timeout.map(|timeout| timeout.unwrap_or(MAX_WAIT));
    check.finish(task_id.zip(timeout))
}

/// Reads TerminateTask.
pub(super) fn terminate_task(
    mut check: Check,
    request: v1::TerminateTaskRequest,
) -> Result<Terminate, Violations> {
    let task_id = task_id(&mut check, &request.task_id);
    let valid = fields::text(&mut check, "reason", &request.reason, MAX_REASON).is_some();
    let read = || {
        Some(Terminate {
            task_id: task_id?,
            reason: valid.then_some(request.reason)?,
            expected_revision: request.expected_revision,
        })
    };
    let read = read();
    check.finish(read)
}

/// Reads RetryTask.
pub(super) fn retry_task(
    mut check: Check,
    request: &v1::RetryTaskRequest,
) -> Result<RetryRequest, Violations> {
    let task_id = task_id(&mut check, &request.task_id);
    let request_id = request_id(&mut check, &request.request_id);
    let scope = fields::known_or(
        &mut check,
        "scope",
        request.scope,
        RetryScope::FailedNodes,
        enums::retry_scope,
    );
    let read = || {
        Some(RetryRequest {
            task_id: task_id?,
            scope: scope?,
            request_id: request_id?,
        })
    };
    check.finish(read())
}

/// Reads PurgeTasks.
pub(super) fn purge_tasks(
    mut check: Check,
    request: v1::PurgeTasksRequest,
) -> Result<PurgeRequest, Violations> {
    let older_than = match request.older_than {
        Some(age) => fields::duration(&mut check, "older_than", &age, Duration::ZERO, MAX_AGE),
        None => {
            check.refuse("older_than", "must be set");
            None
        }
    };
    let filter = task_filter(&mut check, request.filter.unwrap_or_default());
    let read = || {
        Some(PurgeRequest {
            older_than: older_than?,
            filter: Arc::new(filter?),
            force: request.force,
        })
    };
    let read = read();
    check.finish(read)
}

/// Reads ResolveNodeFilter, but for its page token.
pub(super) fn resolve_node_filter(
    request: v1::ResolveNodeFilterRequest,
    check_design_ref: CheckDesignRef<'_>,
) -> Result<Resolve, Violations> {
    let mut check = Check::default();
    let design_ref = design_ref(&mut check, request.design_ref, check_design_ref);
    let node_filter = node_filter(&mut check, request.node_filter);
    let (unset, most) = SMALL_PAGE;
    let page_size = fields::page_size(&mut check, request.page_size, unset, most);
    let read = || {
        Some(Resolve {
            design_ref: design_ref?,
            node_filter: node_filter?,
            page_size: page_size?,
        })
    };
    let read = read();
    check.finish(read)
}

/// Reads GetNode: the reference and the name.
pub(super) fn get_node(
    request: v1::GetNodeRequest,
    check_design_ref: CheckDesignRef<'_>,
) -> Result<(String, String), Violations> {
    let mut check = Check::default();
    let design_ref = design_ref(&mut check, request.design_ref, check_design_ref);
    let name = fields::name(&mut check, "name", &request.name).map(str::to_owned);
    check.finish(design_ref.zip(name))
}

/// Reads ValidateDesign: the reference.
pub(super) fn validate_design(
    request: v1::ValidateDesignRequest,
    check_design_ref: CheckDesignRef<'_>,
) -> Result<String, Violations> {
    let mut check = Check::default();
    let design_ref = design_ref(&mut check, request.design_ref, check_design_ref);
    check.finish(design_ref)
}

fn task_id(check: &mut Check, task_id: &str) -> Option<TaskId> {
    fields::uuid(check, "task_id", task_id).map(TaskId)
}

/// The idempotency key; empty: none.
fn request_id(check: &mut Check, request_id: &str) -> Option<Option<RequestId>> {
    if request_id.is_empty() {
        return Some(None);
    }
    let uuid = fields::uuid(check, "request_id", request_id)?;
    if uuid.is_nil() {
        // Clients that forget to make one up send this one, and would share it.
        check.refuse("request_id", "must not be the nil UUID");
        return None;
    }
    Some(Some(RequestId(uuid)))
}

fn view(check: &mut Check, view: i32, unset: View) -> Option<View> {
    fields::known_or(check, "view", view, unset, enums::view)
}

fn design_ref(
    check: &mut Check,
    design_ref: String,
    check_design_ref: CheckDesignRef<'_>,
) -> Option<String> {
    if design_ref.is_empty() {
        check.refuse("design_ref", "must be set");
        return None;
    }
    fields::text(check, "design_ref", &design_ref, fields::MAX_DESIGN_REF)?;
    if let Err(broken) = check_design_ref(&design_ref) {
        check.refuse("design_ref", broken);
        return None;
    }
    Some(design_ref)
}

fn heartbeat_interval(check: &mut Check, interval: Option<ProtoDuration>) -> Option<Duration> {
    optional(interval, |interval| {
        fields::duration(
            check,
            "heartbeat_interval",
            &interval,
            MIN_HEARTBEAT,
            MAX_HEARTBEAT,
        )
    })
    .map(|interval| interval.unwrap_or(DEFAULT_HEARTBEAT))
}

fn resume_or(resume_token: String, start: WatchStart) -> WatchStart {
    if resume_token.is_empty() {
        start
    } else {
        WatchStart::Resume(resume_token)
    }
}

/// A value that may be left out: the outer option is none where it is there and wrong.
fn optional<T, U>(value: Option<T>, read: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
