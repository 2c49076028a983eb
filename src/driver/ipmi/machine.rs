//! What a BMC says about its node: power, firmware, model, serial number, its own addresses.

use super::{Conversation, OOB_TYPE, answers, power};
use crate::driver::bmc::Power;
use crate::driver::device_error::device_text;
use crate::driver::machine::Machine;
use crate::driver::{DriverError, Progress, StepReport};

/// The longest value that is taken over. Serial numbers are a tenth of it.
const MAX_VALUE_BYTES: usize = 256;

const CONTROLLER: [&str; 2] = ["mc", "info"];

/// The inventory of the machine itself. Without the number `ipmitool` would walk through all sensors,
/// and on a BMC that keeps no records of any it erases what it has and builds them anew.
const INVENTORY: [&str; 3] = ["fru", "print", "0"];

/// How the BMC is in its network. Among what is printed is a password of SNMP: only what is named
/// below is taken from it.
const NETWORK: [&str; 2] = ["lan", "print"];

/// Reads what the BMC says. Beyond its power and itself, what it cannot say, or not in time, is left
/// out and told.
pub(super) async fn read(bmc: &Conversation<'_>) -> Result<Progress, DriverError> {
    let mut machine = Machine {
        power_state: match power::read(bmc).await? {
            Power::On => Some("On".to_owned()),
            Power::Off => Some("Off".to_owned()),
            Power::Between => None,
        },
        ..Machine::default()
    };
    let controller = bmc.ask(&CONTROLLER).await?;
    machine.bmc_firmware = fit(answers::field(&controller, "Firmware Revision"));
    machine.bmc_manufacturer = fit(answers::field(&controller, "Manufacturer Name"));
    match bmc.ask(&INVENTORY).await {
        Ok(said) => {
            // The best first: vendors fill in what they like.
            let first = |names: &[&str]| {
                let mut found = names.iter().filter_map(|name| answers::field(&said, name));
                found.find_map(|value| fit(Some(value)))
            };
            machine.manufacturer = first(&["Product Manufacturer", "Board Mfg"]);
            machine.model = first(&["Product Name", "Board Product"]);
            machine.serial_number = first(&["Product Serial", "Chassis Serial", "Board Serial"]);
            machine.sku = first(&["Product Part Number", "Board Part Number"]);
            machine.asset_tag = first(&["Product Asset Tag"]);
        }
        Err(error) => machine.not_told.push(format!("inventory: {error}")),
    }
    match bmc.ask(&NETWORK).await {
        Ok(said) => {
            machine.bmc_address = fit(answers::address(&said, "IP Address"));
            machine.bmc_mac_address = fit(answers::address(&said, "MAC Address"));
        }
        Err(error) => machine.not_told.push(format!("network: {error}")),
    }
    let mut message = summary(&machine);
    if !machine.not_told.is_empty() {
        message.push_str("; not told: ");
        message.push_str(&machine.not_told.join("; "));
    }
    Ok(Progress::Done(StepReport {
        message: Some(message),
        build_data: vec![machine.collected(OOB_TYPE)],
        ..StepReport::default()
    }))
}

/// What was said, made fit to be shown and kept; none where nothing was.
fn fit(said: Option<&str>) -> Option<String> {
    let mut text = device_text(said?, &[]);
    text.truncate(text.floor_char_boundary(MAX_VALUE_BYTES));
    (!text.is_empty()).then_some(text)
}

fn summary(machine: &Machine) -> String {
    let model = [&machine.manufacturer, &machine.model];
    let model: Vec<&str> = model.into_iter().flatten().map(String::as_str).collect();
    let serial = machine.serial_number.iter();
    let power = machine.power_state.iter();
    let mut parts = vec![model.join(" ")];
    parts.extend(serial.map(|number| format!("serial number {number}")));
    parts.extend(power.map(|power| format!("power {power}")));
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}
