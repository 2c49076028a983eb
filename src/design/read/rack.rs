//! Reads a Rack.

use super::Scope;
use crate::domain::site::rack::{Location, Rack, Switch};

pub(crate) fn rack(rack: &mut Scope<'_, '_>) -> Rack {
    Rack {
        tor_switches: rack.map("tor_switches", |switch| Switch {
            mgmt_ip: switch.parsed("mgmt_ip"),
            sdn_api_uri: switch.text("sdn_api_uri"),
        }),
        location: rack
            .object("location", |location| Location {
                clli: location.text("clli"),
                grid: location.text("grid"),
                others: location.others(|value| value.text()),
            })
            .unwrap_or_default(),
        local_networks: rack.texts("local_networks"),
        labels: rack.labels("labels"),
    }
}
