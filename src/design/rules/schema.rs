//! Fields that do not fit the schema of their kind. They were found when the documents were read.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::read::MisfitKind;

pub(super) const UNKNOWN_FIELD: Rule = Rule {
    code: "unknown_field",
    severity: Severity::Warning,
    summary: "a field that nothing reads",
    explanation: "Documents of this kind have no field of this name, so what it says has no effect. \
        Most often the name is misspelt or stands one level too deep. It is a warning because a \
        newer version may know the field.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1\nmetadata: {name: mgmt}\ndata:\n  cidr: 10.0.0.0/24\n  vlna: '100'\n",
        passing: "schema: drydock/Network/v1\nmetadata: {name: mgmt}\ndata:\n  cidr: 10.0.0.0/24\n  vlan: '100'\n",
        message: "site.yaml:5:9: Network/mgmt: data.vlna: no field is called this; is `vlan` meant?",
    }],
    check: |site, report| misfits(MisfitKind::UnknownField, site, report),
};

pub(super) const WRONG_TYPE: Rule = Rule {
    code: "wrong_type",
    severity: Severity::Error,
    summary: "a value of another type than the field's",
    explanation: "A list stands where a text belongs, say. The field is read as if it were absent. \
        Where the value can be read all the same, such as a number in quotes, it is read and the \
        finding is a warning.",
    needed_by: need::NOTHING,
    examples: &[
        Example {
            failing: "schema: drydock/NetworkLink/v1\nmetadata: {name: gp}\ndata:\n  mtu: [9000]\n",
            passing: "schema: drydock/NetworkLink/v1\nmetadata: {name: gp}\ndata:\n  mtu: 9000\n",
            message: "site.yaml:4:8: NetworkLink/gp: data.mtu: a list stands where a number belongs",
        },
        Example {
            failing: "schema: drydock/HardwareProfile/v1\nmetadata: {name: h}\ndata:\n  bios_version: 1.10\n",
            passing: "schema: drydock/HardwareProfile/v1\nmetadata: {name: h}\ndata:\n  bios_version: '1.10'\n",
            message: "site.yaml:4:17: HardwareProfile/h: data.bios_version: a number stands where a \
                text belongs: quote it",
        },
    ],
    check: |site, report| misfits(MisfitKind::WrongType, site, report),
};

pub(super) const BAD_VALUE: Rule = Rule {
    code: "bad_value",
    severity: Severity::Error,
    summary: "a value that the field cannot have",
    explanation: "The value has the right type, but it is none of the words that the field takes, \
        out of its range, or not of its form. The field is read as if it were absent.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1\nmetadata: {name: mgmt}\ndata:\n  ranges:\n    - {type: static, start: 10.0.0.1, end: 10.0.0.300}\n",
        passing: "schema: drydock/Network/v1\nmetadata: {name: mgmt}\ndata:\n  ranges:\n    - {type: static, start: 10.0.0.1, end: 10.0.0.30}\n",
        message: "site.yaml:5:44: Network/mgmt: data.ranges[0].end: invalid IP address syntax",
    }],
    check: |site, report| misfits(MisfitKind::BadValue, site, report),
};

fn misfits(kind: MisfitKind, site: &SiteView<'_>, report: &mut Report<'_>) {
    for (document, misfit) in &site.misfits {
        if misfit.kind == kind {
            report.document_as(
                misfit.severity,
                *document,
                misfit.path.clone(),
                misfit.message.clone(),
            );
        }
    }
}
