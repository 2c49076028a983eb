//! Tokens: secrets that callers show, and the hashes that are kept of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What every token begins with, so that tools which look for leaked secrets know one.
pub const PREFIX: &str = "drydock_";

/// The longest text that is taken for a token, in bytes; ours have 51.
pub const MAX_LENGTH: usize = 512;

/// Randomness of a token, in bytes.
const ENTROPY: usize = 32;

/// What a hash is written with.
const HASH_PREFIX: &str = "sha256:";

/// A token. It is never shown but by [`Self::expose`].
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new token that nobody can guess.
    ///
    /// # Errors
    ///
    /// The system has no randomness to give.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut random = [0; ENTROPY];
        SysRng
            .try_fill_bytes(&mut random)
            .map_err(|error| NoRandomness(Box::new(error)))?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))))
    }

    /// A token that somebody shows: 1 to 512 visible characters of ASCII.
    pub fn parse(text: &str) -> Option<Self> {
        ((1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()))
            .then(|| Self(text.to_owned()))
    }

    /// The hash that is kept of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(&self.0).into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("get randomness from the system")]
pub struct NoRandomness(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The SHA-256 of a token, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(HASH_PREFIX)?;
        if digits.len() != 64 || !digits.is_ascii() {
            return None;
        }
        let mut hash = [0; 32];
        for (place, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
        }
        // `from_str_radix` takes a sign.
        (!digits.contains('+')).then_some(Self(hash))
    }

    /// Whether they are of the same token, in a time that does not tell how alike they are.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HASH_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        let token = Token::generate().expect("randomness");
        let other = Token::generate().expect("randomness");
        assert_eq!(token.expose().len(), 51);
        assert!(token.expose().starts_with(PREFIX));
        let written = token.hash().to_string();
        let read = TokenHash::parse(&written).expect("a hash");
        assert!(read.matches(&token.hash()));
        assert!(!read.matches(&other.hash()));
        assert!(!format!("{token:?}").contains(token.expose()));
        // printf %s abc | sha256sum
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Token::parse("abc").expect("text").hash().to_string(), abc);
    }

    #[test]
    fn what_is_no_hash_is_not_taken_for_one() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert!(TokenHash::parse(&good).is_some());
        for bad in [
            "",
            "sha256:",
            &good[7..],
            &good[..70],
            &good.replace('a', "g"),
            &good.replace("0a", "+a"),
            &good.replace("0a", "é"),
        ] {
            assert!(TokenHash::parse(bad).is_none(), "{bad}");
        }
        for bad in ["", "a b", "ä", &"x".repeat(MAX_LENGTH + 1)] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }
}
