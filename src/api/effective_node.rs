//! A node with all it inherits, as the contract shows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;
use prost_types::value::Kind;

use super::size::{ENTRY_OVERHEAD, TASK_BYTES};
use crate::domain::inventory::Node;
use crate::domain::site::hardware::{BootMode, BootstrapProtocol, HardwareProfile};
use crate::domain::site::host::{
    Addressing, Assignment, HardwareReference, Interface, KernelParameter, Platform, Sriov,
};
use crate::domain::site::storage::{
    Filesystem, LogicalVolume, Partition, PhysicalDevice, VolumeGroup,
};
use crate::domain::site::{Oob, Size};
use crate::proto::v1;

/// The node, without its largest sections if it would be larger than a message may be.
pub(super) fn effective_node(node: &Node) -> v1::EffectiveNode {
    let devices = node.storage.physical_devices.iter();
    let groups = node.storage.volume_groups.iter();
    let message = v1::EffectiveNode {
        name: node.name.clone(),
        rack: text(node.rack.as_ref()),
        tags: node.tags.iter().cloned().collect(),
        labels: node.labels.clone(),
        host_profile: name(node.host_profile.as_ref()),
        hardware_profile: name(node.hardware_profile.as_ref()),
        primary_network: name(node.primary_network.as_ref()),
        boot_mac: name(node.boot_mac.as_ref()),
        oob: Some(oob(&node.oob)),
        interfaces: node
            .interfaces
            .iter()
            .map(|(name, each)| (name.clone(), interface(node, each)))
            .collect(),
        addressing: node.addressing.iter().map(address).collect(),
        storage: Some(v1::NodeStorage {
            physical_devices: devices
                .map(|(name, each)| (name.clone(), physical_device(node, name, each)))
                .collect(),
            volume_groups: groups
                .map(|(name, each)| (name.clone(), volume_group(each)))
                .collect(),
        }),
        platform: Some(platform(node, &node.platform)),
        hardware: node.hardware.as_deref().map(hardware),
        omitted_sections: Vec::new(),
    };
    fitting(message)
}

/// Leaves sections out until the message fits. Each is of a document of up to 4 MiB, tags and labels
/// are bounded.
fn fitting(mut message: v1::EffectiveNode) -> v1::EffectiveNode {
    while message.encoded_len() > TASK_BYTES {
        let interfaces: usize = message
            .interfaces
            .iter()
            .map(|(name, each)| name.len() + each.encoded_len() + ENTRY_OVERHEAD)
            .sum();
        let addressing: usize = message
            .addressing
            .iter()
            .map(|each| each.encoded_len() + ENTRY_OVERHEAD)
            .sum();
        let sections = [
            ("storage", encoded(message.storage.as_ref())),
            ("platform", encoded(message.platform.as_ref())),
            ("oob", encoded(message.oob.as_ref())),
            ("hardware", encoded(message.hardware.as_ref())),
            ("interfaces", interfaces),
            ("addressing", addressing),
        ];
        let largest = sections.into_iter().max_by_key(|(_, bytes)| *bytes);
        let Some((section, 1..)) = largest else {
            break;
        };
        match section {
            "storage" => message.storage = None,
            "platform" => message.platform = None,
            "oob" => message.oob = None,
            "hardware" => message.hardware = None,
            "interfaces" => message.interfaces.clear(),
            _addressing => message.addressing.clear(),
        }
        message.omitted_sections.push(section.to_owned());
    }
    message
}

fn encoded(section: Option<&impl Message>) -> usize {
    section.map_or(0, Message::encoded_len)
}

