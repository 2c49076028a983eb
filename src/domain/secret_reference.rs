//! References to secrets: what designs and configuration say instead of a password.

use std::fmt;
use std::str::FromStr;

/// How a reference begins.
const SCHEME: &str = "secret://";

/// The longest name. Names are also names of files, which file systems bound at 255 bytes.
const MAX_NAME_BYTES: usize = 128;

/// A reference of the form `secret://NAME`. It is no secret itself: it may be stored, logged and shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretReference(Box<str>);

/// Why a text is no reference. It never holds the text, which may be a password that somebody wrote
/// where a reference belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASecretReference {
    /// It begins otherwise.
    #[error("must be `secret://NAME`")]
    Scheme,
    /// The name is empty, too long, or has other characters.
    #[error("must name a secret by 1 to 128 letters, digits, `.`, `_` or `-`")]
    Name,
}

impl SecretReference {
    /// The name alone.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretReference {
    type Err = NotASecretReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text
            .strip_prefix(SCHEME)
            .ok_or(NotASecretReference::Scheme)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        // The two names that every directory has are none of a file.
        let known = (1..=MAX_NAME_BYTES).contains(&name.len()) && name != "." && name != "..";
        if known && name.bytes().all(allowed) {
            Ok(Self(name.into()))
        } else {
            Err(NotASecretReference::Name)
        }
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written() {
        let longest = format!("secret://{}", "a".repeat(128));
        for text in ["secret://bmc-1", "secret://a", "secret://A.b_c-9", &longest] {
            let reference: SecretReference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_without_being_repeated() {
        let too_long = format!("secret://{}", "a".repeat(129));
        for text in [
            "hunter2",
            "secret:hunter2",
            " secret://a",
            "secret://",
            "secret://a/b",
            "secret://..",
            "secret://.",
            "secret://a b",
            "secret://ä",
            "SECRET://a",
            &too_long,
        ] {
            let error = text.parse::<SecretReference>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}");
        }
    }
}
