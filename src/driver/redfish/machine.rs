//! What a BMC says about its node: power, model, serial number, memory, firmware, network interfaces.

use std::time::Duration;

use serde_json::Value;

use super::service::{Service, link, links};
use crate::driver::bmc::optional;
use crate::driver::machine::{Firmware, Machine, Processors};
use crate::driver::{DriverError, ErrorKind, Progress, StepReport};

/// What the build data comes from.
const GENERATOR: &str = "redfish";

/// Network interfaces that are read: more than a node has, and few enough for one call.
const MAX_INTERFACES: usize = 16;

/// Pieces of firmware that are read, each with a request of its own. Servers list some thirty.
const MAX_FIRMWARE: usize = 48;

/// What must be left of the call for another piece of firmware to be asked for: a slow BMC tells less
/// of it, and the step does not fail for that.
const FIRMWARE_TIME: Duration = Duration::from_secs(2);

/// The longest value that is taken over. Serial numbers are a tenth of it.
const MAX_VALUE_BYTES: usize = 256;

/// Reads what the BMC says. What it cannot say is left out, and told.
pub(super) async fn read(service: &mut Service<'_>) -> Result<Progress, DriverError> {
    let system = service.system().await?.body;
    let value = |pointer: &str| text(service, system.pointer(pointer)?);
    let mut machine = Machine {
        power_state: value("/PowerState"),
        manufacturer: value("/Manufacturer"),
        model: value("/Model"),
        serial_number: value("/SerialNumber"),
        sku: value("/SKU"),
        uuid: value("/UUID"),
        bios_version: value("/BiosVersion"),
        health: value("/Status/Health"),
        boot_mode: value("/Boot/BootSourceOverrideMode"),
        processors: processors(service, &system["ProcessorSummary"]),
        memory_gib: number(&system["MemorySummary"]["TotalSystemMemoryGiB"]),
        ..Machine::default()
    };
    if let Some(path) = links(&system["Links"]["ManagedBy"]).first() {
        match optional(service.get(path).await)? {
            Ok(manager) => {
                machine.bmc_firmware = text(service, &manager.body["FirmwareVersion"]);
            }
            Err(error) => machine.not_told.push(format!("manager: {error}")),
        }
    }
    if let Some(path) = link(&system["EthernetInterfaces"]) {
        match optional(interfaces(service, &path).await)? {
            Ok(addresses) => machine.mac_addresses = addresses,
            Err(error) => machine
                .not_told
                .push(format!("network interfaces: {error}")),
        }
    }
    let mut firmware = Vec::new();
    let told = match all_firmware(service, &mut firmware).await {
        // The rest was told: one slow answer is no reason to ask for all of it again.
        Err(error) if error.kind == ErrorKind::Timeout => Err(error),
        other => optional(other)?,
    };
    machine.firmware = firmware;
    machine
        .not_told
        .extend(told.err().map(|error| format!("firmware: {error}")));
    let mut message = summary(&machine);
    if !machine.not_told.is_empty() {
        message.push_str("; not told: ");
        message.push_str(&machine.not_told.join("; "));
    }
    Ok(Progress::Done(StepReport {
        message: Some(message),
        build_data: vec![machine.collected(GENERATOR)],
        ..StepReport::default()
    }))
}

async fn interfaces(service: &mut Service<'_>, path: &str) -> Result<Vec<String>, DriverError> {
    let collection = service.get(path).await?;
    let members = links(&collection.body["Members"]);
    let mut addresses = Vec::new();
    for path in members.iter().take(MAX_INTERFACES) {
        let interface = service.get(path).await?;
        addresses.extend(text(service, &interface.body["MACAddress"]));
    }
    Ok(addresses)
}

/// Reads what firmware is installed, as far as there is time for it. A service without an inventory of
/// it has nothing to say.
async fn all_firmware(
    service: &mut Service<'_>,
    found: &mut Vec<Firmware>,
) -> Result<(), DriverError> {
    let root = service.root().await?;
    let Some(path) = link(&root["UpdateService"]) else {
        return Ok(());
    };
    let updates = service.get(&path).await?;
    let Some(path) = link(&updates.body["FirmwareInventory"]) else {
        return Ok(());
    };
    let collection = service.get(&path).await?;
    let members = links(&collection.body["Members"]);
    for (place, path) in members.iter().enumerate() {
        if place == MAX_FIRMWARE || !service.has_time_for(FIRMWARE_TIME) {
            return Err(DriverError::permanent(
                ErrorKind::Failed,
                format!("{place} of {} pieces were asked for", members.len()),
            ));
        }
        let piece = service.get(path).await?.body;
        let name = ["Name", "Id"].iter();
        let name = name.copied().find_map(|key| text(service, &piece[key]));
        let version = text(service, &piece["Version"]);
        found.extend(
            name.zip(version)
                .map(|(name, version)| Firmware { name, version }),
        );
    }
    Ok(())
}

fn processors(service: &Service<'_>, summary: &Value) -> Option<Processors> {
    let processors = Processors {
        count: summary["Count"].as_u64(),
        model: text(service, &summary["Model"]),
    };
    (processors != Processors::default()).then_some(processors)
}

fn number(value: &Value) -> Option<serde_json::Number> {
    value.as_number().cloned()
}

/// The text of a value; none where there is none.
fn text(service: &Service<'_>, value: &Value) -> Option<String> {
    service.text(value, MAX_VALUE_BYTES)
}

fn summary(machine: &Machine) -> String {
    let mut parts = Vec::new();
    let model = [&machine.manufacturer, &machine.model];
    let model: Vec<&str> = model.into_iter().flatten().map(String::as_str).collect();
    if !model.is_empty() {
        parts.push(model.join(" "));
    }
    let number = machine.serial_number.as_ref();
    parts.extend(number.map(|number| format!("serial number {number}")));
    let power = machine.power_state.as_ref();
    parts.extend(power.map(|power| format!("power {power}")));
    if parts.is_empty() {
        parts.push("the BMC answers".to_owned());
    }
    parts.join(", ")
}
