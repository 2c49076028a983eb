//! The executor: claims roots, runs their steps, commits every transition.
//!
//! One replica owns a root at a time. Its `lease` proves that, the `claim` loop takes roots, and a
//! `root` runner carries each through: `freeze` starts it or `recovery` reads it back; its `course`
//! runs a `line` of steps per node; a `step` calls its driver; `terminate` winds down. All of them
//! write with the same `pen`, which stops at once when the root is another's.

pub mod design_source;
pub mod options;
pub mod service;

mod lease;

mod hints;

mod claim;

mod root;

mod freeze;
mod gate;
mod recovery;

mod course;
mod pending;
mod standing;
mod waiting;

mod call;
mod line;
mod outcome;
mod retry;
mod step;
mod terminate;

mod message;
mod pen;
mod subtask;
mod tree;

pub use design_source::{DesignFailure, DesignFault, DesignFinding, DesignSource, LoadedDesign};
pub use gate::Gate;
pub use options::ExecutorOptions;
pub use service::{Executor, Handle};

#[cfg(test)]
mod tests;
