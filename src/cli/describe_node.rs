//! A node with all it inherits, for people.

use prost_types::value::Kind;

use super::line::plain;
use super::pair;
use crate::proto::v1::{
    EffectiveNode, NodeDevice, NodeFilesystem, NodeHardware, NodeInterface, NodeOob, NodePlatform,
    NodeStorage,
};

/// A line for each property that is set, then those of each interface, address and disk.
pub(super) fn lines(node: &EffectiveNode) -> Vec<String> {
    let properties = [
        ("node", node.name.clone()),
        ("rack", node.rack.clone()),
        ("tags", node.tags.join(",")),
        (
            "labels",
            if node.labels.is_empty() {
                String::new()
            } else {
                pair::text(&node.labels)
            },
        ),
        ("profile", node.host_profile.clone()),
        ("hardware", hardware(node)),
        ("network", node.primary_network.clone()),
        ("boot mac", node.boot_mac.clone()),
        ("controller", node.oob.as_ref().map(oob).unwrap_or_default()),
        (
            "platform",
            node.platform.as_ref().map(platform).unwrap_or_default(),
        ),
        (
            "kernel",
            node.platform.as_ref().map(parameters).unwrap_or_default(),
        ),
        ("omitted", node.omitted_sections.join(", ")),
    ];
    let mut lines: Vec<String> = properties
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(property, value)| row(property, &value))
        .collect();
    let interfaces = node.interfaces.iter();
    lines.extend(interfaces.map(|(name, each)| row("interface", &interface(name, each))));
    let addresses = node.addressing.iter();
    lines.extend(addresses.map(|each| {
        let text = format!("{} on {}", or_none(&each.address), or_none(&each.network));
        row("address", &text)
    }));
    if let Some(storage) = &node.storage {
        lines.extend(disks(storage));
    }
    lines
}

fn row(property: &str, value: &str) -> String {
    format!("{property:<11} {}", plain(value).trim_end())
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// The words of a property, each with what it says.
fn words(said: &[(&str, &str)]) -> String {
    let said = said.iter().filter(|(_, value)| !value.is_empty());
    let said: Vec<String> = said
        .map(|(word, value)| format!("{word} {value}").trim_start().to_owned())
        .collect();
    said.join(" ")
}

fn hardware(node: &EffectiveNode) -> String {
    let found = match (&node.hardware, node.hardware_profile.is_empty()) {
        (
            Some(NodeHardware {
                vendor,
                generation,
                boot_mode,
                ..
            }),
            _,
        ) => words(&[
            ("", vendor),
            ("generation", generation),
            ("boots", boot_mode),
        ]),
        (None, true) => String::new(),
        (None, false) => "which the design does not have".to_owned(),
    };
    words(&[("", &node.hardware_profile), ("", &found)])
}

fn oob(oob: &NodeOob) -> String {
    let parameters = oob.parameters.iter();
    let parameters: Vec<String> = parameters
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    words(&[
        ("", &oob.r#type),
        ("at", &oob.address),
        ("on", &oob.network),
        ("as", &oob.account),
        ("with", &oob.credential),
        ("", &parameters.join(" ")),
    ])
}

fn platform(platform: &NodePlatform) -> String {
    words(&[("image", &platform.image), ("kernel", &platform.kernel)])
}

/// The command line of the kernel.
fn parameters(platform: &NodePlatform) -> String {
    let parameters = platform.kernel_params.iter();
    let shown = parameters.filter_map(|(name, value)| match &value.kind {
        Some(Kind::BoolValue(true)) => Some(name.clone()),
        Some(Kind::StringValue(text)) => Some(format!("{name}={text}")),
        Some(
            Kind::BoolValue(false)
            | Kind::NullValue(_)
            | Kind::NumberValue(_)
            | Kind::StructValue(_)
            | Kind::ListValue(_),
        )
        | None => None,
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn device(device: &NodeDevice) -> String {
    if device.address.is_empty() {
        device.name.clone()
    } else {
        let place = words(&[("", &device.bus_type), ("", &device.address)]);
        format!("{} ({place})", device.name)
    }
}

fn interface(name: &str, interface: &NodeInterface) -> String {
    let slaves: Vec<String> = interface.slaves.iter().map(device).collect();
    words(&[
        ("", name),
        ("on link", &interface.device_link),
        ("in", &interface.networks.join(", ")),
        ("of", &slaves.join(", ")),
    ])
}

fn disks(storage: &NodeStorage) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, disk) in &storage.physical_devices {
        let shown = disk.device.as_ref().map_or_else(|| name.clone(), device);
        lines.push(row(
            "disk",
            &words(&[("", &shown), ("in group", &disk.volume_group)]),
        ));
        for partition in &disk.partitions {
            let boots = if partition.bootable == Some(true) {
                "boots"
            } else {
                ""
            };
            let text = words(&[
                ("", or_none(&partition.name)),
                ("", &partition.size),
                ("in group", &partition.volume_group),
                ("", &filesystem(partition.filesystem.as_ref())),
                ("", boots),
            ]);
            lines.push(row("  partition", &text));
        }
    }
    for (name, group) in &storage.volume_groups {
        lines.push(row("group", name));
        for volume in &group.logical_volumes {
            let text = words(&[
                ("", or_none(&volume.name)),
                ("", &volume.size),
                ("", &filesystem(volume.filesystem.as_ref())),
            ]);
            lines.push(row("  volume", &text));
        }
    }
    lines
}

fn filesystem(filesystem: Option<&NodeFilesystem>) -> String {
    filesystem.map_or_else(String::new, |filesystem| {
        words(&[("", &filesystem.fstype), ("at", &filesystem.mountpoint)])
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::proto::v1::NodeAddress;

    #[test]
    fn a_node_is_told_line_by_line() {
        let bond = NodeInterface {
            device_link: "gp".to_owned(),
            networks: vec!["mgmt".to_owned(), "storage".to_owned()],
            slaves: vec![NodeDevice {
                name: "nic1".to_owned(),
                address: "0000:00:03.0".to_owned(),
                bus_type: "pci".to_owned(),
                ..NodeDevice::default()
            }],
            ..NodeInterface::default()
        };
        let node = EffectiveNode {
            name: "n1".to_owned(),
            hardware_profile: "h9".to_owned(),
            oob: Some(NodeOob {
                r#type: "redfish".to_owned(),
                address: "10.0.0.1".to_owned(),
                credential: "secret://bmc".to_owned(),
                ..NodeOob::default()
            }),
            interfaces: BTreeMap::from([("bond0".to_owned(), bond)]),
            addressing: vec![NodeAddress {
                network: "mgmt".to_owned(),
                address: "dhcp".to_owned(),
            }],
            ..EffectiveNode::default()
        };

        assert_eq!(
            lines(&node),
            [
                "node        n1",
                "hardware    h9 which the design does not have",
                "controller  redfish at 10.0.0.1 with secret://bmc",
                "interface   bond0 on link gp in mgmt, storage of nic1 (pci 0000:00:03.0)",
                "address     dhcp on mgmt",
            ]
        );
    }
}
