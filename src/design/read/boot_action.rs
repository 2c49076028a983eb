//! Reads a BootAction.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{FieldValue, Scope};
use crate::domain::node_filter::FilterType;
use crate::domain::site::boot_action::{
    Asset, AssetData, AssetKind, BootAction, Filter, FilterSet, PipelineStage,
};

const FILTER_TYPES: [(&str, FilterType); 2] = [
    ("intersection", FilterType::Intersection),
    ("union", FilterType::Union),
];

const STAGES: [(&str, PipelineStage); 5] = [
    ("base64_encode", PipelineStage::Base64Encode),
    ("base64_decode", PipelineStage::Base64Decode),
    ("utf8_encode", PipelineStage::Utf8Encode),
    ("utf8_decode", PipelineStage::Utf8Decode),
    ("template", PipelineStage::Template),
];

pub(crate) fn boot_action(action: &mut Scope<'_, '_>) -> BootAction {
    BootAction {
        signaling: action.boolean("signaling"),
        assets: action.list("assets", asset),
        node_filter: action.object("node_filter", |set| FilterSet {
            filter_set_type: set.choice("filter_set_type", &FILTER_TYPES),
            filter_set: set.list("filter_set", |filter| Filter {
                filter_type: filter.choice("filter_type", &FILTER_TYPES),
                node_names: filter.texts("node_names"),
                node_tags: filter.texts("node_tags"),
                node_labels: filter.labels("node_labels"),
                rack_names: filter.texts("rack_names"),
                rack_labels: filter.labels("rack_labels"),
            }),
        }),
    }
}

fn asset(asset: &mut Scope<'_, '_>) -> Asset {
    Asset {
        kind: asset.choice(
            "type",
            &[
                ("unit", AssetKind::Unit),
                ("file", AssetKind::File),
                ("pkg_list", AssetKind::PackageList),
            ],
        ),
        path: asset.text("path"),
        location: asset.text("location"),
        data: asset.value("data", data),
        location_pipeline: asset.choices(
            "location_pipeline",
            &[("template", PipelineStage::Template)],
        ),
        data_pipeline: asset.choices("data_pipeline", &STAGES),
        permissions: asset.value("permissions", permissions),
    }
}

fn data(value: &mut FieldValue<'_, '_>) -> Option<AssetData> {
    if !value.value.is_object() {
        return value.text().map(AssetData::Text);
    }
    let packages = value.object(|packages| {
        // An entry without a version is kept, so nulls are told from texts by hand.
        let mut versions: BTreeMap<_, _> = packages
            .others(|value| value.text())
            .into_iter()
            .map(|(name, version)| (name, Some(version).filter(|version| !version.is_empty())))
            .collect();
        let any = packages
            .fields
            .iter()
            .filter(|(_, version)| version.is_null());
        versions.extend(any.map(|(name, _)| (name.clone(), None)));
        versions
    });
    packages.map(AssetData::Packages)
}

fn permissions(value: &mut FieldValue<'_, '_>) -> Option<u16> {
    let text = match value.value {
        // `0644` is a text to the parser, and `644` means the same digits.
        Value::Number(number) => number.to_string(),
        _other => value.text()?,
    };
    let octal =
        (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u16::from_str_radix(&text, 8).ok().filter(|_| octal);
    if mode.is_none() {
        value.bad_value("permissions are three octal digits, for example `555`");
    }
    mode
}
