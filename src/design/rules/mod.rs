//! Validation: rules over a whole design, each a small unit of its own.
//!
//! A rule looks at the typed documents and effective nodes of a [`SiteView`] and tells a [`Report`]
//! what is wrong and where. It never sees a field that did not fit its type: that was reported by
//! the rules of [`schema`], and the field is absent. A document that is broken, or a node whose
//! profiles do not resolve, is missing from the view but [`SiteView::exists`] knows it, so that
//! what refers to it is not reported as well.
//!
//! To write a rule, copy the file of one like it, add it to [`ALL`], and give it examples: the test
//! below runs them, and its page of the documentation shows them.

use crate::domain::Action;

use super::catalogue::Example;
use super::finding::Severity;

mod affected;
mod need;
mod report;
#[expect(dead_code, reason = "rules to come ask for the rest")]
mod view;

mod schema;

mod plain_credential;

mod missing;

mod addresses;

mod missing_field;
mod missing_hardware_profile;
mod missing_link;
mod missing_network;
mod missing_rack;
mod missing_route_domain;

mod cidr_host_bits;
mod overlapping_networks;
mod overlapping_ranges;
mod range_outside_network;
mod reversed_range;
mod unusable_network;

mod address_not_static;
mod address_outside_network;
mod address_taken;
mod address_without_interface;
mod dhcp_without_range;
mod duplicate_address;
mod misplaced_slaac;
mod network_addressed_twice;

mod duplicate_route;
mod equal_default_routes;
mod gateway_outside_network;

mod dhcp_relay;
mod dns_domain;
mod handed_out;
mod name_servers;

mod bonding_delays;
mod bonding_options;
mod default_network;
mod link_speed;
mod link_vlans;
mod mtu_over_link;
mod mtu_range;
mod network_on_two_links;
mod trunking_required;

mod interface_name;
mod interface_network;
mod interface_ports;
mod network_on_two_interfaces;
mod shared_port;

mod authorized_key;
mod network_of_other_rack;
mod repository_url;
mod switch_address;
mod unused;

mod asset;
mod boot_mac;
mod disk_used_twice;
mod duplicate_mountpoint;
mod empty_volume_group;
mod filesystem;
mod hardware_reference;
mod hostname;
mod hugepages;
mod missing_volume_group;
mod out_of_band;
mod overfull_storage;
mod platform;
mod root_filesystem;
mod selects_nothing;
mod small_filesystem;
mod unknown_device;
mod volumes;

pub(super) use affected::users;
pub(super) use report::{Fault, Report};
pub(super) use view::SiteView;

/// Every rule, in the order of the documentation: documents, networks, nodes.
pub(super) const ALL: &[&Rule] = &[
    &schema::UNKNOWN_FIELD,
    &schema::WRONG_TYPE,
    &schema::BAD_VALUE,
    &plain_credential::RULE,
    &missing_field::RULE,
    &missing_hardware_profile::RULE,
    &missing_rack::RULE,
    &missing_network::RULE,
    &missing_link::RULE,
    &missing_route_domain::RULE,
    &repository_url::RULE,
    &authorized_key::RULE,
    &switch_address::RULE,
    &network_of_other_rack::RULE,
    &cidr_host_bits::RULE,
    &unusable_network::RULE,
    &overlapping_networks::RULE,
    &range_outside_network::RULE,
    &reversed_range::RULE,
    &overlapping_ranges::RULE,
    &gateway_outside_network::RULE,
    &duplicate_route::RULE,
    &equal_default_routes::RULE,
    &dns_domain::RULE,
    &name_servers::RULE,
    &dhcp_relay::RULE,
    &handed_out::RULE,
    &mtu_range::RULE,
    &mtu_over_link::RULE,
    &trunking_required::RULE,
    &default_network::RULE,
    &link_vlans::RULE,
    &network_on_two_links::RULE,
    &link_speed::RULE,
    &bonding_options::RULE,
    &bonding_delays::RULE,
    &interface_name::RULE,
    &interface_ports::RULE,
    &interface_network::RULE,
    &shared_port::RULE,
    &network_on_two_interfaces::RULE,
    &address_outside_network::RULE,
    &address_taken::RULE,
    &address_not_static::RULE,
    &duplicate_address::RULE,
    &hostname::RULE,
    &boot_mac::RULE,
    &unknown_device::RULE,
    &out_of_band::TYPE,
    &out_of_band::ADDRESS,
    &out_of_band::ACCOUNT,
    &missing_volume_group::RULE,
    &empty_volume_group::RULE,
    &disk_used_twice::RULE,
    &overfull_storage::RULE,
    &root_filesystem::RULE,
    &small_filesystem::RULE,
    &duplicate_mountpoint::RULE,
    &filesystem::MOUNTPOINT,
    &filesystem::KIND,
    &platform::RULE,
    &hugepages::RULE,
    &hardware_reference::MISSING,
    &hardware_reference::CPU_SET,
    &asset::RULE,
    &selects_nothing::RULE,
    &network_addressed_twice::RULE,
    &address_without_interface::RULE,
    &dhcp_without_range::RULE,
    &misplaced_slaac::RULE,
    &unused::NETWORK,
    &unused::LINK,
    &unused::RACK,
];

/// Something that can be wrong with a design that loads.
pub(crate) struct Rule {
    /// Names it in findings, for ever: lower case with underscores.
    pub(crate) code: &'static str,
    /// How bad its findings are; some of them may be warnings all the same.
    pub(crate) severity: Severity,
    /// What is wrong, as a title.
    pub(crate) summary: &'static str,
    /// What it leads to and what to do about it, in Markdown.
    pub(crate) explanation: &'static str,
    /// The actions that an error of this rule refuses for the nodes it is about.
    pub(crate) needed_by: &'static [Action],
    /// Designs that break it, and do not.
    pub(crate) examples: &'static [Example],
    /// Looks for it.
    pub(super) check: fn(&SiteView<'_>, &mut Report<'_>),
}

#[cfg(test)]
#[path = "../tests/rules.rs"]
mod tests;
