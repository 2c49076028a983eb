//! HardwareProfile: what a model of machine is made of.

use std::collections::BTreeMap;

/// A model of machine, and the names that host profiles know its devices by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HardwareProfile {
    /// `vendor` of the chassis.
    pub vendor: Option<String>,
    /// `generation` of the chassis model.
    pub generation: Option<String>,
    /// `hw_version`: the version of the chassis within its generation.
    pub hw_version: Option<String>,
    /// `bios_version`: the firmware that was certified.
    pub bios_version: Option<String>,
    /// `boot_mode`: how the firmware boots.
    pub boot_mode: Option<BootMode>,
    /// `bootstrap_protocol`: what the machine boots from at first.
    pub bootstrap_protocol: Option<BootstrapProtocol>,
    /// `pxe_interface`: which interface boots, as the management controller counts them, from 0.
    pub pxe_interface: Option<u32>,
    /// `device_aliases`: devices by the names that profiles and nodes use for them.
    pub device_aliases: BTreeMap<String, Device>,
    /// `cpu_sets`: lists of processors by name, for kernel parameters; `2,4` or `0-3,8`.
    pub cpu_sets: BTreeMap<String, String>,
    /// `hugepages`: reservations of large pages by name, for kernel parameters.
    pub hugepages: BTreeMap<String, Hugepages>,
}

/// How firmware boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    /// `bios`.
    Bios,
    /// `uefi`.
    Uefi,
}

/// What a machine boots from at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootstrapProtocol {
    /// `pxe`: the network.
    Pxe,
    /// `usb`: a stick.
    Usb,
    /// `hdd`: its disk.
    Hdd,
}

/// A device of a machine, by its place on a bus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// `address` on the bus: `0000:00:03.0` on PCI, `2:0.0.0` on SCSI.
    pub address: Option<String>,
    /// `dev_type`: the model that is expected there.
    pub dev_type: Option<String>,
    /// `bus_type`: `pci` or `scsi`.
    pub bus_type: Option<String>,
}

/// A reservation of large pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hugepages {
    /// `size` of a page as the kernel reads it: `2M`, `1G`.
    pub size: Option<String>,
    /// `count`: how many pages.
    pub count: Option<u64>,
}
