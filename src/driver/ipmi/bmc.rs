//! What the driver needs to know of a node's management controller, taken from the design.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::domain::SecretReference;
use crate::domain::inventory::Node;
use crate::domain::site::hardware::BootMode;
use crate::driver::bmc::{self, Access, unusable};
use crate::driver::{DriverError, ErrorKind};
use crate::secret::Secret;

/// The port of IPMI over a network.
const PORT: u16 = 623;

/// The longest user name that the protocol has room for.
const MAX_ACCOUNT_BYTES: usize = 16;

/// The longest password that the protocol has room for. `ipmitool` would cut a longer one.
const MAX_PASSWORD_BYTES: usize = 20;

/// A management controller that speaks IPMI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bmc {
    /// Its name or address.
    pub(super) host: String,
    /// Its UDP port.
    pub(super) port: u16,
    /// Whom we log in as.
    pub(super) account: String,
    /// The password.
    pub(super) credential: SecretReference,
    /// How its node boots.
    pub(super) boot_mode: BootMode,
}

impl Bmc {
    /// The management controller of a node; `boot_mode` goes for nodes whose hardware profile does not
    /// say it.
    pub(super) fn of(node: &Node, boot_mode: BootMode) -> Result<Self, DriverError> {
        let access = Access::to(node)?;
        let (host, port) = endpoint(access.address).ok_or_else(|| {
            unusable("the design's `oob.address` is neither a host nor `host:port`")
        })?;
        let account = access.account;
        if account.is_empty()
            || account.len() > MAX_ACCOUNT_BYTES
            || account.chars().any(char::is_control)
        {
            return Err(unusable(format!(
                "the design's `oob.account` must have 1 to {MAX_ACCOUNT_BYTES} bytes for IPMI, and no control characters"
            )));
        }
        let designed = node.hardware.as_ref().and_then(|profile| profile.boot_mode);
        Ok(Self {
            host,
            port,
            account: account.to_owned(),
            credential: access.credential.clone(),
            boot_mode: designed.unwrap_or(boot_mode),
        })
    }
}

impl bmc::Bmc for Bmc {
    fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn credential(&self) -> &SecretReference {
        &self.credential
    }
}

/// Refuses a password that would be cut on its way, as the BMC would count it as a wrong one.
pub(super) fn usable(password: &Secret, reference: &SecretReference) -> Result<(), DriverError> {
    let password = password.expose();
    let what = if password.len() > MAX_PASSWORD_BYTES {
        format!("is longer than the {MAX_PASSWORD_BYTES} bytes that IPMI takes")
    } else if password.chars().any(char::is_control) {
        "has control characters, which IPMI passwords cannot have".to_owned()
    } else {
        return Ok(());
    };
    Err(DriverError::permanent(ErrorKind::Internal, format!("{reference} {what}")).before_sending())
}

/// Host and port of `host`, `host:port`, an IPv6 address, or one in brackets with or without a port.
fn endpoint(address: &str) -> Option<(String, u16)> {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Some((ip.to_string(), PORT));
    }
    if let Ok(socket) = address.parse::<SocketAddr>() {
        return (socket.port() != 0).then(|| (socket.ip().to_string(), socket.port()));
    }
    let bracketed = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(ip) = bracketed {
        let ip = ip.parse::<Ipv6Addr>().ok()?;
        return Some((ip.to_string(), PORT));
    }
    let (host, port) = match address.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (address, PORT),
    };
    // What begins with a dash would be an option.
    let is_name = host.starts_with(|first: char| first.is_ascii_alphanumeric())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    is_name.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_endpoints() {
        for (address, host, port) in [
            ("10.0.0.1", "10.0.0.1", 623),
            ("10.0.0.1:6230", "10.0.0.1", 6230),
            ("bmc-1.example", "bmc-1.example", 623),
            ("bmc-1.example:443", "bmc-1.example", 443),
            ("fd00::1", "fd00::1", 623),
            ("[fd00::1]", "fd00::1", 623),
            ("[fd00::1]:6230", "fd00::1", 6230),
        ] {
            let expected = Some((host.to_owned(), port));
            assert_eq!(endpoint(address), expected, "{address}");
        }
        for address in [
            "",
            ":",
            "a:",
            "a:b",
            "a:0",
            "a:65536",
            "-v",
            "a b",
            "a/b",
            "user@a",
            "[a]",
            "[fd00::1",
            "a:1:2",
            "10.0.0.1:0",
            "ä",
        ] {
            assert_eq!(endpoint(address), None, "{address}");
        }
    }

    #[test]
    fn a_password_is_never_cut() {
        let reference: SecretReference = "secret://bmc".parse().unwrap();
        let check = |text: &str| usable(&Secret::new(text.to_owned()), &reference);
        for good in ["a", "12345678901234567890", " spaces in between "] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in [
            "123456789012345678901",
            "ääääääääääö",
            "a\tb",
            "a\nb",
            "a\0b",
        ] {
            let error = check(bad).unwrap_err();
            assert!(error.message.starts_with("secret://bmc ") && !error.message.contains(bad));
            assert!(error.not_sent && !error.transient);
        }
    }
}
