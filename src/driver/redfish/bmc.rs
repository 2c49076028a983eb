//! What the driver needs to know of a node's management controller, taken from the design.

use std::net::Ipv6Addr;

use reqwest::Url;

use crate::domain::SecretReference;
use crate::domain::inventory::Node;
use crate::driver::{DriverError, ErrorKind};

/// The parameter of the design that says which system is the node.
const SYSTEM_ID: &str = "system_id";

/// A management controller that speaks Redfish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bmc {
    /// The node that it is of.
    pub(super) node: String,
    /// Where it is: `https`, its host and port, no path.
    pub(super) endpoint: Url,
    /// Whom we log in as.
    pub(super) account: String,
    /// The password.
    pub(super) credential: SecretReference,
    /// Which of its systems is the node, by id or whatever name it takes; none: it has one alone.
    pub(super) system_id: Option<String>,
}

impl Bmc {
    /// The management controller of a node.
    pub(super) fn of(node: &Node) -> Result<Self, DriverError> {
        let oob = &node.oob;
        let address = oob.address.as_deref().ok_or_else(|| missing("address"))?;
        let account = oob.account.as_deref().ok_or_else(|| missing("account"))?;
        let credential = oob.credential.as_ref();
        Ok(Self {
            node: node.name.clone(),
            endpoint: endpoint(address)?,
            account: account.to_owned(),
            credential: credential.ok_or_else(|| missing("credential"))?.clone(),
            system_id: oob.parameters.get(SYSTEM_ID).cloned(),
        })
    }
}

/// The endpoint at `host`, `host:port`, an IPv6 address, or one in brackets with a port.
fn endpoint(address: &str) -> Result<Url, DriverError> {
    let authority = if address.parse::<Ipv6Addr>().is_ok() {
        format!("[{address}]")
    } else {
        address.to_owned()
    };
    let url = Url::parse(&format!("https://{authority}/"));
    // Whatever else a text could bring into a URL is no part of an address.
    let url = url.ok().filter(|url| {
        url.path() == "/"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    url.ok_or_else(|| unusable("the design's `oob.address` is neither a host nor `host:port`"))
}

fn missing(what: &str) -> DriverError {
    let hint = match what {
        "credential" => ", which must be `secret://NAME`",
        "address" => ", and the node has no address in its out-of-band network",
        _ => "",
    };
    unusable(&format!(
        "the design has no `oob.{what}` for the node{hint}"
    ))
}

fn unusable(message: &str) -> DriverError {
    DriverError::permanent(ErrorKind::Unsupported, message).before_sending()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_endpoints() {
        for (address, url) in [
            ("10.0.0.1", "https://10.0.0.1/"),
            ("bmc-1.example:8443", "https://bmc-1.example:8443/"),
            ("fd00::1", "https://[fd00::1]/"),
            ("[fd00::1]:8443", "https://[fd00::1]:8443/"),
        ] {
            assert_eq!(endpoint(address).unwrap().as_str(), url);
        }
        for address in [
            "", "a/b", "user@a", "a:b", "a?b", "a#b", "http://a", "a b", "a\\b",
        ] {
            let error = endpoint(address).unwrap_err();
            assert!(!error.transient && error.not_sent, "{address}");
        }
    }
}
