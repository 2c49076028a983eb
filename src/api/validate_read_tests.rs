//! Limits of the other methods.

use super::*;
use crate::domain::{TaskFilter, TaskStatus};

#[test]
fn get_task_and_tree_limits() {
    type G = v1::GetTaskRequest;
    let good = || v1::GetTaskRequest {
        task_id: ID.to_owned(),
        view: 0,
    };
    let read = |request: G| get_task(&request);
    cases!(read, good(), [
        |r: &mut G| r.task_id = String::new() => ["task_id"],
        |r: &mut G| r.task_id = "1".to_owned() => ["task_id"],
        |r: &mut G| r.task_id = format!("urn:uuid:{ID}") => ["task_id"],
        |r: &mut G| r.view = 2 => [],
        |r: &mut G| r.view = 3 => ["view"],
    ]);
    assert_eq!(get_task(&good()).expect("good").1, View::Full);

    type T = v1::GetTaskTreeRequest;
    let good = || v1::GetTaskTreeRequest {
        task_id: ID.to_owned(),
        ..T::default()
    };
    let read = |request: T| get_task_tree(&request);
    cases!(read, good(), [
        |r: &mut T| r.max_depth = Some(0) => [],
        |r: &mut T| r.max_depth = Some(-1) => ["max_depth"],
        |r: &mut T| r.view = -5 => ["view"],
        |r: &mut T| r.task_id = "x".to_owned() => ["task_id"],
    ]);
    assert_eq!(get_task_tree(&good()).expect("good").max_depth, None);
}

#[test]
fn list_limits() {
    type R = v1::ListTasksRequest;
    fn edit(r: &mut R, change: impl FnOnce(&mut v1::TaskFilter)) {
        change(r.filter.get_or_insert_default());
    }
    cases!(list_tasks, R::default(), [
        |r: &mut R| r.page_size = -1 => ["page_size"],
        |r: &mut R| r.page_size = i32::MAX => [],
        |r: &mut R| r.order_by = "created desc".to_owned() => [],
        |r: &mut R| r.order_by = "created".to_owned() => [],
        |r: &mut R| r.order_by = "created asc".to_owned() => ["order_by"],
        |r: &mut R| r.order_by = "updated desc".to_owned() => ["order_by"],
        |r: &mut R| {
            r.order_by = "updated desc".to_owned();
            edit(r, |f| f.roots_only = true);
        } => [],
        |r: &mut R| r.order_by = "task_id; drop".to_owned() => ["order_by"],
        |r: &mut R| r.view = 9 => ["view"],
        |r: &mut R| edit(r, |f| f.status = vec![2, 0, 9]) => ["filter.status[1]", "filter.status[2]"],
        |r: &mut R| edit(r, |f| f.action = vec![8]) => ["filter.action[0]"],
        |r: &mut R| edit(r, |f| f.result_status = vec![1, 5]) => ["filter.result_status[1]"],
        |r: &mut R| edit(r, |f| f.created_by = "a\u{0}".to_owned()) => ["filter.created_by"],
        |r: &mut R| edit(r, |f| f.created_after = time(0, -1)) => ["filter.created_after"],
        |r: &mut R| edit(r, |f| f.created_after = time(0, 999_999_999)) => [],
        |r: &mut R| edit(r, |f| f.created_before = time(i64::MAX, 0)) => ["filter.created_before"],
        |r: &mut R| edit(r, |f| f.created_before = time(253_402_300_799, 999_999_999)) => [],
        |r: &mut R| edit(r, |f| f.created_before = time(253_402_300_800, 0))
            => ["filter.created_before"],
        |r: &mut R| edit(r, |f| f.created_after = time(-62_135_596_801, 0))
            => ["filter.created_after"],
        |r: &mut R| edit(r, |f| f.parent_task_id = "x".to_owned()) => ["filter.parent_task_id"],
        |r: &mut R| edit(r, |f| f.root_task_id = "x".to_owned()) => ["filter.root_task_id"],
        |r: &mut R| edit(r, |f| f.node_name = "x".repeat(254)) => ["filter.node_name"],
        |r: &mut R| edit(r, |f| f.design_ref = "x".repeat(2049)) => ["filter.design_ref"],
        |r: &mut R| edit(r, |f| f.labels = map(33)) => ["filter.labels"],
    ]);
}

