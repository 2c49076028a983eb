//! A model of what replicas do with one root's tree, checked exhaustively, and real histories
//! held against the same rules.
//!
//! `tree` is what the store has: rows that move by the domain's own table. `replica` is what a
//! process believes, `world` is everything together, `action` what can happen in it, `event` what
//! comes of it: to a `lease`, to a `line` of steps, by a `commit`. `rules` says what must never be, `limits` how large
//! a world is looked at. `mutation` names the faults that the checker has to find.
//!
//! What the model leaves out: node locks (one root), designs, messages, retries' counts, and how
//! long a call waits for the database.
#![expect(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests read the statuses that the server sends, fail loudly, and print what they explored"
)]

#[macro_use]
#[path = "../support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "shared with the tests of the promises, which use all of it"
)]
mod support;

mod tree;

mod mutation;

mod limits;

mod replica;
mod world;

mod action;
mod commit;
mod event;
mod lease;
mod line;

mod rules;

mod ends;
mod mutated;
mod residual;
mod safe;
mod table;

mod history;
mod recorded;
