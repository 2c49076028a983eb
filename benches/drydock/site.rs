//! A site as sites are: networks, links, racks, profiles, and machines with their addresses.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::Result;

/// Machines of a rack, which is a network of each kind: as many as have addresses in a /24.
const RACK_SIZE: usize = 200;

/// Networks that every rack has, with the first address of the first rack's; each rack has the next /24.
const NETWORKS: [(&str, Ipv4Addr, u16); 3] = [
    ("oob", Ipv4Addr::new(10, 0, 0, 0), 0),
    ("service", Ipv4Addr::new(10, 64, 0, 0), 100),
    ("storage", Ipv4Addr::new(10, 128, 0, 0), 200),
];

/// The documents of what every site has once.
const SHARED: &str = "\
schema: drydock/HardwareProfile/v1
metadata: {name: server}
data:
  vendor: Example
  generation: '1'
  hw_version: '1'
  bios_version: '1'
  boot_mode: uefi
  bootstrap_protocol: pxe
  pxe_interface: 0
  device_aliases:
    nic_a: {address: '0000:18:00.0', dev_type: 25G, bus_type: pci}
    nic_b: {address: '0000:18:00.1', dev_type: 25G, bus_type: pci}
    disk: {address: '0:0.0.0', dev_type: SSD, bus_type: scsi}
";

/// The text of a site of `nodes` machines without a fault.
pub(crate) fn text(name: &str, nodes: usize) -> Result<String> {
    let mut text =
        format!("schema: drydock/Region/v1\nmetadata: {{name: {name}}}\ndata: {{}}\n---\n{SHARED}");
    for rack in 0..nodes.div_ceil(RACK_SIZE) {
        shared_by_rack(&mut text, rack)?;
    }
    for node in 0..nodes {
        machine(&mut text, node)?;
    }
    Ok(text)
}

fn shared_by_rack(text: &mut String, rack: usize) -> Result<()> {
    write!(
        text,
        "---\nschema: drydock/Rack/v1\nmetadata: {{name: rack-{rack}}}\n\
         data:\n  labels: {{row: row-{}}}\n  local_networks: [service-{rack}]\n",
        rack % 4
    )?;
    for (network, _, vlan) in NETWORKS {
        let vlan = match vlan {
            0 => String::new(),
            vlan => format!("  vlan: '{vlan}'\n"),
        };
        write!(
            text,
            "---\nschema: drydock/Network/v1\nmetadata: {{name: {network}-{rack}}}\n\
             data:\n{vlan}  mtu: 1500\n  cidr: {}/24\n  ranges:\n\
             \x20   - {{type: static, start: {}, end: {}}}\n",
            address(network, rack, 0)?,
            address(network, rack, 1)?,
            address(network, rack, 250)?,
        )?;
    }
    write!(
        text,
        "---\nschema: drydock/NetworkLink/v1\nmetadata: {{name: oob-{rack}}}\n\
         data:\n  bonding: {{mode: disabled}}\n  mtu: 1500\n  linkspeed: auto\n\
         \x20 trunking: {{mode: disabled, default_network: oob-{rack}}}\n\
         \x20 allowed_networks: [oob-{rack}]\n\
         ---\nschema: drydock/NetworkLink/v1\nmetadata: {{name: trunk-{rack}}}\n\
         data:\n  bonding: {{mode: 802.3ad, hash: layer3+4, peer_rate: fast}}\n  mtu: 9000\n\
         \x20 linkspeed: auto\n  trunking: {{mode: 802.1q}}\n\
         \x20 allowed_networks: [service-{rack}, storage-{rack}]\n\
         ---\nschema: drydock/HostProfile/v1\nmetadata: {{name: rack-{rack}}}\n\
         data:\n  hardware_profile: server\n  primary_network: service-{rack}\n\
         \x20 oob: {{type: simulated, network: oob-{rack}, account: operator}}\n\
         \x20 interfaces:\n    bond0:\n      device_link: trunk-{rack}\n\
         \x20     slaves: [nic_a, nic_b]\n      networks: [service-{rack}, storage-{rack}]\n\
         \x20 storage:\n    physical_devices:\n      disk:\n        labels: {{role: system}}\n\
         \x20       partitions:\n\
         \x20         - {{name: boot, size: 2g, bootable: true, filesystem: {{mountpoint: /boot, fstype: ext4}}}}\n\
         \x20         - {{name: root, size: '>40g', filesystem: {{mountpoint: /, fstype: ext4}}}}\n\
         \x20 platform: {{image: noble, kernel: ga-24.04}}\n\
         \x20 metadata:\n    rack: rack-{rack}\n    tags: [managed, rack-{rack}]\n"
    )?;
    Ok(())
}

fn machine(text: &mut String, node: usize) -> Result<()> {
    let rack = node / RACK_SIZE;
    let host = node % RACK_SIZE + 2;
    write!(
        text,
        "---\nschema: drydock/BaremetalNode/v1\nmetadata: {{name: node-{node:06}}}\n\
         data:\n  host_profile: rack-{rack}\n  addressing:\n"
    )?;
    for (network, _, _) in NETWORKS {
        let address = address(network, rack, host)?;
        writeln!(
            text,
            "    - {{network: {network}-{rack}, address: {address}}}"
        )?;
    }
    writeln!(
        text,
        "  metadata: {{rack: rack-{rack}, owner_data: {{tier: tier-{}}}}}",
        node % 3
    )?;
    Ok(())
}

/// An address of a rack's network.
fn address(network: &str, rack: usize, host: usize) -> Result<Ipv4Addr> {
    let (_, first, _) = NETWORKS
        .into_iter()
        .find(|(name, _, _)| *name == network)
        .ok_or("no such network")?;
    let offset = u32::try_from(rack * 256 + host)?;
    Ok(Ipv4Addr::from(u32::from(first) + offset))
}
