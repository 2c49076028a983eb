//! Fields: reads one value of a request, or says what is wrong with it.
//!
//! Each function records a violation and answers `None` where the value breaks its rules, so that its
//! caller can go on and find the others.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use chrono::DateTime;
use prost_types::{Duration as ProtoDuration, Timestamp as ProtoTimestamp};
use uuid::Uuid;

use super::violations::Check;
use crate::domain::Timestamp;

/// The longest design reference, in bytes.
pub(super) const MAX_DESIGN_REF: usize = 2048;
/// The longest name or tag, in bytes.
pub(super) const MAX_NAME: usize = 253;
/// The longest key of a label, in bytes.
pub(super) const MAX_LABEL_KEY: usize = 63;
/// The longest value of a label, in bytes.
pub(super) const MAX_LABEL_VALUE: usize = 253;

/// Nanoseconds of a microsecond, which is what stores hold.
const MICROSECOND: i32 = 1_000;
const SECOND: i32 = 1_000_000_000;

/// Whether a text holds U+0000 or another control character. Tab and newline are allowed.
pub(super) fn has_control(text: &str) -> bool {
    text.chars()
        .any(|each| each.is_control() && !matches!(each, '\t' | '\n'))
}

/// A text of at most `max` bytes.
pub(super) fn text<'a>(
    check: &mut Check,
    path: impl Display,
    text: &'a str,
    max: usize,
) -> Option<&'a str> {
    if text.len() > max {
        check.refuse(path, format!("must be at most {max} bytes"));
        return None;
    }
    if has_control(text) {
        check.refuse(path, "must not hold control characters");
        return None;
    }
    Some(text)
}

/// A name: 1 to 253 bytes.
pub(super) fn name<'a>(check: &mut Check, path: impl Display, name: &'a str) -> Option<&'a str> {
    if name.is_empty() {
        check.refuse(path, "must not be empty");
        return None;
    }
    text(check, path, name, MAX_NAME)
}

/// At most `max` names.
pub(super) fn names(
    check: &mut Check,
    path: impl Display,
    names: Vec<String>,
    max: usize,
) -> Option<Vec<String>> {
    if names.len() > max {
        check.refuse(path, format!("must be at most {max} entries"));
        return None;
    }
    let mut valid = true;
    for (index, each) in names.iter().enumerate() {
        valid &= name(check, format_args!("{path}[{index}]"), each).is_some();
    }
    valid.then_some(names)
}

/// At most `max` labels.
pub(super) fn labels(
    check: &mut Check,
    path: impl Display,
    labels: BTreeMap<String, String>,
    max: usize,
) -> Option<BTreeMap<String, String>> {
    if labels.len() > max {
        check.refuse(path, format!("must be at most {max} entries"));
        return None;
    }
    let mut valid = true;
    for (key, value) in &labels {
        let broken = if key.is_empty() || key.len() > MAX_LABEL_KEY {
            Some(format!("key must be 1 to {MAX_LABEL_KEY} bytes"))
        } else if value.len() > MAX_LABEL_VALUE {
            Some(format!("value must be at most {MAX_LABEL_VALUE} bytes"))
        } else if has_control(key) || has_control(value) {
            Some("must not hold control characters".to_owned())
        } else {
            None
        };
        if let Some(description) = broken {
            valid = false;
            check.refuse(format_args!("{path}[{}]", key.escape_debug()), description);
        }
    }
    valid.then_some(labels)
}

/// A UUID as clients write it: 8-4-4-4-12 hexadecimal digits.
pub(super) fn uuid(check: &mut Check, path: impl Display, text: &str) -> Option<Uuid> {
    const HYPHENATED: usize = 36;
    let uuid = (text.len() == HYPHENATED)
        .then(|| Uuid::try_parse(text).ok())
        .flatten();
    if uuid.is_none() {
        check.refuse(path, "must be a UUID");
    }
    uuid
}

