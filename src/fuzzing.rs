//! What hostile bytes are thrown at: one function for each place where bytes of others are read.
//!
//! Not part of what is shipped: it is there for tests, and for the fuzzer, which sets
//! `cfg(fuzzing)`. A feature was rejected, because tests would not run without naming it. Each
//! function takes any bytes at all, must neither panic nor hang nor grow memory (promise P15), and
//! panics where something that was accepted breaks a rule.

use crate::domain::{TaskId, Timestamp};
use crate::{api, cli, design, store};

#[cfg(test)]
mod mutate;
#[cfg(test)]
mod tests;

/// A place where bytes are read.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of the fuzz target and of the directory with its seeds.
    pub name: &'static str,
    /// Reads any bytes.
    pub read: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 7] = [
    Target {
        name: "design",
        read: design::fuzz::design,
    },
    Target {
        name: "reference",
        read: design::fuzz::reference,
    },
    Target {
        name: "node_filter",
        read: api::fuzz::node_filter,
    },
    Target {
        name: "token",
        read: api::fuzz::token,
    },
    Target {
        name: "task_document",
        read: cli::fuzz::task_document,
    },
    Target {
        name: "journal",
        read: journal,
    },
    Target {
        name: "create_task",
        read: api::fuzz::create_task,
    },
];

/// Reads `bytes` as the target `name` does.
///
/// # Panics
///
/// There is no such target, or what is being looked for was found.
pub fn read(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    assert!(target.is_some(), "no target {name}");
    if let Some(target) = target {
        (target.read)(bytes);
    }
}

/// A payload of the journal.
fn journal(payload: &[u8]) {
    // Where in the journal a row stands says nothing about its payload.
    const FIRST_SEQUENCE: i64 = 1_000;
    let root = TaskId(uuid::Uuid::nil());
    let decoded = store::codec::decode_commit(root, FIRST_SEQUENCE, Timestamp::UNIX_EPOCH, payload);
    if let Ok(commit) = decoded {
        assert!(commit.last_sequence() >= FIRST_SEQUENCE - 1);
    }
}
