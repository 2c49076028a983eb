//! Drydock runs tasks on the bare-metal nodes of a site and tells everybody, live, how far it is.

pub mod background;
pub mod clock;
pub mod domain;
mod failpoint;
pub mod proto;
mod random;
pub mod secret;
mod seeded;
pub mod trust;

pub mod access;

pub mod store;

pub mod design;
pub mod driver;
pub mod executor;
pub mod watch;

pub mod tasks;

pub mod api;

pub mod cli;
pub mod config;
pub mod server;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod reliability_tests;
#[cfg(test)]
mod simulation;

// Tests that are written for those who use this library are also run inside of it.
#[cfg(test)]
extern crate self as drydock;