/// A duration within bounds, both included.
pub(super) fn duration(
    check: &mut Check,
    path: impl Display,
    duration: &ProtoDuration,
    least: Duration,
    most: Duration,
) -> Option<Duration> {
    let read = (0..SECOND)
        .contains(&duration.nanos)
        .then(|| u64::try_from(duration.seconds).ok())
        .flatten()
        .map(|seconds| Duration::new(seconds, duration.nanos.unsigned_abs()))
        .filter(|read| (least..=most).contains(read));
    if read.is_none() {
        let (least, most) = (least.as_secs(), most.as_secs());
        check.refuse(path, format!("must be {least} to {most} seconds"));
    }
    read
}

/// A moment that a task's time is compared with.
///
/// Stores hold microseconds. A finer moment is rounded up, which leaves the outcome of `>=` and `<`
/// against whole microseconds as it is.
pub(super) fn moment(
    check: &mut Check,
    path: impl Display,
    time: &ProtoTimestamp,
) -> Option<Timestamp> {
    // 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, as google.protobuf.Timestamp has it.
    const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
    let read = (SECONDS.contains(&time.seconds) && (0..SECOND).contains(&time.nanos))
        .then(|| time.seconds * 1_000_000 + i64::from((time.nanos + MICROSECOND - 1) / MICROSECOND))
        .and_then(DateTime::from_timestamp_micros);
    if read.is_none() {
        check.refuse(path, "must be a valid timestamp of the years 1 to 9999");
    }
    read
}

/// A value of an enum: `read` knows those that may be sent.
pub(super) fn known<T, P>(
    check: &mut Check,
    path: impl Display,
    number: i32,
    read: impl FnOnce(P) -> Option<T>,
) -> Option<T>
where
    P: TryFrom<i32>,
{
    if number == 0 {
        check.refuse(path, "must be set");
        return None;
    }
    let known = P::try_from(number).ok().and_then(read);
    if known.is_none() {
        check.refuse(path, format!("must be a known value, not {number}"));
    }
    known
}

/// A value of an enum that may be left out; then it is `unset`.
pub(super) fn known_or<T, P>(
    check: &mut Check,
    path: impl Display,
    number: i32,
    unset: T,
    read: impl FnOnce(P) -> Option<T>,
) -> Option<T>
where
    P: TryFrom<i32>,
{
    if number == 0 {
        return Some(unset);
    }
    known(check, path, number, read)
}

/// The values of a list of enums, sorted and without repeats, as only the set of them has a meaning.
pub(super) fn known_set<T: Ord, P>(
    check: &mut Check,
    path: impl Display,
    numbers: &[i32],
    read: impl Fn(P) -> Option<T>,
) -> Option<Vec<T>>
where
    P: TryFrom<i32>,
{
    let mut values = Vec::new();
    let mut valid = true;
    for (index, number) in numbers.iter().enumerate() {
        match known(check, format_args!("{path}[{index}]"), *number, &read) {
            None => valid = false,
            Some(value) => {
                if let Err(place) = values.binary_search(&value) {
                    values.insert(place, value);
                }
            }
        }
    }
    valid.then_some(values)
}

/// The size of a page: `unset` where it is 0, and never more than `most`.
pub(super) fn page_size(
    check: &mut Check,
    page_size: i32,
    unset: usize,
    most: usize,
) -> Option<usize> {
    match usize::try_from(page_size) {
        Ok(0) => Some(unset),
        Ok(size) => Some(size.min(most)),
        Err(_negative) => {
            check.refuse("page_size", "must not be negative");
            None
        }
    }
}

/// A number of levels; none: all.
pub(super) fn max_depth(check: &mut Check, max_depth: Option<i32>) -> Option<Option<u32>> {
    let Some(levels) = max_depth else {
        return Some(None);
    };
    let read = u32::try_from(levels).ok();
    if read.is_none() {
        check.refuse("max_depth", "must not be negative");
    }
    read.map(Some)
}
