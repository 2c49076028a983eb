//! Hosts as references and the operator's list spell them: one spelling each.
//!
//! Programs read `0x7f.1`, `2130706433` and `127.0.0.1` as one address, and a trailing dot or a
//! capital letter as nothing. A list can only be exact if a host has one spelling, so the others
//! are refused. Letters are compared in lower case; names beyond ASCII are written as `xn--`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::super::reference::ReferenceError;

/// The longest name that DNS can hold, and its longest label.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host: a name in lower case, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::design) enum Host {
    Name(String),
    Address(IpAddr),
}

/// An entry of the list of hosts that designs may be read from: `host` or `host:port`. Without a
/// port it is the scheme's own one alone, so that a list of names is no list of open ports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AllowedHost {
    pub(super) host: Host,
    pub(super) port: Option<u16>,
}

/// A text that is no host, or no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not `host` or `host:port` in its plain spelling")]
pub struct AllowedHostError(#[source] ReferenceError);

impl FromStr for AllowedHost {
    type Err = AllowedHostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = authority(text).map_err(AllowedHostError)?;
        Ok(Self { host, port })
    }
}

impl AllowedHost {
    /// Whether it is this host and port; `usual` is the port that goes without saying.
    pub(super) fn is(&self, host: &Host, port: u16, usual: u16) -> bool {
        self.host == *host && self.port.unwrap_or(usual) == port
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, ReferenceError> {
        if let Some(inner) = text.strip_prefix('[') {
            let address: Option<Ipv6Addr> =
                inner.strip_suffix(']').and_then(|inner| inner.parse().ok());
            return match address {
                Some(address) => Ok(Self::Address(IpAddr::V6(address))),
                None => Err(host("what stands in brackets is no IPv6 address")),
            };
        }
        if text.is_empty() {
            return Err(host("it is empty"));
        }
        if text.contains('%') {
            return Err(host("it has a percent-encoding"));
        }
        if text.ends_with('.') {
            return Err(host("it ends with a dot"));
        }
        let plain = |label: &str| {
            !label.is_empty()
                && label.len() <= MAX_LABEL
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if text.len() > MAX_NAME || !text.split('.').all(plain) {
            return Err(host("its labels are letters, digits and hyphens"));
        }
        // Whatever ends with a number is an address to one program or another.
        let last = text.rsplit('.').next().unwrap_or(text);
        let number = last.bytes().all(|byte| byte.is_ascii_digit());
        let hexadecimal = last
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("0x"));
        if !number && !hexadecimal {
            return Ok(Self::Name(text.to_ascii_lowercase()));
        }
        match text.parse::<Ipv4Addr>() {
            Ok(address) => Ok(Self::Address(IpAddr::V4(address))),
            Err(_other_spelling) => Err(host(
                "an IPv4 address is written as four decimal numbers without leading zeros",
            )),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Parts `host` or `host:port`.
///
/// # Errors
///
/// Neither, or with a user before it.
pub(super) fn authority(text: &str) -> Result<(Host, Option<u16>), ReferenceError> {
    if text.contains('@') {
        return Err(ReferenceError::UserInfo);
    }
    // The colons of an IPv6 address are inside its brackets, closed or not.
    let from = match text.rfind(']') {
        Some(end) => end + 1,
        None if text.starts_with('[') => text.len(),
        None => 0,
    };
    let (name, port) = match text[from..].find(':') {
        Some(at) => (&text[..from + at], Some(&text[from + at + 1..])),
        None => (text, None),
    };
    let port = port.map(parse_port).transpose()?;
    Ok((Host::parse(name)?, port))
}

fn parse_port(text: &str) -> Result<u16, ReferenceError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.starts_with('0') {
        return Err(ReferenceError::Port);
    }
    text.parse().map_err(|_no_port| ReferenceError::Port)
}

fn host(why: &'static str) -> ReferenceError {
    ReferenceError::HostNotPlain { why }
}
