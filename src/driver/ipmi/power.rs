//! Power over IPMI: what it is, and how a change of it is asked for.

use super::{Conversation, answers};
use crate::driver::DriverError;
use crate::driver::bmc::{Change, Power};

const STATUS: [&str; 3] = ["chassis", "power", "status"];

/// What a BMC says of its node's power.
pub(super) async fn read(bmc: &Conversation<'_>) -> Result<Power, DriverError> {
    let said = bmc.ask(&STATUS).await?;
    answers::power(&said).ok_or_else(|| bmc.nonsense(&STATUS))
}

/// Asks for a change. It is asked for again by whoever reads that nothing came of it.
pub(super) async fn switch(bmc: &Conversation<'_>, change: Change) -> Result<(), DriverError> {
    let (word, receipt) = match change {
        Change::On => ("on", "Chassis Power Control: Up/On"),
        Change::Off => ("off", "Chassis Power Control: Down/Off"),
        Change::ShutDown => ("soft", "Chassis Power Control: Soft"),
    };
    let told = bmc.tell(&["chassis", "power", word], receipt).await;
    told.map_err(|error| error.within(&format!("power {word}")))
}
