//! Roles: how much a caller may do.

use std::fmt;

use super::Action;

/// How much a caller may do. Each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks at tasks and designs, and changes nothing.
    Read,
    /// Creates and stops tasks that lose no data of a node that is in use.
    Operate,
    /// Wipes nodes and deletes tasks.
    Destroy,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Destroy];

    /// The word for it, for example `operate`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Destroy => "destroy",
        }
    }

    /// The role of a word.
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.token() == token)
    }

    /// Whether it includes `needed`.
    pub fn includes(self, needed: Self) -> bool {
        self >= needed
    }

    /// The least role that may have `action` done, in a new task or a repeated one.
    pub const fn to_run(action: Action) -> Self {
        match action {
            Action::ValidateDesign
            | Action::VerifySite
            | Action::PrepareSite
            | Action::VerifyNode
            | Action::PrepareNode
            | Action::DeployNode => Self::Operate,
            Action::DestroyNode => Self::Destroy,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_includes_those_before_it() {
        for (place, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(Role::parse(role.token()), Some(role));
            for (other_place, other) in Role::ALL.into_iter().enumerate() {
                assert_eq!(role.includes(other), place >= other_place, "{role} {other}");
            }
        }
        assert_eq!(Role::parse("admin"), None);
    }

    #[test]
    fn only_wiping_takes_more_than_operating() {
        for action in Action::ALL {
            let expected = if action == Action::DestroyNode {
                Role::Destroy
            } else {
                Role::Operate
            };
            assert_eq!(Role::to_run(action), expected, "{action}");
        }
    }
}
