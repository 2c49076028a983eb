//! Simulation: whole replicas and their clients in one thread, on a network, a clock and a chance that
//! follow from a seed.
//!
//! What is simulated is what the service is made of, from gRPC to the executor's calls: only the database
//! is a model ([`crate::store::model`]), the machines are ([`machines`]), and designs come from memory.
//! turmoil gives the network and the time; hosts crash, drain, are cut off from their clients, and lose
//! what they say to the database or hear from it ([`weather`]). What clients were told is held against the
//! rules of streams by the same checker as that of real servers, and what machines did against promise P5.
//!
//! [`seeds`] runs many small worlds with faults at random moments; [`matrix`] one world for each point
//! at which a replica can crash or fail.

#[expect(
    dead_code,
    unused_imports,
    reason = "tests of real servers need more of it"
)]
#[path = "../../tests/support/checker/mod.rs"]
mod checker;
#[expect(dead_code, reason = "tests of real servers need more of it")]
#[path = "../../tests/support/ledger.rs"]
mod ledger;
#[path = "../../tests/support/scale.rs"]
pub(crate) mod scale;

mod designs;
mod machines;
mod weather;

mod customer;
mod replica;

mod faults;
mod scenario;

mod matrix;
mod seeds;
