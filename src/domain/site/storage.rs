//! `storage` of hosts: disks, partitions, volumes and file systems.

use std::collections::BTreeMap;

use super::size::Size;

/// How the disks of a host are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storage {
    /// `physical_devices`: disks by device alias or name of the kernel.
    pub physical_devices: BTreeMap<String, PhysicalDevice>,
    /// `volume_groups`: by name.
    pub volume_groups: BTreeMap<String, VolumeGroup>,
}

/// A disk: partitioned, or a physical volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhysicalDevice {
    /// `labels`: free metadata, for example `bootdrive: true`.
    pub labels: BTreeMap<String, String>,
    /// `volume_group`: the group that the whole disk is in.
    pub volume_group: Option<String>,
    /// `partitions`, in their order on the disk.
    pub partitions: Vec<Partition>,
}

/// A GPT partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    /// `name`: what it is called in the design.
    pub name: Option<String>,
    /// `size`.
    pub size: Option<Size>,
    /// `bootable`: whether the machine boots from it; default no.
    pub bootable: Option<bool>,
    /// `part_uuid`: the UUID it gets; default a random one.
    pub part_uuid: Option<String>,
    /// `volume_group`: the group that it is in.
    pub volume_group: Option<String>,
    /// `labels`: free metadata.
    pub labels: BTreeMap<String, String>,
    /// `filesystem`: none for a raw partition.
    pub filesystem: Option<Filesystem>,
}

/// A file system on a partition or logical volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filesystem {
    /// `mountpoint`: an absolute path; none for one that is not mounted.
    pub mountpoint: Option<String>,
    /// `fstype`; default `ext4`.
    pub fstype: Option<String>,
    /// `mount_options` as in fstab; default `defaults`.
    pub mount_options: Option<String>,
    /// `fs_uuid`: the UUID it gets; default a random one.
    pub fs_uuid: Option<String>,
    /// `fs_label`.
    pub fs_label: Option<String>,
}

/// A group of physical volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeGroup {
    /// `vg_uuid`: the UUID it gets; default a random one.
    pub vg_uuid: Option<String>,
    /// `logical_volumes`.
    pub logical_volumes: Vec<LogicalVolume>,
}

/// A logical volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogicalVolume {
    /// `name`. Required.
    pub name: Option<String>,
    /// `lv_uuid`: the UUID it gets; default a random one.
    pub lv_uuid: Option<String>,
    /// `size`.
    pub size: Option<Size>,
    /// `filesystem`: none for a raw volume.
    pub filesystem: Option<Filesystem>,
}
