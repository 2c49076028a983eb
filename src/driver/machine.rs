//! What a machine is made of, in one form whoever says it: the build data of out-of-band drivers.

use serde::Serialize;

use crate::domain::build_data::Collected;

/// What the form is called in itself. Fields may be added to it; what has another meaning gets another
/// name.
pub const SCHEMA: &str = "drydock.dev/machine/v1";

/// What is known of a machine. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Machine {
    /// It exists on paper only: everything here is what its design says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
    /// `On`, `Off`, or whatever the device says in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_state: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// What it is ordered by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Its UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The version of its BIOS or UEFI firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bios_version: Option<String>,
    /// The version of its management controller's firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bmc_firmware: Option<String>,
    /// `OK`, or whatever the device says is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// How it boots: `UEFI` or `Legacy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_mode: Option<String>,
    /// Its processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processors: Option<Processors>,
    /// Its memory, in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_gib: Option<serde_json::Number>,
    /// The hardware addresses of its network interfaces, in the order of the device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mac_addresses: Vec<String>,
    /// What firmware is installed beside that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub firmware: Vec<Firmware>,
    /// What the device could not say, and why: a part, a colon, the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_told: Vec<String>,
}

/// The processors of a machine, which are all of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Processors {
    /// How many sockets are filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What is in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// One piece of firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Firmware {
    /// What it belongs to.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Machine {
    /// The machine as build data.
    pub fn collected(&self, generator: &str) -> Collected {
        #[derive(Serialize)]
        struct Document<'a> {
            schema: &'static str,
            #[serde(flatten)]
            machine: &'a Machine,
        }
        let document = Document {
            schema: SCHEMA,
            machine: self,
        };
        #[expect(
            clippy::expect_used,
            reason = "texts and numbers under fixed names have a JSON form"
        )]
        let element = serde_json::to_string(&document).expect("a machine has a JSON form");
        Collected {
            generator: generator.to_owned(),
            data_format: "application/json".to_owned(),
            data_element: element,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_stable_and_says_what_is_known() {
        let unknown = Machine::default().collected("redfish");
        assert_eq!(unknown.data_format, "application/json");
        assert_eq!(
            unknown.data_element,
            r#"{"schema":"drydock.dev/machine/v1"}"#
        );
        let machine = Machine {
            simulated: true,
            power_state: Some("On".to_owned()),
            processors: Some(Processors {
                count: Some(2),
                model: None,
            }),
            memory_gib: Some(96.into()),
            mac_addresses: vec!["52:54:00:00:00:01".to_owned()],
            firmware: vec![Firmware {
                name: "NIC".to_owned(),
                version: "1.2".to_owned(),
            }],
            not_told: vec!["manager: answered 501".to_owned()],
            ..Machine::default()
        };
        assert_eq!(
            machine.collected("simulated").data_element,
            concat!(
                r#"{"schema":"drydock.dev/machine/v1","simulated":true,"power_state":"On","#,
                r#""processors":{"count":2},"memory_gib":96,"#,
                r#""mac_addresses":["52:54:00:00:00:01"],"#,
                r#""firmware":[{"name":"NIC","version":"1.2"}],"#,
                r#""not_told":["manager: answered 501"]}"#
            )
        );
    }
}
