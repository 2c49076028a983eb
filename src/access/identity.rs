//! An identity: a name that was proven, and the role that goes with it.

use std::sync::Arc;

use crate::domain::{ANONYMOUS_ACTOR, Role, SERVICE_ACTOR};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 128;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name that tasks and audit records remember.
    pub name: Arc<str>,
    /// How much they may do.
    pub role: Role,
}

impl Identity {
    /// Everybody, where nobody is asked: they may do everything.
    pub fn anonymous() -> Self {
        Self {
            name: Arc::from(ANONYMOUS_ACTOR),
            role: Role::Destroy,
        }
    }
}

/// Whether an identity may have this name: 1 to 128 letters, digits and `._@+-` of ASCII, beginning with
/// a letter or a digit, and none of the names that the service uses itself.
pub fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte))
        && text != ANONYMOUS_ACTOR
        && text != SERVICE_ACTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_not_those_of_the_service() {
        for good in ["ci", "a", "alice@example.org", "rack-1.example_x+y", "7"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        for bad in [
            "",
            "anonymous",
            "drydock",
            "-x",
            "a b",
            "a/b",
            "ä",
            "a\n",
            &long,
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
