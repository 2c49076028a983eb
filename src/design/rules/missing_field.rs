//! A field without which the thing it belongs to says nothing.

use serde_json::{Map, Value};

use super::super::document::Kind;
use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "missing_field",
    severity: Severity::Error,
    summary: "a field that has to be there and is not",
    explanation: "A network without a `cidr`, a range without `type`, `start` or `end`, a route \
        that leads nowhere, an address of no network, a repository without `url` or `repo_type` or \
        a tag without a definition: what is left cannot be configured. Fill in the field, or remove \
        the entry.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.10}
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  ranges:
    - {type: static, start: 10.0.0.10, end: 10.0.0.99}
",
            message: "site.yaml:6:7: Network/mgmt: data.ranges[0]: there is no `end` here",
        },
        Example {
            failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  vlan: '10'
",
            passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  vlan: '10'
  cidr: 10.0.0.0/24
",
            message: "site.yaml:3:1: Network/mgmt: data: there is no `cidr` here",
        },
    ],
    check,
};

/// Where things are, and what they need: of each group one field.
struct Need {
    kind: Kind,
    /// A list or mapping of things; the body itself if none.
    within: Option<&'static str>,
    fields: &'static [&'static [&'static str]],
}

const NEEDS: &[Need] = &[
    Need {
        kind: Kind::Network,
        within: None,
        fields: &[&["cidr"]],
    },
    Need {
        kind: Kind::Network,
        within: Some("ranges"),
        fields: &[&["type"], &["start"], &["end"]],
    },
    Need {
        kind: Kind::Network,
        within: Some("routes"),
        fields: &[&["subnet", "routedomain"]],
    },
    Need {
        kind: Kind::BaremetalNode,
        within: Some("addressing"),
        fields: &[&["network"]],
    },
    Need {
        kind: Kind::HostProfile,
        within: Some("addressing"),
        fields: &[&["network"]],
    },
    Need {
        kind: Kind::Region,
        within: Some("repositories"),
        fields: &[&["url"], &["repo_type"]],
    },
    Need {
        kind: Kind::Region,
        within: Some("tag_definitions"),
        fields: &[&["tag"], &["definition"]],
    },
];

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (id, document) in site.documents.iter().enumerate() {
        for need in NEEDS.iter().filter(|need| need.kind == document.kind) {
            for (path, thing) in things(&document.body, need.within) {
                for group in need.fields {
                    let has =
                        |field: &&str| thing.get(*field).is_some_and(|field| !field.is_null());
                    if !group.iter().any(has) {
                        let names: Vec<_> = group.iter().map(|name| format!("`{name}`")).collect();
                        let message = format!("there is no {} here", names.join(" or "));
                        report.document(id, path.clone(), message);
                    }
                }
            }
        }
    }
}

/// The mappings in a list or mapping of a body.
fn things<'v>(
    body: &'v Map<String, Value>,
    within: Option<&str>,
) -> Vec<(Path, &'v Map<String, Value>)> {
    let Some(field) = within else {
        return vec![(Path::body(), body)];
    };
    let path = Path::of(field);
    match body.get(field) {
        Some(Value::Array(items)) => {
            let items = items.iter().enumerate();
            let items =
                items.filter_map(|(at, item)| Some((path.clone().index(at), item.as_object()?)));
            items.collect()
        }
        Some(Value::Object(fields)) => {
            let fields = fields.iter().filter(|(name, _)| !name.starts_with('!'));
            let fields = fields
                .filter_map(|(name, item)| Some((path.clone().field(name), item.as_object()?)));
            fields.collect()
        }
        Some(_) | None => Vec::new(),
    }
}
