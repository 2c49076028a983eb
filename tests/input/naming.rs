//! Values on both sides of a limit.

use std::collections::BTreeMap;

use prost_types::{Duration, Timestamp};

/// `count` labels.
pub(crate) fn labels(count: usize) -> BTreeMap<String, String> {
    (0..count)
        .map(|n| (format!("k{n}"), String::new()))
        .collect()
}

/// One label.
pub(crate) fn label(key: impl Into<String>, value: impl Into<String>) -> BTreeMap<String, String> {
    BTreeMap::from([(key.into(), value.into())])
}

/// `count` names.
pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n}")).collect()
}

/// One name of `length` bytes.
pub(crate) fn long(length: usize) -> Vec<String> {
    vec!["x".repeat(length)]
}

pub(crate) fn duration(seconds: i64, nanos: i32) -> Option<Duration> {
    Some(Duration { seconds, nanos })
}

pub(crate) fn time(seconds: i64, nanos: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos })
}