#[test]
fn page_sizes_are_defaulted_and_lowered() {
    let size = |page_size| {
        list_tasks(v1::ListTasksRequest {
            page_size,
            ..v1::ListTasksRequest::default()
        })
        .expect("a good request")
        .page_size
    };
    assert_eq!((size(0), size(1), size(500), size(501)), (50, 1, 500, 500));
    let list = list_tasks(v1::ListTasksRequest::default()).expect("good");
    assert_eq!(list.order, Order::CreatedDescending);
    assert_eq!(list.view, View::Basic);
    assert_eq!(*list.filter, TaskFilter::default());
}

#[test]
fn a_filter_means_the_same_however_it_is_written() {
    let written = |status: Vec<i32>| {
        let filter = v1::TaskFilter {
            status,
            ..v1::TaskFilter::default()
        };
        task_filter(&mut Check::default(), filter).expect("a good filter")
    };
    let filter = written(vec![3, 2, 3, 2]);
    assert_eq!(filter.status, [TaskStatus::Queued, TaskStatus::Running]);
    assert_eq!(filter, written(vec![2, 3]));
}

#[test]
fn moments_between_microseconds_are_rounded_up() {
    let filter = v1::TaskFilter {
        created_after: time(5, 1),
        created_before: time(5, 999_999_001),
        ..v1::TaskFilter::default()
    };
    let filter = task_filter(&mut Check::default(), filter).expect("a good filter");
    let micros = |time: Option<crate::domain::Timestamp>| time.map(|time| time.timestamp_micros());
    assert_eq!(micros(filter.created_after), Some(5_000_001));
    assert_eq!(micros(filter.created_before), Some(6_000_000));
}

#[test]
fn message_list_limits() {
    type R = v1::ListTaskMessagesRequest;
    let good = || R {
        task_id: ID.to_owned(),
        ..R::default()
    };
    let read = |request: R| list_task_messages(&request);
    cases!(read, good(), [
        |r: &mut R| r.task_id = String::new() => ["task_id"],
        |r: &mut R| r.page_size = i32::MIN => ["page_size"],
    ]);
}

#[test]
fn watch_limits() {
    type One = v1::WatchTaskRequest;
    let good = || One {
        task_id: ID.to_owned(),
        ..One::default()
    };
    cases!(watch_task, good(), [
        |r: &mut One| r.task_id = "x".to_owned() => ["task_id"],
        |r: &mut One| r.max_depth = Some(-3) => ["max_depth"],
        |r: &mut One| r.heartbeat_interval = seconds(5) => [],
        |r: &mut One| r.heartbeat_interval = seconds(240) => [],
        |r: &mut One| r.heartbeat_interval = seconds(4) => ["heartbeat_interval"],
        |r: &mut One| r.heartbeat_interval = nanos(240, 1) => ["heartbeat_interval"],
    ]);

    type Many = v1::WatchTasksRequest;
    cases!(watch_tasks, Many::default(), [
        |r: &mut Many| r.start = 2 => [],
        |r: &mut Many| r.start = 3 => ["start"],
        |r: &mut Many| r.resume_token = "token".to_owned() => [],
        |r: &mut Many| {
            r.start = 1;
            r.resume_token = "token".to_owned();
        } => ["resume_token"],
        |r: &mut Many| r.filter = Some(v1::TaskFilter {
            status: vec![9],
            ..v1::TaskFilter::default()
        }) => ["filter.status[0]"],
        |r: &mut Many| r.heartbeat_interval = seconds(0) => ["heartbeat_interval"],
    ]);
}

