//! What a host's storage has to put file systems on, with the paths that findings name.

use crate::design::path::Path;
use crate::domain::site::size::Size;
use crate::domain::site::storage::{Filesystem, Storage};

/// A partition or a logical volume.
pub(super) struct Volume<'s> {
    /// Where it stands.
    pub(super) path: Path,
    /// What people call it: its name, or what it is.
    pub(super) title: String,
    pub(super) size: Option<Size>,
    pub(super) filesystem: Option<&'s Filesystem>,
}

/// Every partition, then every logical volume.
pub(super) fn volumes(storage: &Storage) -> Vec<Volume<'_>> {
    let mut volumes = Vec::new();
    for (device, disk) in &storage.physical_devices {
        for partition in &disk.partitions {
            let name = partition.name.as_deref().unwrap_or_default();
            volumes.push(Volume {
                path: partition_path(device, name),
                title: format!("partition `{name}` of `{device}`"),
                size: partition.size,
                filesystem: partition.filesystem.as_ref(),
            });
        }
    }
    for (group, content) in &storage.volume_groups {
        for volume in &content.logical_volumes {
            let name = volume.name.as_deref().unwrap_or_default();
            volumes.push(Volume {
                path: volume_path(group, name),
                title: format!("volume `{name}` of `{group}`"),
                size: volume.size,
                filesystem: volume.filesystem.as_ref(),
            });
        }
    }
    volumes
}

/// Where a disk stands.
pub(super) fn device_path(device: &str) -> Path {
    Path::of("storage").field("physical_devices").field(device)
}

/// Where a partition stands.
pub(super) fn partition_path(device: &str, name: &str) -> Path {
    device_path(device).field("partitions").entry(name)
}

/// Where a volume group stands.
pub(super) fn group_path(group: &str) -> Path {
    Path::of("storage").field("volume_groups").field(group)
}

/// Where a logical volume stands.
pub(super) fn volume_path(group: &str, name: &str) -> Path {
    group_path(group).field("logical_volumes").entry(name)
}
