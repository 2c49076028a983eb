//! Actions: what a task asks to be done to a site or to its nodes.

use std::fmt;

/// What a task asks for. The numbers are stored and must never be reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Action {
    /// Checks the site design; touches no machine.
    ValidateDesign = 1,
    /// Checks that the services which manage the site answer.
    VerifySite = 2,
    /// Prepares the provisioner: networks, credentials, settings.
    PrepareSite = 3,
    /// Asks each node's BMC about the node.
    VerifyNode = 4,
    /// Brings each node under the provisioner's control.
    PrepareNode = 5,
    /// Installs the operating system on each node.
    DeployNode = 6,
    /// Wipes each node.
    DestroyNode = 7,
}

impl Action {
    /// Every action, in the contract's order.
    pub const ALL: [Self; 7] = [
        Self::ValidateDesign,
        Self::VerifySite,
        Self::PrepareSite,
        Self::VerifyNode,
        Self::PrepareNode,
        Self::DeployNode,
        Self::DestroyNode,
    ];

    /// The document token, for example `verify_node`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::ValidateDesign => "validate_design",
            Self::VerifySite => "verify_site",
            Self::PrepareSite => "prepare_site",
            Self::VerifyNode => "verify_node",
            Self::PrepareNode => "prepare_node",
            Self::DeployNode => "deploy_node",
            Self::DestroyNode => "destroy_node",
        }
    }

    /// The action of a document token; the seed's plural spellings (`deploy_nodes`) are read too.
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| {
            action.token() == token
                || (action.is_per_node() && token.strip_suffix('s') == Some(action.token()))
        })
    }

    /// The action stored under `number`.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|action| *action as i16 == number)
    }

    /// Whether the task has a subtask for each node. The others have their steps, if any,
    /// directly below the root.
    pub const fn is_per_node(self) -> bool {
        match self {
            Self::ValidateDesign | Self::VerifySite | Self::PrepareSite => false,
            Self::VerifyNode | Self::PrepareNode | Self::DeployNode | Self::DestroyNode => true,
        }
    }

    /// Whether it changes what it touches, and so takes the lock of each node (or of the site).
    pub const fn is_mutating(self) -> bool {
        match self {
            Self::ValidateDesign | Self::VerifySite | Self::VerifyNode => false,
            Self::PrepareSite | Self::PrepareNode | Self::DeployNode | Self::DestroyNode => true,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_numbers_round_trip() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.token()), Some(action));
            assert_eq!(Action::from_number(action as i16), Some(action));
        }
        assert_eq!(Action::parse("deploy_nodes"), Some(Action::DeployNode));
        assert_eq!(Action::parse("verify_sites"), None);
        assert_eq!(Action::parse(""), None);
    }
}
