//! Bad requests that would read, watch, wait or stop.

use drydock::proto::v1::{
    GetTaskRequest, GetTaskTreeRequest, ListBuildDataRequest, ListTaskMessagesRequest,
    ListTasksRequest, TaskFilter, TerminateTaskRequest, WaitTaskRequest, WatchTaskRequest,
    WatchTasksRequest,
};

use crate::call::{Call, Case, NO_TASK};
use crate::naming::{duration, label, labels, time};

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = one_task();
    cases.extend(lists());
    cases.extend(filters());
    cases.extend(watches());
    cases.extend(waits());
    cases.extend(build_data());
    cases
}

fn build_data() -> Vec<Case> {
    let list = |what, request, paths: &[&str]| Case::new(what, Call::BuildData(request), paths);
    let of_node = |name: &str| ListBuildDataRequest {
        node_name: name.to_owned(),
        ..ListBuildDataRequest::default()
    };
    vec![
        list(
            "build data of nothing",
            ListBuildDataRequest::default(),
            &["task_id", "node_name"],
        ),
        list(
            "build data of a task whose id is no UUID",
            ListBuildDataRequest {
                task_id: "1".to_owned(),
                ..of_node("n1")
            },
            &["task_id"],
        ),
        list(
            "build data of a node with a long name",
            of_node(&"n".repeat(254)),
            &["node_name"],
        ),
        list(
            "build data of a node whose name ends with NUL",
            of_node("n1\u{0}"),
            &["node_name"],
        ),
        list(
            "build data of a generator with a long name, and a negative page",
            ListBuildDataRequest {
                generator: "g".repeat(128),
                page_size: -1,
                ..of_node("n1")
            },
            &["generator", "page_size"],
        ),
    ]
}

fn one_task() -> Vec<Case> {
    let get = |what, task_id: &str, view, paths: &[&str]| {
        let task_id = task_id.to_owned();
        Case::new(what, Call::Get(GetTaskRequest { task_id, view }), paths)
    };
    let tree = |what, task_id: &str, max_depth, view, paths: &[&str]| {
        let request = GetTaskTreeRequest {
            task_id: task_id.to_owned(),
            max_depth,
            view,
        };
        Case::new(what, Call::Tree(request), paths)
    };
    let messages = |what, task_id: &str, page_size, paths: &[&str]| {
        let request = ListTaskMessagesRequest {
            task_id: task_id.to_owned(),
            page_size,
            ..ListTaskMessagesRequest::default()
        };
        Case::new(what, Call::Messages(request), paths)
    };
    let stop = |what, task_id: &str, reason: &str, paths: &[&str]| {
        let request = TerminateTaskRequest {
            task_id: task_id.to_owned(),
            reason: reason.to_owned(),
            ..TerminateTaskRequest::default()
        };
        Case::new(what, Call::Terminate(request), paths)
    };
    vec![
        get("a task without an id", "", 0, &["task_id"]),
        get("a task whose id is no UUID", "1", 0, &["task_id"]),
        get("a task whose id is a path", "../../x", 0, &["task_id"]),
        get(
            "a task whose id is a URN",
            &format!("urn:uuid:{NO_TASK}"),
            0,
            &["task_id"],
        ),
        get(
            "a task whose id is not hexadecimal",
            &NO_TASK.replace('0', "g"),
            0,
            &["task_id"],
        ),
        get(
            "a task whose id is followed by NUL",
            &format!("{NO_TASK}\u{0}"),
            0,
            &["task_id"],
        ),
        get("an unknown view", NO_TASK, 3, &["view"]),
        get("a negative view", NO_TASK, -1, &["view"]),
        get("no id and an unknown view", "", 9, &["task_id", "view"]),
        tree("a tree without an id", "", None, 0, &["task_id"]),
        tree(
            "a tree of negative depth",
            NO_TASK,
            Some(-1),
            0,
            &["max_depth"],
        ),
        tree(
            "a tree of the least depth",
            NO_TASK,
            Some(i32::MIN),
            0,
            &["max_depth"],
        ),
        tree("a tree in an unknown view", NO_TASK, Some(1), 7, &["view"]),
        messages("messages of nothing", "", 0, &["task_id"]),
        messages("a negative page of messages", NO_TASK, -1, &["page_size"]),
        messages(
            "the least page of messages",
            NO_TASK,
            i32::MIN,
            &["page_size"],
        ),
        stop("a stop of nothing", "", "", &["task_id"]),
        stop("a stop of everything", "*", "", &["task_id"]),
        stop("a reason too long", NO_TASK, &"r".repeat(1025), &["reason"]),
        stop(
            "a reason too long in bytes alone",
            NO_TASK,
            &"é".repeat(513),
            &["reason"],
        ),
        stop("a NUL in a reason", NO_TASK, "a\u{0}b", &["reason"]),
        stop("a bell in a reason", NO_TASK, "\u{7}", &["reason"]),
        stop("a delete in a reason", NO_TASK, "\u{7f}", &["reason"]),
    ]
}

fn lists() -> Vec<Case> {
    let case = |what, change: &dyn Fn(&mut ListTasksRequest), paths: &[&str]| {
        let mut request = ListTasksRequest::default();
        change(&mut request);
        Case::new(what, Call::List(request), paths)
    };
    vec![
        case("a negative page", &|r| r.page_size = -1, &["page_size"]),
        case(
            "an unknown order",
            &|r| r.order_by = "status".into(),
            &["order_by"],
        ),
        case(
            "an order in capitals",
            &|r| r.order_by = "CREATED".into(),
            &["order_by"],
        ),
        case(
            "an order with an injection",
            &|r| r.order_by = "created; --".into(),
            &["order_by"],
        ),
        case(
            "an order that needs roots",
            &|r| r.order_by = "updated desc".into(),
            &["order_by"],
        ),
        case("an unknown view of a list", &|r| r.view = 3, &["view"]),
    ]
}

