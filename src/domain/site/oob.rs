//! `oob` of hosts: how the management controller is reached.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The out-of-band management of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Oob {
    /// `type`: the driver that speaks to it, for example `redfish` or `simulated`.
    pub kind: Option<String>,
    /// `network`: the name of the network that it is in.
    pub network: Option<String>,
    /// `address`: host or `host:port`; default is the node's address on `network`, which an
    /// effective node has here.
    pub address: Option<String>,
    /// `account`: the user to log in as.
    pub account: Option<String>,
    /// `credential`: where the password is kept; none when the design held anything else.
    pub credential: Option<SecretReference>,
    /// Every other scalar: parameters of the driver, for example `system_id` or `libvirt_uri`.
    pub parameters: BTreeMap<String, String>,
}

/// `secret://NAME`: the name of a secret that is looked up when it is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretReference {
    name: String,
}

/// A text that is no reference to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret is named as secret://NAME, of 1 to 128 letters, digits, dots, dashes or underscores"
)]
pub struct SecretReferenceError;

impl SecretReference {
    /// How a reference begins.
    pub const SCHEME: &'static str = "secret://";

    /// The longest name, in bytes: it names a file or an environment variable.
    pub const MAX_NAME_BYTES: usize = 128;

    /// The secret's name, without the scheme.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for SecretReference {
    type Err = SecretReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text
            .strip_prefix(Self::SCHEME)
            .ok_or(SecretReferenceError)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=Self::MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed) {
            let name = name.to_owned();
            Ok(Self { name })
        } else {
            Err(SecretReferenceError)
        }
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::SCHEME, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_references_are_secrets() {
        let named: Result<SecretReference, _> = "secret://bmc.rack-1_a".parse();
        assert_eq!(
            named.as_ref().map(SecretReference::name),
            Ok("bmc.rack-1_a")
        );
        let long = format!("secret://{}", "x".repeat(129));
        for text in [
            "",
            "bmc",
            "secret://",
            "secret://a/b",
            "secret://a b",
            " secret://a",
            "secret:a",
            &long,
        ] {
            assert_eq!(
                text.parse::<SecretReference>(),
                Err(SecretReferenceError),
                "{text}"
            );
        }
    }
}
