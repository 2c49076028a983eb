//! A good history is accepted; each way of breaking it is rejected, with the rule.

mod story;

mod live;
mod purge;
mod snapshot;