fn filters() -> Vec<Case> {
    let case = |what, change: &dyn Fn(&mut TaskFilter), path: &str| {
        let mut filter = TaskFilter::default();
        change(&mut filter);
        let request = ListTasksRequest {
            filter: Some(filter),
            ..ListTasksRequest::default()
        };
        Case::new(what, Call::List(request), &[path])
    };
    let latest = 253_402_300_799;
    vec![
        case(
            "an unknown status",
            &|f| f.status = vec![7],
            "filter.status[0]",
        ),
        case(
            "an unset status",
            &|f| f.status = vec![2, 0],
            "filter.status[1]",
        ),
        case(
            "an unknown action to list",
            &|f| f.action = vec![1, 8],
            "filter.action[1]",
        ),
        case(
            "an unknown outcome",
            &|f| f.result_status = vec![5],
            "filter.result_status[0]",
        ),
        case(
            "a NUL in a creator",
            &|f| f.created_by = "\u{0}".into(),
            "filter.created_by",
        ),
        case(
            "a time after the last one",
            &|f| f.created_after = time(latest + 1, 0),
            "filter.created_after",
        ),
        case(
            "a time before the first one",
            &|f| f.created_before = time(-62_135_596_801, 0),
            "filter.created_before",
        ),
        case(
            "a time with negative nanoseconds",
            &|f| f.created_before = time(0, -1),
            "filter.created_before",
        ),
        case(
            "a time with too many nanoseconds",
            &|f| f.created_after = time(0, 1_000_000_000),
            "filter.created_after",
        ),
        case(
            "a parent that is no UUID",
            &|f| f.parent_task_id = "x".into(),
            "filter.parent_task_id",
        ),
        case(
            "a root that is no UUID",
            &|f| f.root_task_id = "x".into(),
            "filter.root_task_id",
        ),
        case(
            "a node's name too long",
            &|f| f.node_name = "n".repeat(254),
            "filter.node_name",
        ),
        case(
            "a NUL in a node's name",
            &|f| f.node_name = "\u{0}".into(),
            "filter.node_name",
        ),
        case(
            "a design too long",
            &|f| f.design_ref = "d".repeat(2049),
            "filter.design_ref",
        ),
        case(
            "too many labels to list by",
            &|f| f.labels = labels(33),
            "filter.labels",
        ),
        case(
            "a label without a key to list by",
            &|f| f.labels = label("", ""),
            "filter.labels[]",
        ),
        case(
            "a value too long to list by",
            &|f| f.labels = label("k", "v".repeat(254)),
            "filter.labels[k]",
        ),
    ]
}

fn watches() -> Vec<Case> {
    let one = |what, change: &dyn Fn(&mut WatchTaskRequest), paths: &[&str]| {
        let mut request = WatchTaskRequest {
            task_id: NO_TASK.to_owned(),
            ..WatchTaskRequest::default()
        };
        change(&mut request);
        Case::new(what, Call::Watch(request), paths)
    };
    let all = |what, change: &dyn Fn(&mut WatchTasksRequest), paths: &[&str]| {
        let mut request = WatchTasksRequest::default();
        change(&mut request);
        Case::new(what, Call::WatchAll(request), paths)
    };
    let interval = "heartbeat_interval";
    vec![
        one("a watch of nothing", &|r| r.task_id.clear(), &["task_id"]),
        one(
            "a watch of no UUID",
            &|r| r.task_id = "x".into(),
            &["task_id"],
        ),
        one(
            "a watch of negative depth",
            &|r| r.max_depth = Some(-1),
            &["max_depth"],
        ),
        one(
            "heartbeats all the time",
            &|r| r.heartbeat_interval = duration(0, 0),
            &[interval],
        ),
        one(
            "heartbeats too often",
            &|r| r.heartbeat_interval = duration(4, 999_999_999),
            &[interval],
        ),
        one(
            "heartbeats too seldom",
            &|r| r.heartbeat_interval = duration(240, 1),
            &[interval],
        ),
        one(
            "heartbeats in the past",
            &|r| r.heartbeat_interval = duration(-5, 0),
            &[interval],
        ),
        all("an unknown start", &|r| r.start = 3, &["start"]),
        all(
            "a start beside a token",
            &|r| {
                r.start = 1;
                r.resume_token = "token".into();
            },
            &["resume_token"],
        ),
        all(
            "heartbeats of a fleet too often",
            &|r| r.heartbeat_interval = duration(1, 0),
            &[interval],
        ),
        all(
            "a fleet of an unknown status",
            &|r| {
                r.filter = Some(TaskFilter {
                    status: vec![99],
                    ..TaskFilter::default()
                });
            },
            &["filter.status[0]"],
        ),
        all(
            "a fleet of a root that is no UUID",
            &|r| {
                r.filter = Some(TaskFilter {
                    root_task_id: "x".into(),
                    ..TaskFilter::default()
                });
            },
            &["filter.root_task_id"],
        ),
    ]
}

fn waits() -> Vec<Case> {
    let case = |what, task_id: &str, timeout, paths: &[&str]| {
        let task_id = task_id.to_owned();
        Case::new(
            what,
            Call::Wait(WaitTaskRequest { task_id, timeout }),
            paths,
        )
    };
    vec![
        case("a wait for nothing", "", None, &["task_id"]),
        case("a wait too long", NO_TASK, duration(60, 1), &["timeout"]),
        case(
            "a wait into the past",
            NO_TASK,
            duration(-1, 0),
            &["timeout"],
        ),
        case(
            "a wait with mixed signs",
            NO_TASK,
            duration(1, -1),
            &["timeout"],
        ),
    ]
}
