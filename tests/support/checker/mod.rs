//! The history checker: holds what streams deliver against the rules that streams promise.

mod checker;

mod known;

mod message;

mod transition;

mod same;

pub(crate) use checker::{Beginning, Checker, End, Scope};
pub(crate) use message::arm_name;
pub(crate) use same::assert_same_history;

#[cfg(test)]
mod tests;
