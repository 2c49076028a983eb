//! Provision states: where a node is in Ironic's state machine.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A provision state.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) enum State {
    /// Known, and nothing else.
    Enroll,
    /// Its credentials are tried.
    Verifying,
    /// Under control, not for use.
    Manageable,
    /// Its hardware is looked at.
    Inspecting,
    /// The same, waiting for the ramdisk.
    InspectWait,
    /// That failed.
    InspectFailed,
    /// It is wiped.
    Cleaning,
    /// The same, waiting for the ramdisk.
    CleanWait,
    /// The same, halted by an operator.
    CleanHold,
    /// That failed.
    CleanFailed,
    /// Ready to be deployed.
    Available,
    /// Being deployed.
    Deploying,
    /// The same, waiting for the ramdisk.
    DeployWait,
    /// The same, halted by an operator.
    DeployHold,
    /// That failed.
    DeployFailed,
    /// Deployed.
    Active,
    /// Being released.
    Deleting,
    /// That failed.
    Error,
    /// Any other: adopted, rescued and serviced nodes, and what later versions add.
    Other(String),
}

impl State {
    /// Those with a name of ours.
    const NAMED: [(&'static str, Self); 18] = [
        ("enroll", Self::Enroll),
        ("verifying", Self::Verifying),
        ("manageable", Self::Manageable),
        ("inspecting", Self::Inspecting),
        ("inspect wait", Self::InspectWait),
        ("inspect failed", Self::InspectFailed),
        ("cleaning", Self::Cleaning),
        ("clean wait", Self::CleanWait),
        ("clean hold", Self::CleanHold),
        ("clean failed", Self::CleanFailed),
        ("available", Self::Available),
        ("deploying", Self::Deploying),
        ("wait call-back", Self::DeployWait),
        ("deploy hold", Self::DeployHold),
        ("deploy failed", Self::DeployFailed),
        ("active", Self::Active),
        ("deleting", Self::Deleting),
        ("error", Self::Error),
    ];

    /// As Ironic spells it.
    pub(super) fn token(&self) -> &str {
        if let Self::Other(token) = self {
            return token;
        }
        let named = Self::NAMED.iter().find(|(_, state)| state == self);
        named.map_or("", |(token, _)| token)
    }

    /// Whether something failed, and the node stays here until somebody sees to it, whatever its
    /// target says.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::InspectFailed | Self::CleanFailed | Self::DeployFailed | Self::Error => true,
            Self::Enroll
            | Self::Verifying
            | Self::Manageable
            | Self::Inspecting
            | Self::InspectWait
            | Self::Cleaning
            | Self::CleanWait
            | Self::CleanHold
            | Self::Available
            | Self::Deploying
            | Self::DeployWait
            | Self::DeployHold
            | Self::Active
            | Self::Deleting => false,
            Self::Other(token) => token.ends_with("failed"),
        }
    }
}

impl From<String> for State {
    fn from(token: String) -> Self {
        let named = Self::NAMED.into_iter().find(|(known, _)| *known == token);
        named.map_or(Self::Other(token), |(_, state)| state)
    }
}

impl FromStr for State {
    type Err = Infallible;

    fn from_str(token: &str) -> Result<Self, Infallible> {
        Ok(Self::from(token.to_owned()))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// What Ironic can be asked to do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verb {
    /// Take it under control.
    Manage,
    /// Look at its hardware.
    Inspect,
    /// Make it ready to be deployed: wipe it, where Ironic is told to.
    Provide,
    /// Deploy it.
    Active,
    /// Release and wipe it.
    Deleted,
}

impl Verb {
    /// As Ironic spells it.
    pub(super) fn token(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::Inspect => "inspect",
            Self::Provide => "provide",
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }

    /// Where a node is once Ironic has accepted it: it answers after the node has left its state.
    pub(super) fn begins(self) -> &'static str {
        match self {
            Self::Manage => "verifying, then manageable",
            Self::Inspect => "inspecting, then manageable",
            Self::Provide => "cleaning, then available",
            Self::Active => "deploying, then active",
            Self::Deleted => "deleting, then available",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip() {
        for (token, state) in State::NAMED {
            assert_eq!(State::from(token.to_owned()), state);
            assert_eq!(state.token(), token);
        }
        assert_eq!(State::from("rescue".to_owned()).token(), "rescue");
    }
}
