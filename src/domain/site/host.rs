//! What a HostProfile and a BaremetalNode say of a host, and what a node is with all it inherits.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use super::oob::Oob;
use super::storage::Storage;

/// The body of a HostProfile or BaremetalNode; or a node with all that it inherits.
///
/// Sections are shared between a profile and the nodes that say nothing else in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpec {
    /// `host_profile`: the HostProfile it inherits from.
    pub host_profile: Option<Arc<str>>,
    /// `hardware_profile`: the HardwareProfile that describes the machine.
    pub hardware_profile: Option<Arc<str>>,
    /// `primary_network`: the network that its default route and its host name belong to.
    pub primary_network: Option<Arc<str>>,
    /// `oob`: its management controller.
    pub oob: Arc<Oob>,
    /// `storage`: its disks.
    pub storage: Arc<Storage>,
    /// `platform`: its operating system.
    pub platform: Arc<Platform>,
    /// `interfaces`: its network interfaces, by the name they have in its operating system.
    pub interfaces: Arc<BTreeMap<String, Interface>>,
    /// `addressing`: its addresses; a HostProfile has none.
    pub addressing: Arc<Vec<Addressing>>,
    /// `metadata` inside the body: what node filters ask for.
    pub metadata: Arc<Metadata>,
}

/// `platform`: the operating system of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platform {
    /// `image`: the image that is written, as the node driver names it, for example `xenial`.
    pub image: Option<String>,
    /// `kernel`: the kernel, as the node driver names it, for example `ga-16.04`.
    pub kernel: Option<String>,
    /// `kernel_params`: the kernel's command line.
    pub kernel_params: BTreeMap<String, KernelParameter>,
}

/// The value of a kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelParameter {
    /// A boolean: the bare parameter if true, nothing if false.
    Flag(bool),
    /// `key=value`.
    Text(String),
    /// `hardwareprofile:...`: a value of the node's hardware profile.
    Reference(HardwareReference),
}

/// What a kernel parameter takes from the hardware profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HardwareReference {
    /// `hardwareprofile:cpuset.NAME`: an entry of `cpu_sets`.
    CpuSet(String),
    /// `hardwareprofile:hugepages.NAME.size`: the page size of an entry of `hugepages`.
    HugepagesSize(String),
    /// `hardwareprofile:hugepages.NAME.count`: the page count of an entry of `hugepages`.
    HugepagesCount(String),
    /// Anything else behind `hardwareprofile:`, as it was written.
    Unknown(String),
}

impl HardwareReference {
    /// Reads a parameter's text; `None` when it refers to no hardware profile. Both spellings of
    /// the documentation are read, with a colon or a dot after `hardwareprofile`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("hardwareprofile")?;
        let rest = rest.strip_prefix([':', '.'])?;
        let hugepages = rest.strip_prefix("hugepages.");
        let size = hugepages.and_then(|name| name.strip_suffix(".size"));
        let count = hugepages.and_then(|name| name.strip_suffix(".count"));
        Some(match (rest.strip_prefix("cpuset."), size, count) {
            (Some(name), _, _) => Self::CpuSet(name.to_owned()),
            (None, Some(name), _) => Self::HugepagesSize(name.to_owned()),
            (None, None, Some(name)) => Self::HugepagesCount(name.to_owned()),
            (None, None, None) => Self::Unknown(rest.to_owned()),
        })
    }
}

/// A network interface of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// `device_link`: the NetworkLink it is attached to.
    pub device_link: Option<String>,
    /// `slaves`: the ports it is made of: device aliases or names of the kernel. One, but for bonds.
    pub slaves: Vec<String>,
    /// `networks`: names of the networks it is in.
    pub networks: Vec<String>,
    /// `labels`: free metadata.
    pub labels: BTreeMap<String, String>,
    /// `sriov`: virtual functions; none when the interface is not shared that way.
    pub sriov: Option<Sriov>,
}

/// `sriov` of an [`Interface`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sriov {
    /// `vf_count`: how many virtual functions; default 0.
    pub vf_count: Option<u32>,
    /// `trustedmode`, also spelled `trustmode`: whether guests may change their address; default no.
    pub trusted_mode: Option<bool>,
}

/// One entry of `addressing`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addressing {
    /// `network`: the name of the network.
    pub network: Option<String>,
    /// `address`: how the node gets its address there.
    pub address: Option<Assignment>,
}

/// How a node gets an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// An address: this one.
    Static(IpAddr),
    /// `dhcp`: from a DHCP server.
    Dhcp,
    /// `slaac`: from the router, IPv6 only.
    Slaac,
}

/// `metadata` inside the body of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `tags`.
    pub tags: Vec<String>,
    /// `owner_data`: labels.
    pub owner_data: BTreeMap<String, String>,
    /// `rack`: the name of the rack it stands in.
    pub rack: Option<String>,
    /// `boot_mac`: the hardware address it boots from, six octets with colons.
    pub boot_mac: Option<String>,
}

impl fmt::Display for HardwareReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CpuSet(name) => write!(f, "hardwareprofile:cpuset.{name}"),
            Self::HugepagesSize(name) => write!(f, "hardwareprofile:hugepages.{name}.size"),
            Self::HugepagesCount(name) => write!(f, "hardwareprofile:hugepages.{name}.count"),
            Self::Unknown(rest) => write!(f, "hardwareprofile:{rest}"),
        }
    }
}

impl HostSpec {
    /// Its static address on a network, if it has one.
    #[must_use]
    pub fn static_address(&self, network: &str) -> Option<IpAddr> {
        static_address(&self.addressing, network)
    }
}

impl Default for HostSpec {
    /// Nothing said. Its sections are one and the same for all.
    fn default() -> Self {
        static EMPTY: LazyLock<HostSpec> = LazyLock::new(|| HostSpec {
            host_profile: None,
            hardware_profile: None,
            primary_network: None,
            oob: Arc::default(),
            storage: Arc::default(),
            platform: Arc::default(),
            interfaces: Arc::default(),
            addressing: Arc::default(),
            metadata: Arc::default(),
        });
        EMPTY.clone()
    }
}

/// The static address on a network among the entries of `addressing`.
#[must_use]
pub fn static_address(addressing: &[Addressing], network: &str) -> Option<IpAddr> {
    let mut here = addressing
        .iter()
        .filter(|entry| entry.network.as_deref() == Some(network));
    here.find_map(|entry| match entry.address? {
        Assignment::Static(address) => Some(address),
        Assignment::Dhcp | Assignment::Slaac => None,
    })
}
