//! What the driver needs to know of a node's management controller, taken from the design.

use std::net::Ipv6Addr;

use reqwest::Url;

use crate::domain::SecretReference;
use crate::domain::inventory::Node;
use crate::driver::DriverError;
use crate::driver::bmc::{self, Access, unusable};
use crate::driver::http::place;

/// The parameter of the design that says which system is the node.
const SYSTEM_ID: &str = "system_id";

/// A management controller that speaks Redfish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bmc {
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
        let access = Access::to(node)?;
        Ok(Self {
            endpoint: endpoint(access.address)?,
            account: access.account.to_owned(),
            credential: access.credential.clone(),
            system_id: node.oob.parameters.get(SYSTEM_ID).cloned(),
        })
    }
}

impl bmc::Bmc for Bmc {
    fn place(&self) -> String {
        place(&self.endpoint)
    }

    fn credential(&self) -> &SecretReference {
        &self.credential
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
