//! Bad requests that would create something, or ask which nodes it would be for.

use drydock::proto::v1::{
    CreateTaskRequest, GetNodeRequest, NodeFilter, ResolveNodeFilterRequest, RetryTaskRequest,
    TaskAction, ValidateDesignRequest,
};

use crate::call::{Call, Case, NO_TASK};
use crate::naming::{duration, label, labels, long};
use crate::selecting::{self, filter, set};
use crate::support::client::create_request;

/// Every case. `design_ref` is a good reference.
pub(crate) fn cases(design_ref: &str) -> Vec<Case> {
    let mut cases = fields(design_ref);
    cases.extend(references(design_ref));
    cases.extend(selecting::cases(design_ref));
    cases.extend(retries());
    cases.extend(resolving(design_ref));
    cases.extend(validating());
    cases.extend(looking_up(design_ref));
    cases
}

/// A request that only its caller's change makes a bad one.
pub(crate) fn good(design_ref: &str) -> CreateTaskRequest {
    create_request(TaskAction::VerifyNode, design_ref)
}

fn fields(design_ref: &str) -> Vec<Case> {
    let case = |what, change: &dyn Fn(&mut CreateTaskRequest), paths: &[&str]| {
        let mut request = good(design_ref);
        change(&mut request);
        Case::new(what, Call::Create(request), paths)
    };
    let unreferenced = CreateTaskRequest::default();
    vec![
        Case::new(
            "nothing",
            Call::Create(unreferenced),
            &["action", "design_ref"],
        ),
        case("no action", &|r| r.action = 0, &["action"]),
        case("an unknown action", &|r| r.action = 8, &["action"]),
        case("a negative action", &|r| r.action = -1, &["action"]),
        case("the largest action", &|r| r.action = i32::MAX, &["action"]),
        case(
            "a request_id that is no UUID",
            &|r| r.request_id = "x".into(),
            &["request_id"],
        ),
        case(
            "a request_id without hyphens",
            &|r| r.request_id = NO_TASK.replace('-', ""),
            &["request_id"],
        ),
        case(
            "a request_id with something after it",
            &|r| r.request_id = format!("{NO_TASK}0"),
            &["request_id"],
        ),
        case(
            "a request_id in braces",
            &|r| r.request_id = format!("{{{NO_TASK}}}"),
            &["request_id"],
        ),
        case(
            "the nil request_id",
            &|r| r.request_id = "00000000-0000-0000-0000-000000000000".into(),
            &["request_id"],
        ),
        case(
            "no time at all",
            &|r| r.timeout = duration(0, 0),
            &["timeout"],
        ),
        case(
            "a timeout too short",
            &|r| r.timeout = duration(0, 999_999_999),
            &["timeout"],
        ),
        case(
            "a timeout too long",
            &|r| r.timeout = duration(604_800, 1),
            &["timeout"],
        ),
        case(
            "a negative timeout",
            &|r| r.timeout = duration(-1, 0),
            &["timeout"],
        ),
        case(
            "the longest timeout",
            &|r| r.timeout = duration(i64::MAX, 0),
            &["timeout"],
        ),
        case(
            "a timeout with too many nanoseconds",
            &|r| r.timeout = duration(5, 1_000_000_000),
            &["timeout"],
        ),
        case(
            "a timeout with mixed signs",
            &|r| r.timeout = duration(5, -1),
            &["timeout"],
        ),
        case("too many labels", &|r| r.labels = labels(33), &["labels"]),
        case(
            "a label without a key",
            &|r| r.labels = label("", "v"),
            &["labels[]"],
        ),
        case(
            "a key too long",
            &|r| r.labels = label("k".repeat(64), ""),
            &[&key(64)],
        ),
        case(
            "a value too long",
            &|r| r.labels = label("k", "v".repeat(254)),
            &["labels[k]"],
        ),
        case(
            "a NUL in a value",
            &|r| r.labels = label("k", "\u{0}"),
            &["labels[k]"],
        ),
        case(
            "a carriage return in a value",
            &|r| r.labels = label("k", "\r"),
            &["labels[k]"],
        ),
        case(
            "a C1 control in a value",
            &|r| r.labels = label("k", "\u{85}"),
            &["labels[k]"],
        ),
        case(
            "several at once, rehearsed",
            &|r| {
                r.validate_only = true;
                r.action = 99;
                r.labels = labels(33);
                r.timeout = duration(0, 0);
            },
            &["action", "timeout", "labels"],
        ),
    ]
}

fn key(length: usize) -> String {
    format!("labels[{}]", "k".repeat(length))
}

