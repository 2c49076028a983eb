//! Which version of its API Ironic is spoken to in.
//!
//! Ironic changes the meaning of its API by microversions, and speaks 1.1, in which a fresh node has
//! no provision state, to those who name none. The newest that both sides know is used.

use http::{HeaderMap, HeaderName};

use super::super::{DriverError, ErrorKind};

/// Names the version of a request.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-openstack-ironic-api-version");

const MINIMUM: HeaderName = HeaderName::from_static("x-openstack-ironic-api-minimum-version");
const MAXIMUM: HeaderName = HeaderName::from_static("x-openstack-ironic-api-maximum-version");

/// The oldest that has what we cannot do without; the last of it were conductors (Stein, 2019).
const OLDEST: Microversion = Microversion(49);

/// The newest that this driver was tried with.
const NEWEST: Microversion = Microversion(89);

/// A microversion 1.N.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Microversion(u32);

impl Microversion {
    /// From which on nodes have `network_data`.
    pub(super) const NETWORK_DATA: Self = Self(66);

    /// From which on nodes have a history.
    pub(super) const HISTORY: Self = Self(78);

    /// From which on nodes have an inventory.
    pub(super) const INVENTORY: Self = Self(81);

    /// From which on ports have names.
    pub(super) const PORT_NAME: Self = Self(88);

    /// The newest that we and the service with these headers know.
    ///
    /// # Errors
    ///
    /// There is none, or the headers are not those of an Ironic.
    pub(super) fn negotiate(headers: &HeaderMap) -> Result<Self, DriverError> {
        let (Some(minimum), Some(maximum)) = (read(headers, &MINIMUM), read(headers, &MAXIMUM))
        else {
            return Err(DriverError::permanent(
                ErrorKind::Protocol,
                "no Ironic answers: it names no versions of its API",
            ));
        };
        let newest = maximum.min(NEWEST);
        if newest < OLDEST || newest < minimum {
            return Err(DriverError::permanent(
                ErrorKind::Unsupported,
                format!(
                    "its API has the versions {minimum} to {maximum}, and {OLDEST} to {NEWEST} are spoken here"
                ),
            ));
        }
        Ok(newest)
    }
}

impl std::fmt::Display for Microversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

fn read(headers: &HeaderMap, name: &HeaderName) -> Option<Microversion> {
    let text = headers.get(name)?.to_str().ok()?;
    // Another major version would be another API.
    text.strip_prefix("1.")?.parse().ok().map(Microversion)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(minimum: &str, maximum: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(MINIMUM, minimum.parse().unwrap());
        headers.insert(MAXIMUM, maximum.parse().unwrap());
        headers
    }

    #[test]
    fn the_newest_that_both_know_is_spoken() {
        for (minimum, maximum, spoken) in [("1.1", "1.115", "1.89"), ("1.1", "1.60", "1.60")] {
            let version = Microversion::negotiate(&headers(minimum, maximum)).unwrap();
            assert_eq!(version.to_string(), spoken);
        }
    }

    #[test]
    fn what_speaks_no_version_of_ours_is_refused() {
        for (minimum, maximum) in [("1.1", "1.48"), ("1.90", "1.115"), ("2.1", "2.5")] {
            assert!(Microversion::negotiate(&headers(minimum, maximum)).is_err());
        }
        assert!(Microversion::negotiate(&HeaderMap::new()).is_err());
    }
}
