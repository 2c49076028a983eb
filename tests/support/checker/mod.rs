//! The history checker: holds what streams deliver against the rules that streams promise.

mod watcher;

mod known;

mod message;

mod transition;

mod same;

pub(crate) use message::arm_name;
pub(crate) use same::assert_same_history;
pub(crate) use watcher::{Beginning, Checker, End, Scope};

#[cfg(test)]
mod tests;
