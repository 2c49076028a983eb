//! `apply_node_storage`: which disk the operating system goes to.
//!
//! Ironic writes an image to one disk, chosen by hints; partitions, volume groups and file systems are
//! the image's own.

use serde_json::{Value, json};

use super::super::wanted::Wanted;
use super::{Place, Settings};
use crate::domain::site::HardwareProfile;
use crate::domain::site::storage::{Filesystem, PhysicalDevice, Storage};

/// What may be set.
const PLACES: &[Place] = &[Place::Instance("root_device")];

/// The label of the disk to boot from.
const BOOT_DRIVE: &str = "bootdrive";

/// How the kernel's names of whole disks begin.
const DISK_NAMES: [&str; 5] = ["sd", "vd", "xvd", "nvme", "mmcblk"];

/// What a node's disks come to.
pub(in super::super) fn storage(wanted: &Wanted<'_>) -> Settings {
    layout(wanted.storage(), wanted.hardware())
}

fn layout(storage: &Storage, hardware: Option<&HardwareProfile>) -> Settings {
    let mut settings = Settings::of(PLACES);
    match system_disk(storage) {
        Some(disk) => match hint(disk, hardware) {
            Some(hint) => settings.set(Place::Instance("root_device"), hint),
            None => settings.leave_out(format!(
                "that {disk} is the system's disk: nothing says how to find it"
            )),
        },
        None if storage.physical_devices.is_empty() => {}
        None => settings.leave_out("which disk is the system's: none has the root file system"),
    }
    for (name, device) in &storage.physical_devices {
        if !device.partitions.is_empty() {
            let count = device.partitions.len();
            settings.leave_out(format!(
                "{count} partitions of {name} (the image brings its own)"
            ));
        }
    }
    if !storage.volume_groups.is_empty() {
        let names: Vec<&str> = storage.volume_groups.keys().map(String::as_str).collect();
        settings.leave_out(format!("the volume groups {}", names.join(", ")));
    }
    settings
}

/// The disk with the root file system, by itself or in a volume group; else the one labelled for it.
fn system_disk(storage: &Storage) -> Option<&str> {
    let group_with_root = storage.volume_groups.iter().find(|(_, group)| {
        let volumes = &group.logical_volumes;
        volumes
            .iter()
            .any(|volume| is_root(volume.filesystem.as_ref()))
    });
    let group_with_root = group_with_root.map(|(name, _)| name.as_str());
    let holds = |group: &Option<String>| group.is_some() && group.as_deref() == group_with_root;
    let has_root = |device: &PhysicalDevice| {
        holds(&device.volume_group)
            || device
                .partitions
                .iter()
                .any(|part| is_root(part.filesystem.as_ref()) || holds(&part.volume_group))
    };
    let is_labelled = |device: &PhysicalDevice| {
        let label = device.labels.get(BOOT_DRIVE);
        label.is_some_and(|label| label.eq_ignore_ascii_case("true"))
    };
    let devices = &storage.physical_devices;
    let found = devices
        .iter()
        .find(|(_, device)| has_root(device))
        .or_else(|| devices.iter().find(|(_, device)| is_labelled(device)));
    found.map(|(name, _)| name.as_str())
}

fn is_root(filesystem: Option<&Filesystem>) -> bool {
    filesystem.is_some_and(|filesystem| filesystem.mountpoint.as_deref() == Some("/"))
}

/// How Ironic's ramdisk finds the disk.
fn hint(disk: &str, hardware: Option<&HardwareProfile>) -> Option<Value> {
    if let Some(device) = hardware.and_then(|hardware| hardware.device_aliases.get(disk)) {
        let address = device.address.as_deref()?;
        return match device.bus_type.as_deref() {
            Some("scsi") => Some(json!({"hctl": hctl(address)?})),
            Some(_) | None => None,
        };
    }
    let is_kernel_name = DISK_NAMES.iter().any(|prefix| disk.starts_with(prefix));
    is_kernel_name.then(|| json!({"name": format!("/dev/{disk}")}))
}

/// `2:0.0.0`, as lshw writes a place on a SCSI bus, is `2:0:0:0` to the kernel.
fn hctl(address: &str) -> Option<String> {
    let parts: Vec<&str> = address.split([':', '.']).collect();
    let numbers = parts.iter().all(|part| part.parse::<u32>().is_ok());
    (parts.len() == 4 && numbers).then(|| parts.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::site::hardware::Device;
    use crate::domain::site::storage::{LogicalVolume, Partition, VolumeGroup};

    fn root() -> Option<Filesystem> {
        Some(Filesystem {
            mountpoint: Some("/".to_owned()),
            ..Filesystem::default()
        })
    }

    fn hardware() -> HardwareProfile {
        let device = Device {
            address: Some("2:0.0.0".to_owned()),
            bus_type: Some("scsi".to_owned()),
            ..Device::default()
        };
        HardwareProfile {
            device_aliases: [("boot_disk".to_owned(), device)].into(),
            ..HardwareProfile::default()
        }
    }

    #[test]
    fn the_disk_with_the_root_file_system_is_hinted_at() {
        let partition = Partition {
            filesystem: root(),
            ..Partition::default()
        };
        let device = PhysicalDevice {
            partitions: vec![partition],
            ..PhysicalDevice::default()
        };
        for (name, hint) in [
            ("boot_disk", json!({"hctl": "2:0:0:0"})),
            ("sda", json!({"name": "/dev/sda"})),
        ] {
            let storage = Storage {
                physical_devices: [(name.to_owned(), device.clone())].into(),
                ..Storage::default()
            };
            let settings = layout(&storage, Some(&hardware()));
            assert_eq!(settings.fields[0].value, hint);
            assert_eq!(settings.left_out.len(), 1, "{:?}", settings.left_out);
        }
    }

    #[test]
    fn a_root_in_a_volume_group_is_on_the_disk_of_the_group() {
        let volume = LogicalVolume {
            filesystem: root(),
            ..LogicalVolume::default()
        };
        let group = VolumeGroup {
            logical_volumes: vec![volume],
            ..VolumeGroup::default()
        };
        let disk = |group: &str| PhysicalDevice {
            volume_group: Some(group.to_owned()),
            ..PhysicalDevice::default()
        };
        let storage = Storage {
            physical_devices: [
                ("sda".to_owned(), disk("data")),
                ("sdb".to_owned(), disk("system")),
            ]
            .into(),
            volume_groups: [("system".to_owned(), group)].into(),
        };
        assert_eq!(system_disk(&storage), Some("sdb"));
    }

    #[test]
    fn what_cannot_be_found_is_told() {
        let device = PhysicalDevice {
            labels: [("bootdrive".to_owned(), "true".to_owned())].into(),
            ..PhysicalDevice::default()
        };
        let storage = Storage {
            physical_devices: [("some_disk".to_owned(), device)].into(),
            ..Storage::default()
        };
        let settings = layout(&storage, None);
        assert_eq!(settings.fields, []);
        assert!(settings.left_out[0].contains("some_disk"));
        assert_eq!(layout(&Storage::default(), None), Settings::of(PLACES));
    }
}
