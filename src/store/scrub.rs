//! Text that both databases can hold: PostgreSQL's has no U+0000, and devices say anything.
//!
//! A write must not fail for what a device said, or its tree could never go on. What callers ask
//! for is refused by the API instead.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::write::{Change, ChangeKind, NewMessage, RootChange, TreeWrite};
use crate::domain::{Collected, Ending};

const NUL: char = '\0';

/// Replaces U+0000 by U+FFFD, the mark of a character that cannot be shown, wherever a write
/// carries text that is not ours.
pub(super) fn scrub(write: &mut TreeWrite) {
    if let RootChange::Finish(Ending::Failed(_, text)) = &mut write.root {
        string(text);
    }
    write.root_messages.iter_mut().for_each(message);
    write.changes.iter_mut().for_each(change);
}

fn change(change: &mut Change) {
    if let ChangeKind::Move { reason, .. } = &mut change.kind {
        shared(reason);
    }
    shared(&mut change.task.result.message);
    change.messages.iter_mut().for_each(message);
    change.build_data.iter_mut().for_each(collected);
}

fn message(message: &mut NewMessage) {
    string(&mut message.message);
    string(&mut message.context);
    object(&mut message.extra);
}

fn collected(collected: &mut Collected) {
    string(&mut collected.generator);
    string(&mut collected.data_format);
    string(&mut collected.data_element);
}

fn shared(text: &mut Arc<str>) {
    if text.contains(NUL) {
        *text = Arc::from(visible(text));
    }
}

fn string(text: &mut String) {
    if text.contains(NUL) {
        *text = visible(text);
    }
}

fn object(map: &mut Map<String, Value>) {
    if map.keys().any(|key| key.contains(NUL)) {
        *map = std::mem::take(map)
            .into_iter()
            .map(|(key, value)| (visible(&key), value))
            .collect();
    }
    map.values_mut().for_each(value);
}

fn value(value: &mut Value) {
    match value {
        Value::String(text) => string(text),
        Value::Array(values) => values.iter_mut().for_each(self::value),
        Value::Object(map) => object(map),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn visible(text: &str) -> String {
    text.replace(NUL, "\u{fffd}")
}
