//! What a BMC says about its node: power, firmware, model, serial number, its own addresses.

use super::{Conversation, OOB_TYPE, answers, power};
use crate::driver::bmc::Power;
use crate::driver::device_error::device_text;
use crate::driver::machine::Machine;
use crate::driver::{DriverError, Progress};

/// The longest value that is taken over. Serial numbers are a tenth of it.
const MAX_VALUE_BYTES: usize = 256;

const CONTROLLER: [&str; 2] = ["mc", "info"];

/// The inventory of the machine itself. Without the number `ipmitool` would walk through all sensors,
/// and on a BMC that keeps no records of any it erases what it has and builds them anew.
const INVENTORY: [&str; 3] = ["fru", "print", "0"];

/// How the BMC is in its network. Among what is printed is a password of SNMP: only what is named
/// below is taken from it.
const NETWORK: [&str; 2] = ["lan", "print"];

/// Where things are in the inventory: the best first, as vendors fill in what they like.
const MANUFACTURER: [&str; 2] = ["Product Manufacturer", "Board Mfg"];
const MODEL: [&str; 2] = ["Product Name", "Board Product"];
const SERIAL_NUMBER: [&str; 3] = ["Product Serial", "Chassis Serial", "Board Serial"];
const ORDER_NUMBER: [&str; 2] = ["Product Part Number", "Board Part Number"];
const ASSET_TAG: [&str; 1] = ["Product Asset Tag"];

/// Reads what the BMC says. Beyond its power and itself, what it cannot say, or not in time, is left
/// out and told.
pub(super) async fn read(bmc: &Conversation<'_>) -> Result<Progress, DriverError> {
    let power = match power::read(bmc).await? {
        Power::On => Some("On".to_owned()),
        Power::Off => Some("Off".to_owned()),
        Power::Between => None,
    };
    let controller = bmc.ask(&CONTROLLER).await?;
    let firmware = answers::field(&controller, "Firmware Revision");
    let mut machine = Machine {
        power_state: power,
        bmc_firmware: fit(bmc, firmware),
        ..Machine::default()
    };
    match bmc.ask(&INVENTORY).await {
        Ok(said) => {
            let value = |fields: &[&str]| {
                let mut values = fields.iter().map(|field| answers::field(&said, field));
                values.find_map(|value| fit(bmc, value))
            };
            machine.manufacturer = value(&MANUFACTURER);
            machine.model = value(&MODEL);
            machine.serial_number = value(&SERIAL_NUMBER);
            machine.sku = value(&ORDER_NUMBER);
            machine.asset_tag = value(&ASSET_TAG);
        }
        Err(error) => machine.not_told.push(format!("inventory: {error}")),
    }
    match bmc.ask(&NETWORK).await {
        Ok(said) => {
            machine.bmc_address = fit(bmc, answers::address(&said, "IP Address"));
            machine.bmc_mac_address = fit(bmc, answers::address(&said, "MAC Address"));
        }
        Err(error) => machine.not_told.push(format!("network: {error}")),
    }
    Ok(Progress::Done(machine.report(OOB_TYPE)))
}

/// A value that can be shown and kept; none where there is none.
fn fit(bmc: &Conversation<'_>, said: Option<&str>) -> Option<String> {
    let mut text = device_text(said?, &[bmc.password]);
    text.truncate(text.floor_char_boundary(MAX_VALUE_BYTES));
    (!text.is_empty()).then_some(text)
}
