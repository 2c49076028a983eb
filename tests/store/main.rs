//! The store's conformance suite: one text, run on SQLite and on PostgreSQL.
//!
//! Almost every test ends with `journal::assert_tells_the_state`, which folds the whole journal
//! from its beginning and holds it against what the store answers: whatever a test is about, the
//! events have to tell the same story as the rows.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken expectation is what makes a test fail"
)]

#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/scale.rs"]
mod scale;

#[macro_use]
mod database;
mod fold;
mod model;
mod tree;

mod admin;
mod batches;
mod build_data;
mod cancel;
mod claim;
mod create;
mod fence;
mod histories;
mod history;
mod journal;
mod list;
mod message;
mod node_lock;
mod outage;
mod owners;
mod purge;
mod sequence;
mod terminate;
mod write;
