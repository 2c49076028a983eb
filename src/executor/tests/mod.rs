//! The executor on a store, with simulated machines.

mod bench;
mod machines;

mod running;
mod stopping;
mod succession;
mod waiting;

mod panics;
