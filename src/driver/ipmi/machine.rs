//! What a BMC says about its node: power, firmware, model, serial number, its own addresses.

use super::{Conversation, OOB_TYPE, answers, power};
use crate::driver::bmc::{Machine, Power};
use crate::driver::{DriverError, Progress};

const CONTROLLER: [&str; 2] = ["mc", "info"];

/// The inventory of the machine itself. Without the number `ipmitool` would walk through all sensors,
/// and on a BMC that keeps no records of any it erases what it has and builds them anew.
const INVENTORY: [&str; 3] = ["fru", "print", "0"];

/// How the BMC is in its network. Among what is printed is a password of SNMP: only what is named
/// below is taken from it.
const NETWORK: [&str; 2] = ["lan", "print"];

/// Where each field is in the inventory: the best first, as vendors fill in what they like.
const MACHINE: [(&str, &[&str]); 6] = [
    ("manufacturer", &["Product Manufacturer", "Board Mfg"]),
    ("model", &["Product Name", "Board Product"]),
    (
        "serial_number",
        &["Product Serial", "Chassis Serial", "Board Serial"],
    ),
    ("part_number", &["Product Part Number", "Board Part Number"]),
    ("asset_tag", &["Product Asset Tag"]),
    ("chassis_type", &["Chassis Type"]),
];

/// Reads what the BMC says. Beyond its power and itself, what it cannot say, or not in time, is left
/// out and told.
pub(super) async fn read(bmc: &Conversation<'_>) -> Result<Progress, DriverError> {
    let mut machine = Machine::default();
    machine.take(
        "power_state",
        match power::read(bmc).await? {
            Power::On => Some("On"),
            Power::Off => Some("Off"),
            Power::Between => None,
        },
    );
    let controller = bmc.ask(&CONTROLLER).await?;
    for (name, field) in [
        ("bmc_firmware", "Firmware Revision"),
        ("bmc_manufacturer", "Manufacturer Name"),
        ("ipmi_version", "IPMI Version"),
    ] {
        machine.take(name, answers::field(&controller, field));
    }
    match bmc.ask(&INVENTORY).await {
        Ok(said) => {
            for (name, fields) in MACHINE {
                let mut found = fields
                    .iter()
                    .filter_map(|field| answers::field(&said, field));
                machine.take(name, found.next());
            }
        }
        Err(error) => machine.leave_out("inventory", &error),
    }
    match bmc.ask(&NETWORK).await {
        Ok(said) => {
            machine.take("bmc_address", answers::address(&said, "IP Address"));
            machine.take("bmc_mac_address", answers::address(&said, "MAC Address"));
        }
        Err(error) => machine.leave_out("network", &error),
    }
    Ok(machine.found(OOB_TYPE))
}
