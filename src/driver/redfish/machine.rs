//! What a BMC says about its node: power, model, serial number, firmware, network interfaces.

use serde_json::{Map, Value};

use super::service::{Service, link, links};
use crate::driver::device_error::device_text;
use crate::driver::{DriverError, ErrorKind, Progress, StepReport};

/// What the record comes from.
const GENERATOR: &str = "redfish";

/// What form it has.
const FORMAT: &str = "drydock.dev/machine/v1";

/// Network interfaces that are read: more than a node has, and few enough for one call.
const MAX_INTERFACES: usize = 16;

/// The longest value that is taken over. Serial numbers are a tenth of it.
const MAX_VALUE_BYTES: usize = 256;

/// Reads what the BMC says. What it cannot say is left out, and told.
pub(super) async fn read(service: &mut Service<'_>) -> Result<Progress, DriverError> {
    let system = service.system().await?;
    let mut machine = Map::new();
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
        let value = system.body.pointer(pointer).and_then(text);
        machine.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    let mut unread = Vec::new();
    if let Some(path) = links(&system.body["Links"]["ManagedBy"]).first() {
        match optional(service.get(path).await)? {
            Ok(manager) => {
                let version = manager.body.get("FirmwareVersion").and_then(text);
                machine.extend(version.map(|version| ("bmc_firmware".to_owned(), version.into())));
            }
            Err(error) => unread.push(format!("manager: {error}")),
        }
    }
    if let Some(path) = link(&system.body["EthernetInterfaces"]) {
        match optional(interfaces(service, &path).await)? {
            Ok(addresses) => {
                machine.insert("mac_addresses".to_owned(), addresses.into());
            }
            Err(error) => unread.push(format!("network interfaces: {error}")),
        }
    }
    let mut message = summary(&machine);
    if !unread.is_empty() {
        message.push_str("; not told: ");
        message.push_str(&unread.join("; "));
    }
    let mut extra = Map::new();
    extra.insert("generator".to_owned(), GENERATOR.into());
    extra.insert("data_format".to_owned(), FORMAT.into());
    extra.insert("data_element".to_owned(), machine.into());
    Ok(Progress::Done(StepReport {
        message: Some(message),
        extra,
        ..StepReport::default()
    }))
}

async fn interfaces(service: &mut Service<'_>, path: &str) -> Result<Vec<String>, DriverError> {
    let collection = service.get(path).await?;
    let members = links(&collection.body["Members"]);
    let mut addresses = Vec::new();
    for path in members.iter().take(MAX_INTERFACES) {
        let interface = service.get(path).await?;
        addresses.extend(interface.body.get("MACAddress").and_then(text));
    }
    Ok(addresses)
}

/// Parts a BMC with what it cannot say from one that does not answer.
fn optional<T>(read: Result<T, DriverError>) -> Result<Result<T, DriverError>, DriverError> {
    match read {
        Err(error) if ends_the_step(error.kind) => Err(error),
        other => Ok(other),
    }
}

const fn ends_the_step(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Unreachable
        | ErrorKind::Timeout
        | ErrorKind::Unauthorised
        | ErrorKind::Cancelled
        | ErrorKind::NotStarted
        | ErrorKind::Internal => true,
        ErrorKind::Refused
        | ErrorKind::Unsupported
        | ErrorKind::Busy
        | ErrorKind::Protocol
        | ErrorKind::Failed => false,
    }
}

/// The text of a value, made fit to be shown and kept; none where there is none.
fn text(value: &Value) -> Option<String> {
    let mut text = device_text(value.as_str()?, &[]);
    text.truncate(text.floor_char_boundary(MAX_VALUE_BYTES));
    (!text.is_empty()).then_some(text)
}

fn summary(machine: &Map<String, Value>) -> String {
    let get = |name: &str| machine.get(name).and_then(Value::as_str);
    let mut parts = Vec::new();
    let model: Vec<&str> = ["manufacturer", "model"]
        .iter()
        .filter_map(|name| get(name))
        .collect();
    if !model.is_empty() {
        parts.push(model.join(" "));
    }
    parts.extend(get("serial_number").map(|number| format!("serial number {number}")));
    parts.extend(get("power_state").map(|power| format!("power {power}")));
    if parts.is_empty() {
        parts.push("the BMC answers".to_owned());
    }
    parts.join(", ")
}
