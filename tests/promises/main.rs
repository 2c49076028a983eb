//! The promises, held against the real server over real connections, on both databases.
#![expect(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests read the statuses that the server sends, fail loudly, and print what they measure"
)]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod documents;
mod fetched;
mod node_filter;

mod crowd;
mod overload;
mod resume;
mod scope;

mod terminate;

mod retention;

mod build_data;
mod crash;
mod crash_points;
mod cuts;
mod departures;
mod drain;
mod outage;
mod replicas;
mod silence;
mod takeover;
mod upgrade;

mod scale;
