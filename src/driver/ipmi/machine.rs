//! What a BMC says about its node: power, firmware, model, serial number, its own addresses.

use serde_json::{Map, Value};

use super::{Conversation, OOB_TYPE, answers, power};
use crate::domain::build_data::Collected;
use crate::driver::bmc::Power;
use crate::driver::device_error::device_text;
use crate::driver::machine::SCHEMA;
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
    let mut machine = Map::new();
    let mut take = |name: &str, said: Option<&str>| {
        let value = said.map(fit).filter(|value| !value.is_empty());
        machine.extend(value.map(|value| (name.to_owned(), value.into())));
    };
    let power = match power::read(bmc).await? {
        Power::On => Some("On"),
        Power::Off => Some("Off"),
        Power::Between => None,
    };
    take("power_state", power);
    let controller = bmc.ask(&CONTROLLER).await?;
    for (name, field) in [
        ("bmc_firmware", "Firmware Revision"),
        ("bmc_manufacturer", "Manufacturer Name"),
        ("ipmi_version", "IPMI Version"),
    ] {
        take(name, answers::field(&controller, field));
    }
    let mut untold = Vec::new();
    match bmc.ask(&INVENTORY).await {
        Ok(said) => {
            for (name, fields) in MACHINE {
                let mut found = fields
                    .iter()
                    .filter_map(|field| answers::field(&said, field));
                take(name, found.next());
            }
        }
        Err(error) => untold.push(format!("inventory: {error}")),
    }
    match bmc.ask(&NETWORK).await {
        Ok(said) => {
            take("bmc_address", answers::address(&said, "IP Address"));
            take("bmc_mac_address", answers::address(&said, "MAC Address"));
        }
        Err(error) => untold.push(format!("network: {error}")),
    }
    let mut message = summary(&machine);
    machine.insert("schema".to_owned(), SCHEMA.into());
    if !untold.is_empty() {
        machine.insert("not_told".to_owned(), untold.clone().into());
        message.push_str("; not told: ");
        message.push_str(&untold.join("; "));
    }
    Ok(Progress::Done(StepReport {
        message: Some(message),
        build_data: vec![Collected {
            generator: OOB_TYPE.to_owned(),
            data_format: "application/json".to_owned(),
            data_element: Value::Object(machine).to_string(),
        }],
        ..StepReport::default()
    }))
}

fn fit(said: &str) -> String {
    let mut text = device_text(said, &[]);
    text.truncate(text.floor_char_boundary(MAX_VALUE_BYTES));
    text
}

fn summary(machine: &Map<String, Value>) -> String {
    let get = |name: &str| machine.get(name).and_then(Value::as_str);
    let model = [get("manufacturer"), get("model")];
    let model: Vec<&str> = model.into_iter().flatten().collect();
    let mut parts = vec![model.join(" ")];
    parts.extend(get("serial_number").map(|number| format!("serial number {number}")));
    parts.extend(get("power_state").map(|power| format!("power {power}")));
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}
