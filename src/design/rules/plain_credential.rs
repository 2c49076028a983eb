//! A credential that stands in a document.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;

pub(super) const RULE: Rule = Rule {
    code: "plain_credential",
    severity: Severity::Warning,
    summary: "a credential that stands in the design",
    explanation: "A password, private key or user name in a URL stands in the document itself. It \
        is removed before anything else sees it: it is not kept and not used. Designs are copied, \
        reviewed and stored in more places than a password should be. Name a secret instead, \
        `secret://NAME`; it is looked up when it is used.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/HostProfile/v1\nmetadata: {name: p}\ndata:\n  oob:\n    type: redfish\n    \
            account: admin\n    credential: hunter2\n",
        passing: "schema: drydock/HostProfile/v1\nmetadata: {name: p}\ndata:\n  oob:\n    type: redfish\n    \
            account: admin\n    credential: secret://bmc\n",
        message: "site.yaml:7:17: HostProfile/p: data.oob.credential: a credential stands here, and is \
            neither kept nor used; name a secret instead, secret://NAME",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (id, document) in site.documents.iter().enumerate() {
        for place in &document.credentials {
            let message = "a credential stands here, and is neither kept nor used; name a secret \
                           instead, secret://NAME";
            report.document(id, place.clone(), message);
        }
    }
}
