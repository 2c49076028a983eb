//! What a BMC says about its node: power, model, serial number, firmware, network interfaces.

use serde_json::Value;

use super::OOB_TYPE;
use super::service::{Service, link, links};
use crate::driver::bmc::{Machine, optional};
use crate::driver::{DriverError, Progress};

/// Network interfaces that are read: more than a node has, and few enough for one call.
const MAX_INTERFACES: usize = 16;

/// Reads what the BMC says. What it cannot say is left out, and told.
pub(super) async fn read(service: &mut Service<'_>) -> Result<Progress, DriverError> {
    let system = service.system().await?;
    let mut machine = Machine::default();
    for (name, pointer) in [
        ("power_state", "/PowerState"),
        ("manufacturer", "/Manufacturer"),
        ("model", "/Model"),
        ("serial_number", "/SerialNumber"),
        ("sku", "/SKU"),
        ("uuid", "/UUID"),
        ("bios_version", "/BiosVersion"),
        ("health", "/Status/Health"),
        ("boot_mode", "/Boot/BootSourceOverrideMode"),
    ] {
        machine.take(name, system.body.pointer(pointer).and_then(Value::as_str));
    }
    if let Some(path) = links(&system.body["Links"]["ManagedBy"]).first() {
        match optional(service.get(path).await)? {
            Ok(manager) => {
                machine.take("bmc_firmware", manager.body["FirmwareVersion"].as_str());
            }
            Err(error) => machine.leave_out("manager", &error),
        }
    }
    if let Some(path) = link(&system.body["EthernetInterfaces"]) {
        match optional(interfaces(service, &path).await)? {
            Ok(addresses) => machine.take_all("mac_addresses", &addresses),
            Err(error) => machine.leave_out("network interfaces", &error),
        }
    }
    Ok(machine.found(OOB_TYPE))
}

async fn interfaces(service: &mut Service<'_>, path: &str) -> Result<Vec<String>, DriverError> {
    let collection = service.get(path).await?;
    let members = links(&collection.body["Members"]);
    let mut addresses = Vec::new();
    for path in members.iter().take(MAX_INTERFACES) {
        let interface = service.get(path).await?;
        addresses.extend(interface.body["MACAddress"].as_str().map(str::to_owned));
    }
    Ok(addresses)
}
