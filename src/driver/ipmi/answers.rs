//! What `ipmitool` prints, understood strictly: anything else is none.

use crate::domain::site::hardware::BootMode;
use crate::driver::bmc::Power;

/// The boot device selector of the network.
const NETWORK: u8 = 1;

/// What a BMC says about the next boot (boot option parameter 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BootFlags {
    /// They are to be heeded.
    pub(super) valid: bool,
    /// For every boot from now on, and not only for the next.
    pub(super) persistent: bool,
    /// UEFI, not legacy.
    pub(super) uefi: bool,
    /// From the network.
    pub(super) network: bool,
}

impl BootFlags {
    /// In what they are not a boot from the network, once, in `mode`.
    pub(super) fn differences(self, mode: BootMode) -> Vec<&'static str> {
        let mut differences = Vec::new();
        if !self.network {
            differences.push("as another device");
        }
        if !self.valid {
            differences.push("as not valid");
        }
        if self.persistent {
            differences.push("for every boot");
        }
        match (mode, self.uefi) {
            (BootMode::Uefi, false) => differences.push("for legacy boot"),
            (BootMode::Bios, true) => differences.push("for UEFI boot"),
            (BootMode::Uefi, true) | (BootMode::Bios, false) => {}
        }
        differences
    }
}

/// `chassis power status`.
pub(super) fn power(said: &str) -> Option<Power> {
    match said.trim() {
        "Chassis Power is on" => Some(Power::On),
        "Chassis Power is off" => Some(Power::Off),
        _ => None,
    }
}

/// `chassis bootparam get 5`: the line with the data as it was received, as the lines in words differ
/// from version to version.
pub(super) fn boot_flags(said: &str) -> Option<BootFlags> {
    let mut lines = said.lines().map(str::trim);
    let data = lines.find_map(|line| line.strip_prefix("Boot parameter data: "))?;
    if data.len() != 10 || !data.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(data.get(at..at + 2)?, 16).ok();
    let (first, second) = (byte(0)?, byte(2)?);
    Some(BootFlags {
        valid: first & 0x80 != 0,
        persistent: first & 0x40 != 0,
        uefi: first & 0x20 != 0,
        network: second >> 2 & 0x0f == NETWORK,
    })
}

/// The value of a field of `mc info`, `fru print` or `lan print`; none where there is none, or nothing
/// that is known.
pub(super) fn field<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = said.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(key, _)| key.trim() == name)?;
    let value = value.trim();
    let unknown = value.is_empty() || value == "Unknown" || value.starts_with("Unknown (");
    (!unknown).then_some(value)
}

/// An address that is one: BMCs without any show zeros.
pub(super) fn address<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let address = field(said, name)?;
    let is_set = |each: char| each.is_ascii_hexdigit() && each != '0';
    address.contains(is_set).then_some(address)
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
