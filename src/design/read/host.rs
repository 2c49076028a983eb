//! Reads a HostProfile or BaremetalNode: their bodies have the same sections.
//!
//! Each section is read by itself, too: a node that inherits shares the sections that it says
//! nothing in.

use std::sync::Arc;

use serde_json::Value;

use super::{FieldValue, Notes, Scope};
use crate::design::inherit::Section;
use crate::domain::site::host::{
    Addressing, Assignment, HardwareReference, HostSpec, Interface, KernelParameter, Metadata,
    Platform, Sriov,
};
use crate::domain::site::{Oob, Storage};

/// A HostProfile or BaremetalNode without anything inherited.
pub(crate) fn host(host: &mut Scope<'_, '_>) -> HostSpec {
    let mut spec = HostSpec {
        host_profile: name(host, "host_profile"),
        hardware_profile: name(host, "hardware_profile"),
        primary_network: name(host, "primary_network"),
        ..HostSpec::default()
    };
    for section in Section::ALL {
        put(&mut spec, section, host);
    }
    spec
}

/// Replaces one section by what `value` says in it. What does not fit is left out and not reported:
/// it was where it was read in its own document. Gives the value back.
pub(in crate::design) fn replace(spec: &mut HostSpec, section: Section, value: Value) -> Value {
    let mut body = serde_json::Map::from_iter([(section.key().to_owned(), value)]);
    let mut notes = Notes::default();
    Scope::read(&body, &mut notes, |scope| put(spec, section, scope));
    body.remove(section.key()).unwrap_or_default()
}

fn put(spec: &mut HostSpec, section: Section, host: &mut Scope<'_, '_>) {
    let key = section.key();
    match section {
        Section::Oob => spec.oob = shared(host.object(key, oob)),
        Section::Storage => {
            spec.storage = shared::<Storage>(host.object(key, super::storage::storage))
        }
        Section::Platform => spec.platform = shared(host.object(key, platform)),
        Section::Interfaces => spec.interfaces = Arc::new(host.map(key, interface)),
        Section::Addressing => spec.addressing = Arc::new(host.list(key, addressing)),
        Section::Metadata => spec.metadata = shared(host.object(key, metadata)),
    }
}

fn shared<T: Default>(section: Option<T>) -> Arc<T> {
    Arc::new(section.unwrap_or_default())
}

fn name(host: &mut Scope<'_, '_>, key: &'static str) -> Option<Arc<str>> {
    host.text(key).map(Arc::from)
}

fn oob(oob: &mut Scope<'_, '_>) -> Oob {
    Oob {
        kind: oob.text("type"),
        network: oob.text("network"),
        address: oob.text("address"),
        account: oob.text("account"),
        // Anything but a reference was removed from the document, and is for a rule to report.
        credential: oob.value("credential", |value| value.text()?.parse().ok()),
        parameters: oob.others(|value| value.text()),
    }
}

fn platform(platform: &mut Scope<'_, '_>) -> Platform {
    Platform {
        image: platform.text("image"),
        kernel: platform.text("kernel"),
        kernel_params: platform.custom("kernel_params", kernel_parameter),
    }
}

fn kernel_parameter(value: &mut FieldValue<'_, '_>) -> Option<KernelParameter> {
    match value.value {
        Value::Null => None,
        Value::Bool(flag) => Some(KernelParameter::Flag(*flag)),
        Value::Number(number) => Some(KernelParameter::Text(number.to_string())),
        Value::String(text) => Some(match HardwareReference::parse(text) {
            Some(reference) => KernelParameter::Reference(reference),
            None => KernelParameter::Text(text.clone()),
        }),
        Value::Array(_) | Value::Object(_) => {
            value.wrong_type("a text or boolean");
            None
        }
    }
}

fn interface(interface: &mut Scope<'_, '_>) -> Interface {
    Interface {
        device_link: interface.text("device_link"),
        slaves: interface.texts("slaves"),
        networks: interface.texts("networks"),
        labels: interface.labels("labels"),
        sriov: interface.object("sriov", |sriov| Sriov {
            vf_count: sriov.number("vf_count", 0..=u64::from(u32::MAX)),
            // The schema and the program that it belongs to spell it differently.
            trusted_mode: sriov.boolean("trustedmode").or(sriov.boolean("trustmode")),
        }),
    }
}

fn addressing(entry: &mut Scope<'_, '_>) -> Addressing {
    Addressing {
        network: entry.text("network"),
        address: entry.value("address", |value| {
            let text = value.text()?;
            let assignment = match text.as_str() {
                "dhcp" => Some(Assignment::Dhcp),
                "slaac" => Some(Assignment::Slaac),
                address => address.parse().ok().map(Assignment::Static),
            };
            if assignment.is_none() {
                value.bad_value("the value is neither an IP address nor `dhcp` nor `slaac`");
            }
            assignment
        }),
    }
}

fn metadata(metadata: &mut Scope<'_, '_>) -> Metadata {
    Metadata {
        tags: metadata.texts("tags"),
        owner_data: metadata.labels("owner_data"),
        rack: metadata.text("rack"),
        boot_mac: metadata.text("boot_mac"),
    }
}