#[test]
fn what_a_watch_leaves_out_has_its_default() {
    let one = watch_task(v1::WatchTaskRequest {
        task_id: ID.to_owned(),
        ..v1::WatchTaskRequest::default()
    })
    .expect("good");
    assert_eq!(one.max_depth, None);
    assert_eq!(one.delivery.start, WatchStart::Snapshot);
    assert!(one.delivery.include_messages);
    assert_eq!(one.delivery.heartbeat_interval, Duration::from_secs(20));

    let alone = watch_task(v1::WatchTaskRequest {
        task_id: ID.to_owned(),
        include_subtasks: Some(false),
        max_depth: Some(4),
        resume_token: "token".to_owned(),
        include_messages: Some(false),
        ..v1::WatchTaskRequest::default()
    })
    .expect("good");
    assert_eq!(alone.max_depth, Some(0));
    assert_eq!(alone.delivery.start, WatchStart::Resume("token".to_owned()));
    assert!(!alone.delivery.include_messages);

    let many = watch_tasks(v1::WatchTasksRequest::default()).expect("good");
    assert_eq!(many.delivery.start, WatchStart::Snapshot);
    assert!(!many.delivery.include_messages);
}

#[test]
fn wait_terminate_and_retry_limits() {
    type Wait = v1::WaitTaskRequest;
    let good = || Wait {
        task_id: ID.to_owned(),
        timeout: None,
    };
    let read = |request: Wait| wait_task(&request);
    cases!(read, good(), [
        |r: &mut Wait| r.task_id = String::new() => ["task_id"],
        |r: &mut Wait| r.timeout = seconds(0) => [],
        |r: &mut Wait| r.timeout = seconds(60) => [],
        |r: &mut Wait| r.timeout = nanos(60, 1) => ["timeout"],
        |r: &mut Wait| r.timeout = seconds(-1) => ["timeout"],
    ]);
    assert_eq!(wait_task(&good()).expect("good").1, Duration::from_secs(60));

    type Stop = v1::TerminateTaskRequest;
    let good = || Stop {
        task_id: ID.to_owned(),
        ..Stop::default()
    };
    let read = |request: Stop| terminate_task(Check::default(), request);
    cases!(read, good(), [
        |r: &mut Stop| r.task_id = "x".to_owned() => ["task_id"],
        |r: &mut Stop| r.reason = "r".repeat(1024) => [],
        |r: &mut Stop| r.reason = "r".repeat(1025) => ["reason"],
        |r: &mut Stop| r.reason = "two\nlines\tand a tab".to_owned() => [],
        |r: &mut Stop| r.reason = "\u{0}".to_owned() => ["reason"],
        |r: &mut Stop| r.expected_revision = Some(3) => [],
    ]);

    type Again = v1::RetryTaskRequest;
    let good = || Again {
        task_id: ID.to_owned(),
        ..Again::default()
    };
    let read = |request: Again| retry_task(Check::default(), &request);
    cases!(read, good(), [
        |r: &mut Again| r.task_id = String::new() => ["task_id"],
        |r: &mut Again| r.request_id = "x".to_owned() => ["request_id"],
        |r: &mut Again| r.scope = 3 => [],
        |r: &mut Again| r.scope = 4 => ["scope"],
    ]);
    let silent = read(good()).expect("good");
    assert_eq!(silent.scope, RetryScope::FailedNodes);
}

#[test]
fn resolve_limits() {
    type R = v1::ResolveNodeFilterRequest;
    let good = || R {
        design_ref: "file:///designs/a".to_owned(),
        ..R::default()
    };
    let read = |request: R| resolve_node_filter(request, &allowed);
    cases!(read, good(), [
        |r: &mut R| r.design_ref = String::new() => ["design_ref"],
        |r: &mut R| r.design_ref = "file:///etc/passwd".to_owned() => ["design_ref"],
        |r: &mut R| r.page_size = -1 => ["page_size"],
        |r: &mut R| r.node_filter = set(vec![]) => ["node_filter.filter_set"],
    ]);
}
