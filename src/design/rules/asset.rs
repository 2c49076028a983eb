//! Assets of boot actions that cannot be placed.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::boot_action::{Asset, AssetData, AssetKind, PipelineStage};

pub(super) const RULE: Rule = Rule {
    code: "asset",
    severity: Severity::Error,
    summary: "an asset that cannot be placed",
    explanation: "A file or unit has an absolute `path` and its content, in `data` or at `location`; \
        a `pkg_list` has packages. `location_pipeline` goes with a `location`, and a `template` \
        works on text: after `base64_decode` the bytes are decoded first.",
    needed_by: need::DEPLOYMENT,
    examples: &[
        Example {
            failing: "\
schema: drydock/BootAction/v1
metadata: {name: b}
data:
  assets:
    - {type: file, path: etc/motd, permissions: '644', data: hello}
",
            passing: "\
schema: drydock/BootAction/v1
metadata: {name: b}
data:
  assets:
    - {type: file, path: /etc/motd, permissions: '644', data: hello}
",
            message: "site.yaml:5:26: BootAction/b: data.assets[0].path: `etc/motd` is no absolute \
                path",
        },
        Example {
            failing: "\
schema: drydock/BootAction/v1
metadata: {name: b}
data:
  assets:
    - {type: file, path: /etc/motd, permissions: '644'}
",
            passing: "\
schema: drydock/BootAction/v1
metadata: {name: b}
data:
  assets:
    - {type: file, path: /etc/motd, permissions: '644', location: 'http://x/motd'}
",
            message: "site.yaml:5:7: BootAction/b: data.assets[0]: the asset has no content: give \
                `data` or `location`",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for action in &site.boot_actions {
        for (position, asset) in action.spec.assets.iter().enumerate() {
            for (field, message) in problems(asset) {
                let path = Path::of("assets").index(position);
                let path = match field {
                    "" => path,
                    field => path.field(field),
                };
                report.document(action.id, path, message);
            }
        }
    }
}

/// What is wrong, each at a field; at none for the asset itself.
fn problems(asset: &Asset) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let mut add = |field, message: &str| problems.push((field, message.to_owned()));
    match asset.kind {
        // That the type is missing or unknown is said where it is read.
        None => {}
        Some(AssetKind::PackageList) => match &asset.data {
            Some(AssetData::Packages(packages)) if !packages.is_empty() => {}
            Some(_) => add("data", "a list of packages maps their names to versions"),
            None => add("", "the list has no packages: give `data`"),
        },
        Some(AssetKind::File | AssetKind::Unit) => {
            match &asset.path {
                None => add("", "the asset has no `path`"),
                Some(path) if !path.starts_with('/') => {
                    add("path", &format!("`{path}` is no absolute path"));
                }
                Some(_) => {}
            }
            match (&asset.data, &asset.location) {
                (None, None) => add("", "the asset has no content: give `data` or `location`"),
                (Some(_), Some(_)) => {
                    add("location", "the asset has `data`, too; which one is it?")
                }
                (Some(AssetData::Packages(_)), None) => {
                    add("data", "the content of a file is a text")
                }
                (Some(AssetData::Text(_)), None) | (None, Some(_)) => {}
            }
        }
    }
    if asset.location.is_none() && !asset.location_pipeline.is_empty() {
        add("location_pipeline", "there is no `location` to work on");
    }
    if has_template_of_bytes(&asset.data_pipeline) {
        add(
            "data_pipeline",
            "`template` works on text: put `utf8_decode` before it",
        );
    }
    problems
}

fn has_template_of_bytes(stages: &[PipelineStage]) -> bool {
    let mut bytes = false;
    for stage in stages {
        match stage {
            PipelineStage::Base64Decode | PipelineStage::Utf8Encode => bytes = true,
            PipelineStage::Utf8Decode => bytes = false,
            PipelineStage::Base64Encode => {}
            PipelineStage::Template if bytes => return true,
            PipelineStage::Template => {}
        }
    }
    false
}