fn text(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

fn name(name: Option<&Arc<str>>) -> String {
    name.map(|name| name.to_string()).unwrap_or_default()
}

fn oob(oob: &Oob) -> v1::NodeOob {
    v1::NodeOob {
        r#type: text(oob.kind.as_ref()),
        network: text(oob.network.as_ref()),
        address: text(oob.address.as_ref()),
        account: text(oob.account.as_ref()),
        credential: oob
            .credential
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        parameters: oob.parameters.clone(),
    }
}

fn device(node: &Node, name: &str) -> v1::NodeDevice {
    let device = node.device(name).cloned().unwrap_or_default();
    v1::NodeDevice {
        name: name.to_owned(),
        address: device.address.unwrap_or_default(),
        dev_type: device.dev_type.unwrap_or_default(),
        bus_type: device.bus_type.unwrap_or_default(),
    }
}

fn interface(node: &Node, interface: &Interface) -> v1::NodeInterface {
    v1::NodeInterface {
        device_link: text(interface.device_link.as_ref()),
        slaves: interface
            .slaves
            .iter()
            .map(|slave| device(node, slave))
            .collect(),
        networks: interface.networks.clone(),
        labels: interface.labels.clone(),
        sriov: interface.sriov.as_ref().map(sriov),
    }
}

fn sriov(sriov: &Sriov) -> v1::NodeSriov {
    v1::NodeSriov {
        vf_count: sriov.vf_count,
        trustedmode: sriov.trusted_mode,
    }
}

fn address(entry: &Addressing) -> v1::NodeAddress {
    v1::NodeAddress {
        network: text(entry.network.as_ref()),
        address: match entry.address {
            Some(Assignment::Static(address)) => address.to_string(),
            Some(Assignment::Dhcp) => "dhcp".to_owned(),
            Some(Assignment::Slaac) => "slaac".to_owned(),
            None => String::new(),
        },
    }
}

fn size(size: Option<Size>) -> String {
    size.map(|size| size.to_string()).unwrap_or_default()
}

fn physical_device(node: &Node, name: &str, disk: &PhysicalDevice) -> v1::NodePhysicalDevice {
    v1::NodePhysicalDevice {
        device: Some(device(node, name)),
        labels: disk.labels.clone(),
        volume_group: text(disk.volume_group.as_ref()),
        partitions: disk.partitions.iter().map(partition).collect(),
    }
}

fn partition(partition: &Partition) -> v1::NodePartition {
    v1::NodePartition {
        name: text(partition.name.as_ref()),
        size: size(partition.size),
        bootable: partition.bootable,
        part_uuid: text(partition.part_uuid.as_ref()),
        volume_group: text(partition.volume_group.as_ref()),
        labels: partition.labels.clone(),
        filesystem: partition.filesystem.as_ref().map(filesystem),
    }
}

fn filesystem(filesystem: &Filesystem) -> v1::NodeFilesystem {
    v1::NodeFilesystem {
        mountpoint: text(filesystem.mountpoint.as_ref()),
        fstype: text(filesystem.fstype.as_ref()),
        mount_options: text(filesystem.mount_options.as_ref()),
        fs_uuid: text(filesystem.fs_uuid.as_ref()),
        fs_label: text(filesystem.fs_label.as_ref()),
    }
}

fn volume_group(group: &VolumeGroup) -> v1::NodeVolumeGroup {
    v1::NodeVolumeGroup {
        vg_uuid: text(group.vg_uuid.as_ref()),
        logical_volumes: group.logical_volumes.iter().map(logical_volume).collect(),
    }
}

fn logical_volume(volume: &LogicalVolume) -> v1::NodeLogicalVolume {
    v1::NodeLogicalVolume {
        name: text(volume.name.as_ref()),
        size: size(volume.size),
        lv_uuid: text(volume.lv_uuid.as_ref()),
        filesystem: volume.filesystem.as_ref().map(filesystem),
    }
}

fn platform(node: &Node, platform: &Platform) -> v1::NodePlatform {
    let parameters = platform.kernel_params.iter().map(|(name, parameter)| {
        let kind = match parameter {
            KernelParameter::Flag(flag) => Kind::BoolValue(*flag),
            KernelParameter::Text(text) => Kind::StringValue(text.clone()),
            KernelParameter::Reference(reference) => {
                let found = node
                    .hardware
                    .as_deref()
                    .and_then(|hardware| referred(hardware, reference));
                Kind::StringValue(found.unwrap_or_else(|| reference.to_string()))
            }
        };
        (name.clone(), prost_types::Value { kind: Some(kind) })
    });
    let kernel_params: BTreeMap<_, _> = parameters.collect();
    v1::NodePlatform {
        image: text(platform.image.as_ref()),
        kernel: text(platform.kernel.as_ref()),
        kernel_params,
    }
}

/// What a kernel parameter takes from a hardware profile.
fn referred(hardware: &HardwareProfile, reference: &HardwareReference) -> Option<String> {
    match reference {
        HardwareReference::CpuSet(name) => hardware.cpu_sets.get(name).cloned(),
        HardwareReference::HugepagesSize(name) => hardware.hugepages.get(name)?.size.clone(),
        HardwareReference::HugepagesCount(name) => {
            Some(hardware.hugepages.get(name)?.count?.to_string())
        }
        HardwareReference::Unknown(_) => None,
    }
}

fn hardware(profile: &HardwareProfile) -> v1::NodeHardware {
    let boot_mode = profile.boot_mode.map(|mode| match mode {
        BootMode::Bios => "bios",
        BootMode::Uefi => "uefi",
    });
    let protocol = profile.bootstrap_protocol.map(|protocol| match protocol {
        BootstrapProtocol::Pxe => "pxe",
        BootstrapProtocol::Usb => "usb",
        BootstrapProtocol::Hdd => "hdd",
    });
    v1::NodeHardware {
        vendor: text(profile.vendor.as_ref()),
        generation: text(profile.generation.as_ref()),
        hw_version: text(profile.hw_version.as_ref()),
        bios_version: text(profile.bios_version.as_ref()),
        boot_mode: boot_mode.unwrap_or_default().to_owned(),
        bootstrap_protocol: protocol.unwrap_or_default().to_owned(),
        pxe_interface: profile.pxe_interface,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::site::Storage;

    #[test]
    fn a_node_that_is_too_large_is_shown_without_its_largest_section() {
        let device = PhysicalDevice {
            volume_group: Some("x".repeat(2 * TASK_BYTES)),
            ..PhysicalDevice::default()
        };
        let node = Node {
            name: "n1".to_owned(),
            storage: Arc::new(Storage {
                physical_devices: BTreeMap::from([("sda".to_owned(), device)]),
                ..Storage::default()
            }),
            ..Node::default()
        };

        let message = effective_node(&node);

        assert!(message.encoded_len() <= TASK_BYTES);
        assert_eq!(message.omitted_sections, ["storage"]);
        assert_eq!((message.storage, message.name.as_str()), (None, "n1"));
        assert!(message.platform.is_some());
    }
}
