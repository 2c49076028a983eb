//! Reads the storage section of hosts.

use super::Scope;
use crate::domain::site::storage::{
    Filesystem, LogicalVolume, Partition, PhysicalDevice, Storage, VolumeGroup,
};

pub(crate) fn storage(storage: &mut Scope<'_, '_>) -> Storage {
    Storage {
        physical_devices: storage.map("physical_devices", |device| PhysicalDevice {
            labels: device.labels("labels"),
            volume_group: device.text("volume_group"),
            partitions: device.list("partitions", partition),
        }),
        volume_groups: storage.map("volume_groups", |group| VolumeGroup {
            vg_uuid: group.text("vg_uuid"),
            logical_volumes: group.list("logical_volumes", logical_volume),
        }),
    }
}

fn partition(partition: &mut Scope<'_, '_>) -> Partition {
    Partition {
        name: partition.text("name"),
        size: partition.parsed("size"),
        bootable: partition.boolean("bootable"),
        part_uuid: partition.text("part_uuid"),
        volume_group: partition.text("volume_group"),
        labels: partition.labels("labels"),
        filesystem: partition.object("filesystem", filesystem),
    }
}

fn logical_volume(volume: &mut Scope<'_, '_>) -> LogicalVolume {
    LogicalVolume {
        name: volume.text("name"),
        lv_uuid: volume.text("lv_uuid"),
        size: volume.parsed("size"),
        filesystem: volume.object("filesystem", filesystem),
    }
}

fn filesystem(filesystem: &mut Scope<'_, '_>) -> Filesystem {
    Filesystem {
        mountpoint: filesystem.text("mountpoint"),
        fstype: filesystem.text("fstype"),
        mount_options: filesystem.text("mount_options"),
        fs_uuid: filesystem.text("fs_uuid"),
        fs_label: filesystem.text("fs_label"),
    }
}
