//! Input of every kind over real connections: what breaks a rule is refused whole, with the rule
//! (promise P15), and what is repeated is one thing (promise P2).
#![expect(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests read the statuses that the server sends, fail loudly, and show the server's log"
)]

#[macro_use]
#[path = "../support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the tests of the promises, which use all of it"
)]
mod support;

mod call;

mod build_data;

mod creating;
mod naming;
mod purging;
mod reading;
mod references;
mod refused;
mod selecting;

mod gate;
mod idempotency;
mod looking_up;
mod missing;
mod paging;
mod resuming;

mod people;

mod credentials;
mod encryption;
mod roles;

mod surface;
mod transport;
mod validation;
