//! Limits of CreateTask and of node filters.

use super::*;
use crate::domain::node_filter::FilterType;

fn create() -> v1::CreateTaskRequest {
    v1::CreateTaskRequest {
        action: v1::TaskAction::DeployNode.into(),
        design_ref: "file:///designs/site.yaml".to_owned(),
        ..v1::CreateTaskRequest::default()
    }
}

fn read_create(request: v1::CreateTaskRequest) -> Result<Create, Violations> {
    create_task(Check::default(), request, &allowed)
}

#[test]
fn create_task_limits() {
    type R = v1::CreateTaskRequest;
    cases!(read_create, create(), [
        |r: &mut R| r.action = 0 => ["action"],
        |r: &mut R| r.action = 99 => ["action"],
        |r: &mut R| r.action = -1 => ["action"],
        |r: &mut R| r.design_ref = String::new() => ["design_ref"],
        |r: &mut R| r.design_ref = "ftp://host/x".to_owned() => ["design_ref"],
        |r: &mut R| r.design_ref = "file:///designs/\u{0}".to_owned() => ["design_ref"],
        |r: &mut R| r.design_ref = format!("file:///designs/{}", "x".repeat(2032)) => [],
        |r: &mut R| r.design_ref = format!("file:///designs/{}", "x".repeat(2033)) => ["design_ref"],
        |r: &mut R| r.request_id = ID.to_owned() => [],
        |r: &mut R| r.request_id = ID.to_uppercase() => [],
        |r: &mut R| r.request_id = "x".to_owned() => ["request_id"],
        |r: &mut R| r.request_id = ID.replace('-', "") => ["request_id"],
        |r: &mut R| r.request_id = format!("{{{ID}}}") => ["request_id"],
        |r: &mut R| r.request_id = "00000000-0000-0000-0000-000000000000".to_owned() => ["request_id"],
        |r: &mut R| r.timeout = seconds(1) => [],
        |r: &mut R| r.timeout = seconds(7 * 86_400) => [],
        |r: &mut R| r.timeout = seconds(0) => ["timeout"],
        |r: &mut R| r.timeout = nanos(0, 999_999_999) => ["timeout"],
        |r: &mut R| r.timeout = nanos(7 * 86_400, 1) => ["timeout"],
        |r: &mut R| r.timeout = seconds(-1) => ["timeout"],
        |r: &mut R| r.timeout = nanos(2, -1) => ["timeout"],
        |r: &mut R| r.timeout = nanos(2, 1_000_000_000) => ["timeout"],
        |r: &mut R| r.timeout = nanos(i64::MIN, i32::MIN) => ["timeout"],
        |r: &mut R| r.timeout = nanos(i64::MAX, i32::MAX) => ["timeout"],
        |r: &mut R| r.labels = map(32) => [],
        |r: &mut R| r.labels = map(33) => ["labels"],
        |r: &mut R| r.labels = label("k".repeat(63), "v".repeat(253)) => [],
        |r: &mut R| r.labels = label("", "v") => ["labels[]"],
        |r: &mut R| r.labels = label("k".repeat(64), "v")
            => [format!("labels[{}]", "k".repeat(64))],
        |r: &mut R| r.labels = label("k", "v".repeat(254)) => ["labels[k]"],
        |r: &mut R| r.labels = label("k", "\u{7}") => ["labels[k]"],
        |r: &mut R| r.labels = label("k", "a\tb\nc") => [],
        |r: &mut R| r.labels = label("\u{0}", "v") => ["labels[\\0]"],
        |r: &mut R| r.labels = label("k", "\u{85}") => ["labels[k]"],
    ]);
}

