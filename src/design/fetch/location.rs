//! Where on the web a design is: a checked URL in one spelling.
//!
//! Checked by its text alone, as strictly as the paths of files: what a second parser, the one of
//! the HTTP client, could read in another way is refused.

use std::fmt::{self, Write as _};

use percent_encoding::percent_decode_str;

use super::super::reference::{ReferenceError, decode};
use super::address;
use super::host::{AllowedHost, Host, authority};

/// What on the web may be read. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebPolicy {
    /// The only hosts that are spoken to. Without one the schemes of the web are not enabled.
    pub hosts: Vec<AllowedHost>,
    /// Whether `http://` and `deckhand+http://` are enabled: what comes that way can be changed by
    /// whoever is in between.
    pub plain_http: bool,
    /// Whether a host may be this machine itself: for tests and development.
    pub loopback: bool,
}

/// Who is there, which says how a token is shown to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::design) enum Service {
    /// Any server.
    Web,
    /// Airship's Deckhand, behind OpenStack's Keystone.
    Deckhand,
}

/// A scheme, a host and a port: what a token belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::design) struct Origin {
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
}

/// A URL that the policy allows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::design) struct Location {
    pub(super) service: Service,
    pub(super) origin: Origin,
    /// Begins with a slash, and is as it was given.
    path: String,
    query: Option<String>,
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RedirectError {
    #[error("without an absolute path or URL")]
    Relative,
    #[error("to another host")]
    OtherHost,
    #[error("to another port")]
    OtherPort,
    #[error("from https to http")]
    Downgrade,
    #[error("to what is not allowed: {0}")]
    NotAllowed(ReferenceError),
}

impl Location {
    /// Checks what follows the scheme and its colon.
    ///
    /// # Errors
    ///
    /// The first rule that the text breaks; [`ReferenceError::SchemeNotEnabled`] where the policy
    /// has no host, or not this scheme.
    pub(in crate::design) fn parse(
        scheme: &str,
        rest: &str,
        policy: &WebPolicy,
    ) -> Result<Self, ReferenceError> {
        let known = match scheme {
            "https" => Some((Service::Web, true)),
            "http" => Some((Service::Web, false)),
            "deckhand+https" => Some((Service::Deckhand, true)),
            "deckhand+http" => Some((Service::Deckhand, false)),
            _other => None,
        };
        let enabled =
            known.filter(|(_, tls)| !policy.hosts.is_empty() && (*tls || policy.plain_http));
        let Some((service, tls)) = enabled else {
            return Err(ReferenceError::SchemeNotEnabled {
                scheme: scheme.to_owned(),
            });
        };
        let location = Self::parse_rest(service, tls, rest, policy)?;
        match service {
            Service::Web => Ok(location),
            Service::Deckhand => location.of_rendered_documents(),
        }
    }

