//! Nodes whose name cannot be a host's.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;

/// The longest label of a name (RFC 1035, section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// The longest name (RFC 1035, section 2.3.4, less the root and the length of the first label).
const MAX_NAME_BYTES: usize = 253;

pub(super) const RULE: Rule = Rule {
    code: "hostname",
    severity: Severity::Error,
    summary: "a node whose name cannot be a host name",
    explanation: "The name of a node becomes the name of its host: labels of letters, digits and \
        inner hyphens with dots between them, each of at most 63 characters and 253 together \
        (RFC 1035, RFC 1123). Underscores are the usual slip.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "\
schema: drydock/BaremetalNode/v1
metadata:
  name: rack1_node2
data: {}
",
        passing: "\
schema: drydock/BaremetalNode/v1
metadata:
  name: rack1-node2.example
data: {}
",
        message: "site.yaml:3:9: BaremetalNode/rack1_node2: metadata.name: `rack1_node2` is not \
            made of letters, digits and inner hyphens",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.node_documents {
        let name = node.name;
        if name.len() > MAX_NAME_BYTES {
            report.name(
                node.id,
                format!("a host name has at most {MAX_NAME_BYTES} characters"),
            );
        } else if let Some(label) = name.split('.').find(|label| !is_label(label)) {
            let message = if label.is_empty() {
                "two dots have nothing between them".to_owned()
            } else if label.len() > MAX_LABEL_BYTES {
                format!("a part of a host name has at most {MAX_LABEL_BYTES} characters")
            } else {
                format!("`{label}` is not made of letters, digits and inner hyphens")
            };
            report.name(node.id, message);
        }
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