#[test]
fn node_filter_limits() {
    type R = v1::CreateTaskRequest;
    const FIRST: &str = "node_filter.filter_set[0]";
    let one = |change: fn(&mut v1::NodeFilter)| {
        let mut filter = filter();
        change(&mut filter);
        set(vec![filter])
    };
    cases!(read_create, create(), [
        |r: &mut R| r.node_filter = set(vec![filter()]) => [],
        |r: &mut R| r.node_filter = set(vec![filter(); 100]) => [],
        |r: &mut R| r.node_filter = set(vec![filter(); 101]) => ["node_filter.filter_set"],
        |r: &mut R| r.node_filter = set(vec![]) => ["node_filter.filter_set"],
        |r: &mut R| r.node_filter = Some(v1::NodeFilterSet::default())
            => ["node_filter.filter_set_type", "node_filter.filter_set"],
        |r: &mut R| r.node_filter = Some(v1::NodeFilterSet {
            filter_set_type: 7,
            filter_set: vec![filter()],
        }) => ["node_filter.filter_set_type"],
        |r: &mut R| r.node_filter = one(|f| f.filter_type = 0) => [format!("{FIRST}.filter_type")],
        |r: &mut R| r.node_filter = one(|f| f.filter_type = 3) => [format!("{FIRST}.filter_type")],
        |r: &mut R| r.node_filter = one(|f| f.node_names.clear()) => [FIRST],
        |r: &mut R| r.node_filter = one(|f| f.node_names = texts(10_000)) => [],
        |r: &mut R| r.node_filter = one(|f| f.node_names = texts(10_001))
            => [format!("{FIRST}.node_names")],
        |r: &mut R| r.node_filter = one(|f| f.node_names = vec!["x".repeat(253)]) => [],
        |r: &mut R| r.node_filter = one(|f| f.node_names = vec!["x".repeat(254)])
            => [format!("{FIRST}.node_names[0]")],
        |r: &mut R| r.node_filter = one(|f| f.node_names.push(String::new()))
            => [format!("{FIRST}.node_names[1]")],
        |r: &mut R| r.node_filter = one(|f| f.node_names.push("a\rb".to_owned()))
            => [format!("{FIRST}.node_names[1]")],
        |r: &mut R| r.node_filter = one(|f| f.rack_names = texts(10_000)) => [],
        |r: &mut R| r.node_filter = one(|f| f.rack_names = texts(10_001))
            => [format!("{FIRST}.rack_names")],
        |r: &mut R| r.node_filter = one(|f| f.rack_names = vec![String::new()])
            => [format!("{FIRST}.rack_names[0]")],
        |r: &mut R| r.node_filter = one(|f| f.node_tags = texts(1_000)) => [],
        |r: &mut R| r.node_filter = one(|f| f.node_tags = texts(1_001))
            => [format!("{FIRST}.node_tags")],
        |r: &mut R| r.node_filter = one(|f| f.node_tags = vec!["\u{1b}".to_owned()])
            => [format!("{FIRST}.node_tags[0]")],
        |r: &mut R| r.node_filter = one(|f| f.node_labels = map(1_000)) => [],
        |r: &mut R| r.node_filter = one(|f| f.node_labels = map(1_001))
            => [format!("{FIRST}.node_labels")],
        |r: &mut R| r.node_filter = one(|f| f.node_labels = label("k", "v".repeat(254)))
            => [format!("{FIRST}.node_labels[k]")],
        |r: &mut R| r.node_filter = one(|f| f.rack_labels = map(1_001))
            => [format!("{FIRST}.rack_labels")],
        |r: &mut R| r.node_filter = one(|f| f.rack_labels = label("", "v"))
            => [format!("{FIRST}.rack_labels[]")],
    ]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let wrong = v1::CreateTaskRequest {
        action: 99,
        design_ref: "http://elsewhere/".to_owned(),
        node_filter: set(vec![
            filter(),
            v1::NodeFilter::default(),
            v1::NodeFilter {
                filter_type: 9,
                node_names: vec![String::new(), "n1".to_owned(), "x".repeat(300)],
                ..v1::NodeFilter::default()
            },
        ]),
        request_id: "no".to_owned(),
        timeout: seconds(0),
        labels: label("", ""),
        validate_only: true,
    };
    assert_eq!(
        paths(read_create(wrong)),
        [
            "action",
            "design_ref",
            "node_filter.filter_set[1]",
            "node_filter.filter_set[1].filter_type",
            "node_filter.filter_set[2].filter_type",
            "node_filter.filter_set[2].node_names[0]",
            "node_filter.filter_set[2].node_names[2]",
            "request_id",
            "timeout",
            "labels[]",
        ]
    );
}

#[test]
fn a_good_create_is_read_as_it_was_sent() {
    let request = v1::CreateTaskRequest {
        node_filter: set(vec![filter()]),
        request_id: ID.to_uppercase(),
        timeout: nanos(90, 5),
        labels: label("team", "a"),
        ..create()
    };
    let read = read_create(request).expect("a good request");
    assert!(!read.validate_only);
    let submission = read.submission;
    assert_eq!(submission.action, crate::domain::Action::DeployNode);
    assert_eq!(submission.timeout, Some(Duration::new(90, 5)));
    assert_eq!(
        submission.request_id.map(|id| id.to_string()).as_deref(),
        Some(ID)
    );
    let filter = submission.node_filter.expect("a filter");
    assert_eq!(filter.filter_set_type, FilterType::Union);
    assert_eq!(filter.filter_set[0].node_names, ["n1"]);

    let silent = read_create(create()).expect("a good request").submission;
    assert_eq!(silent.timeout, None);
    assert_eq!(silent.node_filter, None);
    assert_eq!(silent.request_id, None);
}

#[test]
fn violations_of_the_metadata_are_told_with_the_others() {
    let mut check = Check::default();
    check.refuse("x-correlation-id", "must be visible");
    let request = v1::CreateTaskRequest {
        action: 0,
        ..create()
    };
    let found = create_task(check, request, &allowed);
    assert_eq!(paths(found), ["x-correlation-id", "action"]);
}