    fn parse_rest(
        service: Service,
        tls: bool,
        rest: &str,
        policy: &WebPolicy,
    ) -> Result<Self, ReferenceError> {
        let why = "a reference on the web is written SCHEME://host/path";
        let rest = rest
            .strip_prefix("//")
            .ok_or(ReferenceError::NotAUri { why })?;
        if rest.contains('\\') {
            return Err(not_plain("it has a backslash"));
        }
        if rest.contains('#') {
            return Err(not_plain("it has a fragment"));
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, port) = authority(&rest[..end])?;
        let usual = usual_port(tls);
        let port = port.unwrap_or(usual);
        if !policy
            .hosts
            .iter()
            .any(|allowed| allowed.is(&host, port, usual))
        {
            return Err(ReferenceError::HostNotAllowed);
        }
        if let Host::Address(address) = &host
            && let Some(what) = address::refusal(*address, policy.loopback)
        {
            return Err(ReferenceError::AddressNotAllowed { what });
        }

        let (path, query) = match rest[end..].split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&rest[end..], None),
        };
        check_path(path)?;
        query.map_or(Ok(()), check_query)?;
        Ok(Self {
            service,
            origin: Origin { tls, host, port },
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            query: query.map(str::to_owned),
        })
    }

    /// Deckhand keeps documents of every service; without a query we ask for ours, so that secrets
    /// of others are not even sent.
    fn of_rendered_documents(mut self) -> Result<Self, ReferenceError> {
        let revision = self
            .path
            .strip_suffix("/rendered-documents")
            .and_then(|path| path.rsplit_once("/revisions/"))
            .map(|(_, revision)| revision);
        let number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !revision.is_some_and(number) {
            return Err(not_plain(
                "that of a Deckhand ends with /revisions/NUMBER/rendered-documents",
            ));
        }
        self.query
            .get_or_insert_with(|| "schema=drydock".to_owned());
        Ok(self)
    }

    /// Where `Location: to` leads from here. The host stays the same, and so do scheme and port but
    /// for the step up from http to https.
    ///
    /// # Errors
    ///
    /// It leads anywhere else, or to what no reference could name.
    pub(super) fn redirected(&self, to: &str, policy: &WebPolicy) -> Result<Self, RedirectError> {
        if to.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(RedirectError::NotAllowed(ReferenceError::ControlCharacter));
        }
        let here = if self.origin.tls { "https" } else { "http" };
        let absolute = if to.starts_with("//") {
            format!("{here}:{to}")
        } else if to.starts_with('/') {
            format!("{}{to}", self.origin)
        } else {
            to.to_owned()
        };
        let (scheme, rest) = absolute.split_once(':').ok_or(RedirectError::Relative)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            scheme if absolute.contains("://") => {
                return Err(RedirectError::NotAllowed(
                    ReferenceError::SchemeNotEnabled {
                        scheme: scheme.to_owned(),
                    },
                ));
            }
            _no_scheme => return Err(RedirectError::Relative),
        };
        let next = match Self::parse_rest(self.service, tls, rest, policy) {
            Ok(next) => next,
            Err(ReferenceError::HostNotAllowed) => return Err(self.elsewhere(tls, rest)),
            Err(refused) => return Err(RedirectError::NotAllowed(refused)),
        };
        if next.origin.host != self.origin.host {
            return Err(RedirectError::OtherHost);
        }
        match (self.origin.tls, next.origin.tls) {
            (true, false) => Err(RedirectError::Downgrade),
            (true, true) | (false, false) if next.origin.port != self.origin.port => {
                Err(RedirectError::OtherPort)
            }
            (true, true) | (false, false | true) => Ok(next),
        }
    }

    /// How a place that is not on the list differs from here.
    fn elsewhere(&self, tls: bool, rest: &str) -> RedirectError {
        let text = rest.trim_start_matches('/');
        let text = &text[..text.find(['/', '?']).unwrap_or(text.len())];
        match authority(text) {
            Ok((host, _)) if host != self.origin.host => RedirectError::OtherHost,
            Ok(_) if self.origin.tls && !tls => RedirectError::Downgrade,
            Ok(_) => RedirectError::OtherPort,
            Err(refused) => RedirectError::NotAllowed(refused),
        }
    }

    /// The URL to ask for.
    pub(super) fn url(&self) -> String {
        let mut url = format!("{}{}", self.origin, self.path);
        if let Some(query) = &self.query {
            // Writing to a text does not fail.
            write!(url, "?{query}").ok();
        }
        url
    }

    /// A name for the file that is there, for findings: the last segment of the path.
    pub(in crate::design) fn file_name(&self) -> String {
        let last = self.path.trim_end_matches('/').rsplit('/').next();
        match last.map(|last| percent_decode_str(last).decode_utf8_lossy()) {
            Some(name) if !name.is_empty() => name.into_owned(),
            Some(_) | None => "design".to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == usual_port(self.tls) {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

/// The port that a scheme's URLs need not name.
pub(super) fn usual_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn check_path(path: &str) -> Result<(), ReferenceError> {
    if path.is_empty() {
        return Ok(());
    }
    // A directory may be written with a slash at its end; alone it is the root.
    let inner = path.strip_suffix('/').unwrap_or(path);
    for segment in inner.split('/').skip(1) {
        match segment {
            "" => return Err(not_plain("it has an empty segment")),
            "." | ".." => return Err(not_plain("it has a dot segment")),
            plain if plain.bytes().all(is_plain) => decode(plain).map(drop)?,
            _other => {
                return Err(not_plain(
                    "it has a character that is percent-encoded there",
                ));
            }
        }
    }
    Ok(())
}

/// A query means something to the server alone: its escapes need only be escapes.
fn check_query(query: &str) -> Result<(), ReferenceError> {
    if !query
        .bytes()
        .all(|byte| is_plain(byte) || matches!(byte, b'/' | b'?'))
    {
        return Err(not_plain(
            "its query has a character that is percent-encoded there",
        ));
    }
    for (at, _) in query.match_indices('%') {
        let digits = query.get(at + 1..at + 3).ok_or(ReferenceError::Encoding)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(ReferenceError::Encoding);
        }
        let byte = u8::from_str_radix(digits, 16).map_err(|_no_hex| ReferenceError::Encoding)?;
        if byte.is_ascii_control() {
            return Err(ReferenceError::ControlCharacter);
        }
    }
    Ok(())
}

/// Characters that stand for themselves in a path and a query: those of RFC 3986 without the
/// apostrophe, which the client's URL parser escapes.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&()*+,;=:@%".contains(&byte)
}

fn not_plain(why: &'static str) -> ReferenceError {
    ReferenceError::PathNotPlain { why }
}
