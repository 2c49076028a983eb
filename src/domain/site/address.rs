//! Networks in the notation `address/prefix`, of both families.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network as it was written: `172.16.0.0/24`. Host bits may be set, which a rule reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    /// The address before the slash.
    pub address: IpAddr,
    /// The bits of the network: at most 32 for IPv4, 128 for IPv6.
    pub prefix: u8,
}

/// A text that is no address and prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address, a slash and a prefix length")]
pub struct CidrError;

impl Cidr {
    /// The first address: all host bits zero.
    #[must_use]
    pub fn first(self) -> IpAddr {
        let bits = number(self.address) & !self.host_mask();
        self.of_number(bits)
    }

    /// The last address, which is the broadcast address of an IPv4 network.
    #[must_use]
    pub fn last(self) -> IpAddr {
        let bits = number(self.address) | self.host_mask();
        self.of_number(bits)
    }

    /// The same network with its host bits zero.
    #[must_use]
    pub fn truncated(self) -> Self {
        Self {
            address: self.first(),
            prefix: self.prefix,
        }
    }

    /// Whether the address has bits set beyond the prefix.
    #[must_use]
    pub fn has_host_bits(self) -> bool {
        self.first() != self.address
    }

    /// Whether the address is in the network; never for one of the other family.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && number(self.first()) <= number(address)
            && number(address) <= number(self.last())
    }

    /// Whether the networks have an address in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.first()) || other.contains(self.first())
    }

    fn host_mask(self) -> u128 {
        let width: u32 = if self.address.is_ipv4() { 32 } else { 128 };
        let host_bits = width.saturating_sub(u32::from(self.prefix));
        1_u128
            .checked_shl(host_bits)
            .map_or(u128::MAX, |one| one - 1)
    }

    fn of_number(self, bits: u128) -> IpAddr {
        match self.address {
            // An IPv4 address and its mask never have more than the low 32 bits.
            IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into(),
            IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
        }
    }
}

/// An address as a number, to compare within one family and count in ranges.
#[must_use]
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').ok_or(CidrError)?;
        let address: IpAddr = address.parse().map_err(|_no_address| CidrError)?;
        // `u8::from_str` takes a sign.
        if !prefix.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(CidrError);
        }
        let prefix: u8 = prefix.parse().map_err(|_no_number| CidrError)?;
        if prefix > if address.is_ipv4() { 32 } else { 128 } {
            return Err(CidrError);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_network_knows_its_first_and_last_address() {
        for (text, first, last) in [
            ("10.1.2.3/24", "10.1.2.0", "10.1.2.255"),
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.3"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
            ("fd00::1/64", "fd00::", "fd00::ffff:ffff:ffff:ffff"),
            ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(cidr(text).first().to_string(), first, "{text}");
            assert_eq!(cidr(text).last().to_string(), last, "{text}");
        }
    }

    #[test]
    fn networks_overlap_within_their_family_only() {
        assert!(cidr("10.0.0.0/8").overlaps(cidr("10.1.0.0/16")));
        assert!(cidr("10.1.0.0/16").overlaps(cidr("10.0.0.0/8")));
        assert!(!cidr("10.0.0.0/16").overlaps(cidr("10.1.0.0/16")));
        assert!(!cidr("0.0.0.0/0").overlaps(cidr("::/0")));
        assert!(!cidr("::/0").contains(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/+8",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(CidrError), "{text}");
        }
        assert!(cidr("10.0.0.1/8").has_host_bits());
        assert_eq!(cidr("10.0.0.1/8").truncated(), cidr("10.0.0.0/8"));
    }
}
