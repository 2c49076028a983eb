//! Tokens of ours, each for one origin.
//!
//! A token is shown to the scheme, host and port it is configured for and to nobody else: a token
//! for `https://` is never sent in clear because a reference says `http://`. It is looked up at each
//! fetch, because tokens expire and are replaced, and it is never kept.

use std::io;
use std::str::FromStr;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::super::error::LoadError;
use super::host::authority;
use super::location::{Origin, Service, usual_port};
use crate::secret::{Secret, SecretReference, SecretSource};

/// Where Keystone's tokens go.
const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// A token and the origin it is for: `https://host:port=secret://NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    origin: Origin,
    secret: SecretReference,
}

/// A text that is no origin and secret. It does not repeat the text, which may be the token itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not `https://host=secret://NAME`, with a port and http:// where they are meant")]
pub struct TokenError;

impl Token {
    /// Where it is kept.
    #[must_use]
    pub fn secret(&self) -> &SecretReference {
        &self.secret
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (origin, secret) = text.split_once('=').ok_or(TokenError)?;
        let (tls, rest) = match origin.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) | None => return Err(TokenError),
        };
        let (host, port) = authority(rest).map_err(|_not_plain| TokenError)?;
        let port = port.unwrap_or(usual_port(tls));
        Ok(Self {
            origin: Origin { tls, host, port },
            secret: secret.parse().map_err(|_no_reference| TokenError)?,
        })
    }
}

/// The header that shows our token to `origin`; none if there is no token for it.
///
/// # Errors
///
/// `Unavailable` when the secret is not there, or is nothing that a header can hold: a token that
/// expired is replaced by somebody, soon.
pub(super) async fn header(
    tokens: &[Token],
    secrets: &SecretSource,
    origin: &Origin,
    service: Service,
) -> Result<Option<(HeaderName, HeaderValue)>, LoadError> {
    let Some(token) = tokens.iter().find(|token| token.origin == *origin) else {
        return Ok(None);
    };
    let secret = secrets.read(&token.secret).await.map_err(|error| {
        tracing::warn!(%origin, error = %error, "token not read");
        unavailable()
    })?;
    let (name, value) = match service {
        Service::Web => (
            AUTHORIZATION,
            Secret::new(format!("Bearer {}", secret.expose())),
        ),
        Service::Deckhand => (X_AUTH_TOKEN, secret),
    };
    let printable = value
        .expose()
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let value = HeaderValue::from_str(value.expose())
        .ok()
        .filter(|_| printable);
    let Some(mut value) = value else {
        tracing::warn!(%origin, secret = %token.secret, "the token is no text of a header");
        return Err(unavailable());
    };
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

fn unavailable() -> LoadError {
    let message = "the token for the design's server is not to be had";
    LoadError::Unavailable(io::Error::other(message))
}
