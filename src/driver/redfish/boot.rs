//! The next boot: once, from the network, in the firmware mode that the BMC says the node has.

use std::time::Duration;

use serde_json::{Value, json};

use super::service::{Resource, Service};
use crate::driver::device_error::device_text;
use crate::driver::{DriverError, Progress, StepReport};

/// What is booted from.
const PXE: &str = "Pxe";

/// How soon a setting that the BMC has taken and does not show yet is read again. Some show it only
/// after they have told the host's firmware.
const READ_AGAIN: Duration = Duration::from_secs(3);

/// Sets the boot device if it is another, and reads it back.
pub(super) async fn set_network(service: &mut Service<'_>) -> Result<Progress, DriverError> {
    let system = service.system().await?;
    let boot = &system.body["Boot"];
    if boot["BootSourceOverrideTarget"].is_null() {
        return Err(service.unsuited("cannot set what the node boots from"));
    }
    if is_set_once(boot) {
        return Ok(done(service, boot));
    }
    let offered = boot["BootSourceOverrideTarget@Redfish.AllowableValues"].as_array();
    if offered.is_some_and(|offered| !offered.iter().any(|target| target == PXE)) {
        return Err(service.unsuited("does not offer to boot the node from the network"));
    }
    set(service, &system).await?;

    let after = service.get(&system.path).await?;
    if is_set(&after.body["Boot"]) {
        return Ok(done(service, &after.body["Boot"]));
    }
    Ok(Progress::Running {
        poll_after: READ_AGAIN,
        message: Some("the BMC has taken the boot device and does not show it yet".to_owned()),
    })
}

/// Sets the boot device anew on a node that has used it up and is off: an earlier cycle of its power, by
/// another process, may have booted it. A BMC that shows it is not asked for anything.
pub(super) async fn keep(service: &mut Service<'_>, system: &Resource) -> Result<(), DriverError> {
    let boot = &system.body["Boot"];
    if boot["BootSourceOverrideTarget"].is_null() || is_set(boot) {
        return Ok(());
    }
    set(service, system).await
}

async fn set(service: &mut Service<'_>, system: &Resource) -> Result<(), DriverError> {
    let mut change = json!({
        "BootSourceOverrideTarget": PXE,
        "BootSourceOverrideEnabled": "Once",
    });
    // Some firmwares fall back to legacy boot when the mode is left out.
    if let Some(mode) = system.body["Boot"]["BootSourceOverrideMode"].as_str() {
        change["BootSourceOverrideMode"] = mode.into();
    }
    let set = service.patch(system, &json!({ "Boot": change })).await;
    set.map_err(|error| error.within("set the boot device"))
}

fn is_set(boot: &Value) -> bool {
    boot["BootSourceOverrideTarget"] == PXE && boot["BootSourceOverrideEnabled"] != "Disabled"
}

fn is_set_once(boot: &Value) -> bool {
    is_set(boot) && boot["BootSourceOverrideEnabled"] == "Once"
}

fn done(service: &Service<'_>, boot: &Value) -> Progress {
    let mode = boot["BootSourceOverrideMode"].as_str();
    let mode = mode.map(|mode| device_text(mode, &service.secrets()));
    let mode = mode.map(|mode| format!(", {mode}")).unwrap_or_default();
    let how_long = if is_set_once(boot) {
        "next time"
    } else {
        "each time, as the BMC does not set it for once"
    };
    Progress::Done(StepReport {
        message: Some(format!("boots from the network {how_long}{mode}")),
        ..StepReport::default()
    })
}
