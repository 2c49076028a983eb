//! Tests of [`super`]: each limit of the contract, from both sides.

use std::collections::BTreeMap;
use std::fmt::Debug;

use prost_types::Timestamp as ProtoTimestamp;

use super::*;

const ID: &str = "0198f3a0-0000-7000-8000-000000000001";

/// The paths of what is wrong; none for a request that is accepted.
fn paths<T: Debug>(result: Result<T, Violations>) -> Vec<String> {
    result.map_or_else(
        |found| found.listed.into_iter().map(|each| each.field).collect(),
        |_accepted| Vec::new(),
    )
}

/// Checks each case: a change to a good request, and the paths that are wrong after it.
macro_rules! cases {
    ($read:expr, $good:expr, [$($change:expr => [$($path:expr),*]),+ $(,)?]) => {{
        assert_eq!(paths($read($good)), Vec::<String>::new(), "the good request");
        $({
            let mut request = $good;
            ($change)(&mut request);
            let expected: Vec<String> = vec![$(String::from($path)),*];
            assert_eq!(paths($read(request)), expected, "{}", stringify!($change));
        })+
    }};
}

fn seconds(seconds: i64) -> Option<ProtoDuration> {
    Some(ProtoDuration { seconds, nanos: 0 })
}

fn nanos(seconds: i64, nanos: i32) -> Option<ProtoDuration> {
    Some(ProtoDuration { seconds, nanos })
}

fn time(seconds: i64, nanos: i32) -> Option<ProtoTimestamp> {
    Some(ProtoTimestamp { seconds, nanos })
}

fn map(count: usize) -> BTreeMap<String, String> {
    (0..count)
        .map(|n| (format!("k{n}"), String::new()))
        .collect()
}

fn label(key: impl Into<String>, value: impl Into<String>) -> BTreeMap<String, String> {
    BTreeMap::from([(key.into(), value.into())])
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n}")).collect()
}

fn filter() -> v1::NodeFilter {
    v1::NodeFilter {
        filter_type: v1::FilterType::Intersection.into(),
        node_names: vec!["n1".to_owned()],
        ..v1::NodeFilter::default()
    }
}

fn set(filters: Vec<v1::NodeFilter>) -> Option<v1::NodeFilterSet> {
    Some(v1::NodeFilterSet {
        filter_set_type: v1::FilterType::Union.into(),
        filter_set: filters,
    })
}

fn allowed(design_ref: &str) -> Result<(), String> {
    if design_ref.starts_with("file:///designs/") {
        Ok(())
    } else {
        Err("must be below an allowed directory".to_owned())
    }
}

#[path = "validate_create_tests.rs"]
mod creating;

#[path = "validate_read_tests.rs"]
mod reading;
