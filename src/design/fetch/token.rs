//! Tokens of ours, each for one origin.
//!
//! A token is shown to the scheme, host and port it is configured for and to nobody else: a token
//! for `https://` is never sent in clear because a reference says `http://`. It is read at each
//! fetch, because tokens expire and are replaced, and it is never kept.

use std::fmt;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::host::authority;
use super::location::{Origin, Service, usual_port};

/// The longest token: those of Keystone and of common identity providers have 4 KiB at most.
const MAX_TOKEN: u64 = 8 * 1024;

/// Where Keystone's tokens go.
const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// A token in a file, and the origin it is for: `https://host:port=/path/of/file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    origin: Origin,
    file: PathBuf,
}

/// A text that is no origin and file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenError;

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "is not `https://host=/path/of/file`, with the port and http:// where they are meant",
        )
    }
}

impl std::error::Error for TokenError {}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (origin, file) = text.split_once('=').ok_or(TokenError)?;
        let (tls, rest) = match origin.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) | None => return Err(TokenError),
        };
        let (host, port) = authority(rest).map_err(|_not_plain| TokenError)?;
        let file = PathBuf::from(file);
        if !file.is_absolute() {
            return Err(TokenError);
        }
        let port = port.unwrap_or(usual_port(tls));
        Ok(Self {
            origin: Origin { tls, host, port },
            file,
        })
    }
}

/// The header that shows our token to `origin`; none if there is no token for it.
///
/// # Errors
///
/// The file of the token cannot be read, or holds no token.
pub(super) fn header(
    tokens: &[Token],
    origin: &Origin,
    service: Service,
) -> io::Result<Option<(HeaderName, HeaderValue)>> {
    let Some(token) = tokens.iter().find(|token| token.origin == *origin) else {
        return Ok(None);
    };
    let mut text = String::new();
    std::fs::File::open(&token.file)?
        .take(MAX_TOKEN + 1)
        .read_to_string(&mut text)?;
    let text = text.trim_end();
    let usable = !text.is_empty()
        && text.len() as u64 <= MAX_TOKEN
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !usable {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (name, value) = match service {
        Service::Web => (AUTHORIZATION, format!("Bearer {text}")),
        Service::Deckhand => (X_AUTH_TOKEN, text.to_owned()),
    };
    let mut value = HeaderValue::from_str(&value)
        .map_err(|_checked| io::Error::from(io::ErrorKind::InvalidData))?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}
