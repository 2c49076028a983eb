//! Reads a HardwareProfile.

use super::Scope;
use crate::domain::site::hardware::{
    BootMode, BootstrapProtocol, Device, HardwareProfile, Hugepages,
};

pub(crate) fn hardware_profile(profile: &mut Scope<'_, '_>) -> HardwareProfile {
    HardwareProfile {
        vendor: profile.text("vendor"),
        generation: profile.text("generation"),
        hw_version: profile.text("hw_version"),
        bios_version: profile.text("bios_version"),
        boot_mode: profile.choice(
            "boot_mode",
            &[("bios", BootMode::Bios), ("uefi", BootMode::Uefi)],
        ),
        bootstrap_protocol: profile.choice(
            "bootstrap_protocol",
            &[
                ("pxe", BootstrapProtocol::Pxe),
                ("usb", BootstrapProtocol::Usb),
                ("hdd", BootstrapProtocol::Hdd),
            ],
        ),
        pxe_interface: profile.number("pxe_interface", 0..=u64::from(u32::MAX)),
        device_aliases: profile.map("device_aliases", |device| Device {
            address: device.text("address"),
            dev_type: device.text("dev_type"),
            bus_type: device.text("bus_type"),
        }),
        cpu_sets: profile.labels("cpu_sets"),
        hugepages: profile.map("hugepages", |pages| Hugepages {
            size: pages.text("size"),
            count: pages.number("count", 0..=u64::MAX),
        }),
    }
}
