//! Power over Redfish: what is asked for in its words, and what a system says.

use serde_json::{Value, json};

use super::service::{Resource, Service};
use crate::driver::DriverError;
use crate::driver::bmc::{Change, Power};

/// What a system says of its power.
pub(super) fn of(system: &Resource) -> Power {
    match system.body["PowerState"].as_str() {
        Some("On") => Power::On,
        Some("Off") => Power::Off,
        Some(_) | None => Power::Between,
    }
}

/// Asks for a change of a system's power.
pub(super) async fn switch(
    service: &mut Service<'_>,
    system: &Resource,
    change: Change,
) -> Result<(), DriverError> {
    let action = &system.body["Actions"]["#ComputerSystem.Reset"];
    let Some(target) = action["target"].as_str() else {
        return Err(service.unsuited("cannot switch the node on or off"));
    };
    let Some(name) = allowed(action, change) else {
        return Err(service.unsuited(&format!(
            "cannot switch the node: it does not offer {}",
            names(change).join(" or ")
        )));
    };
    let asked = service.post(target, &json!({ "ResetType": name })).await;
    asked.map_err(|error| error.within(&format!("reset with {name}")))
}

/// In the words of Redfish, the best first.
const fn names(change: Change) -> &'static [&'static str] {
    match change {
        Change::On => &["On", "ForceOn"],
        Change::Off => &["ForceOff"],
        Change::ShutDown => &["GracefulShutdown"],
    }
}

/// The name under which a change is offered. Services that do not say what they offer are asked.
fn allowed(action: &Value, change: Change) -> Option<&'static str> {
    let names = names(change);
    let Some(offered) = action["ResetType@Redfish.AllowableValues"].as_array() else {
        return names.first().copied();
    };
    let offers = |name: &&str| offered.iter().any(|value| value.as_str() == Some(*name));
    names.iter().copied().find(offers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_offered_is_not_asked_for() {
        let offered = json!({"ResetType@Redfish.AllowableValues": ["ForceOn", "GracefulShutdown"]});
        assert_eq!(allowed(&offered, Change::On), Some("ForceOn"));
        assert_eq!(allowed(&offered, Change::Off), None);
        assert_eq!(allowed(&json!({}), Change::Off), Some("ForceOff"));
    }
}
