//! Addresses in all the forms in which they can be had.

use super::*;

const LOOPBACK: &str = "a loopback address";
const UNSPECIFIED: &str = "an unspecified address";
const LINK_LOCAL: &str = "a link-local address";
const METADATA: &str = "the address of a metadata service";
const MULTICAST: &str = "a multicast address";
const RESERVED: &str = "a reserved or broadcast address";
const DISGUISED: &str = "an IPv4 address in IPv6 form";

fn refused(text: &str, loopback: bool) -> Option<&'static str> {
    let address = text.parse();
    refusal(
        address.unwrap_or_else(|_| panic!("{text} is an address")),
        loopback,
    )
}

#[test]
fn no_design_comes_from_these_addresses() {
    for (address, what) in [
        ("127.0.0.1", LOOPBACK),
        ("127.255.255.254", LOOPBACK),
        ("0.0.0.0", UNSPECIFIED),
        ("0.1.2.3", UNSPECIFIED),
        ("169.254.169.254", LINK_LOCAL),
        ("169.254.0.1", LINK_LOCAL),
        ("100.100.100.200", METADATA),
        ("168.63.129.16", METADATA),
        ("192.0.0.192", METADATA),
        ("224.0.0.1", MULTICAST),
        ("239.255.255.255", MULTICAST),
        ("240.0.0.1", RESERVED),
        ("255.255.255.255", RESERVED),
        ("::1", LOOPBACK),
        ("::", UNSPECIFIED),
        ("fe80::1", LINK_LOCAL),
        ("febf::1", LINK_LOCAL),
        ("fec0::1", LINK_LOCAL),
        ("fd00:ec2::254", METADATA),
        ("fd20:ce::254", METADATA),
        ("ff02::1", MULTICAST),
        // Mapped, compatible, translated.
        ("::ffff:127.0.0.1", LOOPBACK),
        ("::ffff:169.254.169.254", LINK_LOCAL),
        ("::ffff:10.1.2.3", DISGUISED),
        ("::127.0.0.1", LOOPBACK),
        ("::ffff:0:127.0.0.1", LOOPBACK),
        // 6to4, NAT64 and its local form, Teredo, ISATAP.
        ("2002:7f00:1::", LOOPBACK),
        ("2002:a9fe:a9fe::1", LINK_LOCAL),
        ("64:ff9b::7f00:1", LOOPBACK),
        ("64:ff9b::a9fe:a9fe", LINK_LOCAL),
        ("64:ff9b:1::a9fe:a9fe", LINK_LOCAL),
        ("64:ff9b:1:fffe::a9fe:a9fe", LINK_LOCAL),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", LOOPBACK),
        ("2001:db8::5efe:169.254.169.254", LINK_LOCAL),
        ("2001:db8::200:5efe:7f00:1", LOOPBACK),
    ] {
        assert_eq!(refused(address, false), Some(what), "{address}");
    }
}

#[test]
fn networks_of_data_centres_and_the_internet_are_fine() {
    for address in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "192.0.2.1",
        "1.1.1.1",
        "223.255.255.255",
        "fd12:3456:789a::1",
        "2001:db8::1",
        "2606:4700::1111",
        "2001:1::1",
    ] {
        assert_eq!(refused(address, false), None, "{address}");
    }
}

#[test]
fn loopback_is_allowed_in_its_own_form_alone() {
    for address in ["127.0.0.1", "127.0.0.2", "::1"] {
        assert_eq!(refused(address, true), None, "{address}");
    }
    for address in [
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
    ] {
        assert_eq!(refused(address, true), Some(LOOPBACK), "{address}");
    }
    assert_eq!(refused("0.0.0.0", true), Some(UNSPECIFIED));
    assert_eq!(refused("169.254.169.254", true), Some(LINK_LOCAL));
}
