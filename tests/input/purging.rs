//! Bad requests that would purge.

use drydock::proto::v1::{PurgeTasksRequest, TaskFilter};

use crate::call::{Call, Case};
use crate::naming::duration;

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let case = |what, change: &dyn Fn(&mut PurgeTasksRequest), paths: &[&str]| {
        let mut request = PurgeTasksRequest {
            older_than: duration(0, 0),
            filter: None,
            force: true,
        };
        change(&mut request);
        Case::new(what, Call::Purge(request), paths)
    };
    vec![
        case(
            "a purge without an age",
            &|r| r.older_than = None,
            &["older_than"],
        ),
        case(
            "a dry run of a purge without an age",
            &|r| (r.older_than, r.force) = (None, false),
            &["older_than"],
        ),
        case(
            "a purge of what ends tomorrow",
            &|r| r.older_than = duration(-86_400, 0),
            &["older_than"],
        ),
        case(
            "a purge of an age that is no duration",
            &|r| r.older_than = duration(1, -1),
            &["older_than"],
        ),
        case(
            "a purge of more than a century",
            &|r| r.older_than = duration(36_500 * 86_400, 1),
            &["older_than"],
        ),
        case(
            "a purge of an age that overflows",
            &|r| r.older_than = duration(i64::MAX, 0),
            &["older_than"],
        ),
        case(
            "a purge with a bad filter and no age",
            &|r| {
                r.older_than = None;
                r.filter = Some(TaskFilter {
                    status: vec![99],
                    root_task_id: "x".to_owned(),
                    ..TaskFilter::default()
                });
            },
            &["older_than", "filter.status[0]", "filter.root_task_id"],
        ),
    ]
}
