//! Old tasks are deleted whole, on request or by themselves, and whoever holds on to one is told
//! (promises P11, P16).

mod purging;

mod concurrent;
mod policy;
mod purged;
