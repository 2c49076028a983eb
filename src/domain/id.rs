//! Identifiers: one newtype per kind of id, so that they cannot be mixed up.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::random;

/// Declares a UUID newtype with the conversions every id needs.
macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_newtype! {
    /// A task of any level. Roots are UUIDv7; subtasks are derived from their parent.
    TaskId
}

uuid_newtype! {
    /// One start of one server process; never reused, so that an expired owner stays expired.
    InstanceId
}

uuid_newtype! {
    /// The caller's key that makes a create idempotent.
    RequestId
}

impl TaskId {
    /// A fresh root id. Time-ordered, so that index pages stay warm.
    pub fn new_root() -> Self {
        Self(random::id_in_time())
    }

    /// The id of the child at `ordinal` below this task.
    ///
    /// Deriving it makes creation idempotent by (parent, ordinal): the same child cannot get a
    /// second id. It keeps the parent's 48-bit time, so that a tree's rows stay together in the
    /// primary key, and takes the remaining 74 bits from SHA-256 (a UUIDv8, RFC 9562 section 5.8).
    pub fn child(self, ordinal: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0.as_bytes());
        hash.update(ordinal.to_be_bytes());
        let digest = hash.finalize();
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&self.0.as_bytes()[..6]);
        bytes[6..].copy_from_slice(&digest[..10]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl InstanceId {
    /// A fresh id for one process start.
    pub fn new() -> Self {
        Self(random::id())
    }
}

impl Default for InstanceId {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_child_id_is_stable_and_stays_beside_its_parent() {
        let root = TaskId::new_root();
        assert_eq!(root.child(3), root.child(3));
        assert_eq!(root.child(3).0.as_bytes()[..6], root.0.as_bytes()[..6]);
        assert_eq!(root.child(3).0.get_version_num(), 8);
    }

    #[test]
    fn children_of_different_parents_or_places_differ() {
        let roots: Vec<TaskId> = (0..20).map(|_| TaskId::new_root()).collect();
        let ids: HashSet<TaskId> = roots
            .iter()
            .flat_map(|root| (0..500).map(|ordinal| root.child(ordinal)))
            .collect();
        assert_eq!(ids.len(), 20 * 500);
    }
}
