//! The node driver that deploys through OpenStack Ironic.
//!
//! Ironic does the work; this driver asks for it, says whose it is, and tells how it goes. Three
//! things make that safe to do again after a crash. What begins work has a [`mark`]: our task's id,
//! written into the node before the request, together with the moment at which its provision state
//! last changed. Ironic's own state machine refuses a request that is already being worked on. And a
//! deployment's id is also the node's `instance_uuid`, which Ironic sets only where none is set.
//!
//! Rejected: Ironic's allocations, which choose a node where the design has chosen; and its event
//! notifications, which need a message bus that a standalone Ironic does not have.

mod microversion;

mod error;

mod client;

mod state;

mod node;

mod mark;

mod progress;

mod work;

mod wanted;

mod driver_info;

mod identity;

mod inventory;

mod hardware;

mod settings;

mod deployment;

mod release;

mod services;

mod options;

mod driver;

pub use driver::Ironic;
pub use options::{Authentication, Enrolment, Images, Options};
