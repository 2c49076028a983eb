//! The next boot: once, from the network, in the firmware mode of the node.

use std::time::Duration;

use super::Conversation;
use super::answers::{self, BootFlags};
use crate::domain::site::hardware::BootMode;
use crate::driver::bmc::optional;
use crate::driver::{DriverError, Progress, StepReport};

const FLAGS: [&str; 4] = ["chassis", "bootparam", "get", "5"];

/// Has the BMC keep the boot device until the node boots. It is allowed to forget it after a minute,
/// and a node that is given time to shut down, or waits for its turn, takes longer than that.
const KEEP: [&str; 5] = ["raw", "0x00", "0x08", "0x03", "0x08"];

const RECEIPT: &str = "Set Boot Device to pxe";

/// How soon a setting that the BMC has taken and does not show yet is read again.
const READ_AGAIN: Duration = Duration::from_secs(3);

/// Sets the boot device if it is another, and reads it back.
pub(super) async fn set_network(bmc: &Conversation<'_>) -> Result<Progress, DriverError> {
    let mode = bmc.bmc.boot_mode;
    if let Some(flags) = read(bmc).await?
        && flags.differences(mode).is_empty()
    {
        return Ok(done(mode, Some(flags)));
    }
    set(bmc).await?;

    let after = read(bmc).await?;
    if after.is_some_and(|flags| !flags.network) {
        return Ok(Progress::Running {
            poll_after: READ_AGAIN,
            message: Some("the BMC has taken the boot device and does not show it yet".to_owned()),
        });
    }
    Ok(done(mode, after))
}

/// Sets the boot device anew on a node that has used it up and is off. A BMC that shows it, or cannot
/// show it, is not asked for anything.
pub(super) async fn keep(bmc: &Conversation<'_>) -> Result<(), DriverError> {
    match read(bmc).await? {
        Some(flags) if !(flags.network && flags.valid) => set(bmc).await,
        Some(_) | None => Ok(()),
    }
}

async fn set(bmc: &Conversation<'_>) -> Result<(), DriverError> {
    if let Err(error) = optional(bmc.ask(&KEEP).await.map(drop))? {
        tracing::debug!(%error, "a BMC may forget its boot device after a minute");
    }
    let mut command = vec!["chassis", "bootdev", "pxe"];
    if bmc.bmc.boot_mode == BootMode::Uefi {
        command.push("options=efiboot");
    }
    let told = bmc.tell(&command, RECEIPT).await;
    told.map_err(|error| error.within("set the boot device"))
}

/// What the BMC has set; none where it cannot say.
async fn read(bmc: &Conversation<'_>) -> Result<Option<BootFlags>, DriverError> {
    match optional(bmc.ask(&FLAGS).await)? {
        Ok(said) => match answers::boot_flags(&said) {
            Some(flags) => Ok(Some(flags)),
            None => Err(bmc.nonsense(&FLAGS)),
        },
        Err(error) => {
            tracing::debug!(%error, "boot device not read");
            Ok(None)
        }
    }
}

fn done(mode: BootMode, flags: Option<BootFlags>) -> Progress {
    let mode_name = match mode {
        BootMode::Uefi => "UEFI",
        BootMode::Bios => "legacy",
    };
    let mut message = format!("boots from the network next time, {mode_name}");
    match flags.map(|flags| flags.differences(mode)) {
        Some(differences) if differences.is_empty() => {}
        Some(differences) => {
            message.push_str("; the BMC took it, but shows it ");
            message.push_str(&differences.join(" and "));
        }
        None => message.push_str("; the BMC took it, but does not show it"),
    }
    Progress::Done(StepReport {
        message: Some(message),
        ..StepReport::default()
    })
}