fn references(design_ref: &str) -> Vec<Case> {
    let inside = design_ref.strip_suffix("site.yaml").unwrap_or(design_ref);
    let references = [
        ("no reference", String::new()),
        ("no URI", "site.yaml".to_owned()),
        ("a path", design_ref.replace("file://", "")),
        (
            "a reference too long",
            format!("{inside}{}", "x".repeat(2048)),
        ),
        (
            "a file that is not allowed",
            "file:///etc/passwd".to_owned(),
        ),
        (
            "a file that is not allowed and not there",
            "file:///etc/no-such".to_owned(),
        ),
        ("a way out", format!("{inside}../../etc/passwd")),
        ("a hidden way out", format!("{inside}%2e%2e/etc/passwd")),
        ("a hidden separator", format!("{inside}..%2fetc")),
        ("a dot segment", format!("{inside}./site.yaml")),
        ("an empty segment", format!("{inside}/site.yaml")),
        ("a NUL", format!("{design_ref}\u{0}")),
        ("a hidden NUL", format!("{design_ref}%00")),
        ("a newline in a reference", format!("{design_ref}\n")),
        (
            "a host in a file reference",
            "file://host/site.yaml".to_owned(),
        ),
        ("a query", format!("{design_ref}?x=1")),
        ("a fragment", format!("{design_ref}#x")),
        (
            "a scheme that is not enabled",
            "ftp://host/site.yaml".to_owned(),
        ),
        ("a scheme that is none", "javascript:alert(1)".to_owned()),
    ];
    let cases = references
        .into_iter()
        .map(|(what, reference)| Case::new(what, Call::Create(good(&reference)), &["design_ref"]));
    cases.collect()
}

fn retries() -> Vec<Case> {
    let case = |what, change: &dyn Fn(&mut RetryTaskRequest), paths: &[&str]| {
        let mut request = RetryTaskRequest {
            task_id: NO_TASK.to_owned(),
            ..RetryTaskRequest::default()
        };
        change(&mut request);
        Case::new(what, Call::Retry(request), paths)
    };
    vec![
        case("a retry of nothing", &|r| r.task_id.clear(), &["task_id"]),
        case(
            "a retry of no UUID",
            &|r| r.task_id = "all".into(),
            &["task_id"],
        ),
        case(
            "a retry with a bad request_id",
            &|r| r.request_id = "1".into(),
            &["request_id"],
        ),
        case("a retry of an unknown scope", &|r| r.scope = 4, &["scope"]),
        case("a retry of a negative scope", &|r| r.scope = -1, &["scope"]),
        case(
            "a retry that is wrong in all",
            &|r| {
                r.task_id.clear();
                r.request_id = "?".into();
                r.scope = 9;
            },
            &["task_id", "request_id", "scope"],
        ),
    ]
}

fn validating() -> Vec<Case> {
    let case = |what, design_ref: &str| {
        let request = ValidateDesignRequest {
            design_ref: design_ref.to_owned(),
        };
        Case::new(what, Call::Validate(request), &["design_ref"])
    };
    vec![
        case("no design to validate", ""),
        case(
            "a design to validate that is not allowed",
            "file:///etc/shadow",
        ),
    ]
}

fn looking_up(design_ref: &str) -> Vec<Case> {
    let case = |what, design_ref: &str, name: &str, paths: &[&str]| {
        let request = GetNodeRequest {
            design_ref: design_ref.to_owned(),
            name: name.to_owned(),
        };
        Case::new(what, Call::Node(request), paths)
    };
    vec![
        case("neither design nor node", "", "", &["design_ref", "name"]),
        case("a node without a name", design_ref, "", &["name"]),
        case(
            "a node of too long a name",
            design_ref,
            &long(254)[0],
            &["name"],
        ),
        case(
            "a node with a control character",
            design_ref,
            "a\u{0}b",
            &["name"],
        ),
    ]
}

fn resolving(design_ref: &str) -> Vec<Case> {
    let case = |what, change: &dyn Fn(&mut ResolveNodeFilterRequest), paths: &[&str]| {
        let mut request = ResolveNodeFilterRequest {
            design_ref: design_ref.to_owned(),
            ..ResolveNodeFilterRequest::default()
        };
        change(&mut request);
        Case::new(what, Call::Resolve(request), paths)
    };
    vec![
        case(
            "no design to look at",
            &|r| r.design_ref.clear(),
            &["design_ref"],
        ),
        case(
            "a design that is not allowed",
            &|r| r.design_ref = "file:///etc/shadow".into(),
            &["design_ref"],
        ),
        case(
            "a negative page of nodes",
            &|r| r.page_size = -1,
            &["page_size"],
        ),
        case(
            "an empty set of filters",
            &|r| r.node_filter = set(Vec::new()),
            &["node_filter.filter_set"],
        ),
        case(
            "a filter of nothing",
            &|r| {
                r.node_filter = set(vec![NodeFilter {
                    node_names: Vec::new(),
                    ..filter()
                }])
            },
            &["node_filter.filter_set[0]"],
        ),
    ]
}
