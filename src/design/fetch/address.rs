//! Addresses that no design is read from, whatever name leads to them.
//!
//! The list of hosts says which names are trusted; this says where a trusted name must not lead.
//! A name server, or whoever fools it, could otherwise turn an allowed name into this machine or
//! into the metadata service of a cloud, which hands out credentials. Private networks are where
//! data centres keep their designs: they are not refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata and control services of clouds that lie outside of the link-local network.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// What is wrong with an address as a place to read designs from; none if nothing is.
pub(super) fn refusal(address: IpAddr, loopback: bool) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refusal_v4(address, loopback),
        IpAddr::V6(address) => refusal_v6(address, loopback),
    }
}

fn refusal_v4(address: Ipv4Addr, loopback: bool) -> Option<&'static str> {
    let [first, ..] = address.octets();
    if address.is_loopback() {
        return (!loopback).then_some("a loopback address");
    }
    if first == 0 {
        return Some("an unspecified address");
    }
    if address.is_link_local() {
        return Some("a link-local address");
    }
    if METADATA_V4.contains(&address) {
        return Some("the address of a metadata service");
    }
    if address.is_multicast() {
        return Some("a multicast address");
    }
    (first >= 240).then_some("a reserved or broadcast address")
}

fn refusal_v6(address: Ipv6Addr, loopback: bool) -> Option<&'static str> {
    if address.is_loopback() {
        return (!loopback).then_some("a loopback address");
    }
    if address.is_unspecified() {
        return Some("an unspecified address");
    }
    // Forms that carry an IPv4 address and lead to it, through this machine or a gateway. That
    // loopback is allowed does not make these a way to it.
    if let Some(inner) = embedded(address) {
        return Some(refusal_v4(inner, false).unwrap_or("an IPv4 address in IPv6 form"));
    }
    let first = address.segments()[0];
    if first & 0xffc0 == 0xfe80 || first & 0xffc0 == 0xfec0 {
        return Some("a link-local address");
    }
    if METADATA_V6.contains(&address) {
        return Some("the address of a metadata service");
    }
    address.is_multicast().then_some("a multicast address")
}

/// The IPv4 address in a mapped, compatible, translated, 6to4, NAT64, Teredo or ISATAP address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match parts {
        // Compatible; the loopback and the unspecified address are no such thing.
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0 | 1, _, _, _, high, low]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low]
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, _, _, _, _, high, low] => Some(v4(!high, !low)),
        _none => None,
    }
}

#[cfg(test)]
#[path = "../tests/fetch/address.rs"]
mod tests;
