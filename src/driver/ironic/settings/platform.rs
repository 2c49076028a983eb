//! `apply_node_platform`: which image is deployed, and how it is started.

use super::super::options::Images;
use super::super::wanted::Wanted;
use super::{Place, Settings};
use crate::domain::site::HardwareProfile;
use crate::domain::site::hardware::BootMode;
use crate::domain::site::host::{HardwareReference, KernelParameter, Platform};

/// Stands for the image's name in the templates of the configuration.
const IMAGE: &str = "{image}";

/// What may be set.
const PLACES: &[Place] = &[
    Place::Instance("image_source"),
    Place::Instance("image_checksum"),
    Place::Instance("boot_iso"),
    Place::Instance("kernel_append_params"),
    Place::Instance("capabilities"),
];

/// What a node's platform comes to.
pub(in super::super) fn platform(wanted: &Wanted<'_>, images: &Images) -> Settings {
    settings(wanted.platform(), wanted.hardware(), images)
}

fn settings(platform: &Platform, hardware: Option<&HardwareProfile>, images: &Images) -> Settings {
    let mut settings = Settings::of(PLACES);
    if let Some(image) = &platform.image {
        let mut placed = false;
        for (place, template) in [
            (Place::Instance("image_source"), &images.source),
            (Place::Instance("image_checksum"), &images.checksum),
            (Place::Instance("boot_iso"), &images.boot_iso),
        ] {
            if let Some(template) = template {
                settings.set(place, template.replace(IMAGE, image));
                placed = true;
            }
        }
        if !placed && is_address(image) {
            settings.set(Place::Instance("image_source"), image.as_str());
        } else if !placed {
            settings.leave_out(format!(
                "the image {image} (drivers.ironic.image_source does not say where images are)"
            ));
        }
    }
    if let Some(kernel) = &platform.kernel {
        settings.leave_out(format!("the kernel {kernel} (the image brings its own)"));
    }
    let mut words = Vec::new();
    for (key, value) in &platform.kernel_params {
        match value {
            KernelParameter::Flag(true) => words.push(key.clone()),
            KernelParameter::Flag(false) => {}
            KernelParameter::Text(text) => words.push(format!("{key}={text}")),
            KernelParameter::Reference(reference) => match resolve(reference, hardware) {
                Some(text) => words.push(format!("{key}={text}")),
                None => settings.leave_out(format!(
                    "the kernel parameter {key}: the hardware profile does not have what it refers to"
                )),
            },
        }
    }
    if !words.is_empty() {
        // A whole-disk image keeps its own command line; what Ironic boots itself takes this one.
        settings.set(Place::Instance("kernel_append_params"), words.join(" "));
    }
    if let Some(mode) = hardware.and_then(|hardware| hardware.boot_mode) {
        let mode = match mode {
            BootMode::Bios => "bios",
            BootMode::Uefi => "uefi",
        };
        settings.set(
            Place::Instance("capabilities"),
            serde_json::json!({"boot_mode": mode}),
        );
    }
    settings
}

fn is_address(image: &str) -> bool {
    ["http://", "https://", "file://", "oci://"]
        .iter()
        .any(|scheme| image.starts_with(scheme))
}

fn resolve(reference: &HardwareReference, hardware: Option<&HardwareProfile>) -> Option<String> {
    let hardware = hardware?;
    match reference {
        HardwareReference::CpuSet(name) => hardware.cpu_sets.get(name).cloned(),
        HardwareReference::HugepagesSize(name) => hardware.hugepages.get(name)?.size.clone(),
        HardwareReference::HugepagesCount(name) => {
            Some(hardware.hugepages.get(name)?.count?.to_string())
        }
        HardwareReference::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(settings: &Settings, key: &'static str) -> Option<Value> {
        let field = settings
            .fields
            .iter()
            .find(|field| field.place == Place::Instance(key));
        field.map(|field| field.value.clone())
    }

    #[test]
    fn images_are_where_the_configuration_says() {
        let platform = Platform {
            image: Some("noble".to_owned()),
            ..Platform::default()
        };
        let images = Images {
            source: Some("http://images/{image}.raw".to_owned()),
            checksum: Some("http://images/{image}.raw.sha256".to_owned()),
            boot_iso: None,
        };
        let placed = settings(&platform, None, &images);
        assert_eq!(
            value(&placed, "image_source"),
            Some(json!("http://images/noble.raw"))
        );
        assert_eq!(value(&placed, "boot_iso"), None);
        let unplaced = settings(&platform, None, &Images::default());
        assert_eq!(unplaced.fields, []);
        assert!(unplaced.left_out[0].contains("noble"), "{unplaced:?}");
    }

    #[test]
    fn kernel_parameters_are_one_line_and_what_has_no_value_is_told() {
        let hardware = HardwareProfile {
            boot_mode: Some(BootMode::Uefi),
            cpu_sets: [("kvm".to_owned(), "2-23".to_owned())].into(),
            ..HardwareProfile::default()
        };
        let reference =
            |name: &str| KernelParameter::Reference(HardwareReference::CpuSet(name.to_owned()));
        let platform = Platform {
            kernel_params: [
                (
                    "console".to_owned(),
                    KernelParameter::Text("ttyS0".to_owned()),
                ),
                ("isolcpus".to_owned(), reference("kvm")),
                ("nohz".to_owned(), reference("none")),
                ("off".to_owned(), KernelParameter::Flag(false)),
                ("quiet".to_owned(), KernelParameter::Flag(true)),
            ]
            .into(),
            ..Platform::default()
        };
        let settings = settings(&platform, Some(&hardware), &Images::default());
        assert_eq!(
            value(&settings, "kernel_append_params"),
            Some(json!("console=ttyS0 isolcpus=2-23 quiet"))
        );
        assert_eq!(
            value(&settings, "capabilities"),
            Some(json!({"boot_mode": "uefi"}))
        );
        assert_eq!(settings.left_out.len(), 1);
    }
}
