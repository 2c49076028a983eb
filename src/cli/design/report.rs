//! What is said of a design, wherever it was validated: here, or by a server.

use prost_types::value::Kind;

use crate::design::{Finding, Severity};
use crate::proto::v1::{Status, StatusMessage};

/// All that is said of a design.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) found: Vec<Found>,
    /// Number of all errors, of which `found` may lack some.
    pub(super) errors: usize,
    /// Number of all warnings, of which `found` may lack some.
    pub(super) warnings: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Found {
    pub(super) severity: Level,
    pub(super) code: String,
    pub(super) message: String,
    /// `Kind/name`.
    pub(super) document: Option<String>,
    pub(super) file: Option<String>,
    /// From 1.
    pub(super) line: Option<u32>,
    /// From 1, in characters.
    pub(super) column: Option<u32>,
    /// Path inside of the document.
    pub(super) field: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// The design is wrong.
    #[default]
    Error,
    /// It is worth a look.
    Warning,
}

impl Report {
    /// What was found here, in the order of files and lines.
    pub(super) fn of_findings(findings: &[Finding]) -> Self {
        let mut found: Vec<Found> = findings.iter().map(Found::of_finding).collect();
        found.sort_by(|left, right| left.place().cmp(&right.place()));
        let errors = count_errors(&found);
        Self {
            errors,
            warnings: found.len() - errors,
            found,
        }
    }

    /// What a server answered. It counts more than it lists where there is much.
    pub(super) fn of_status(status: &Status) -> Self {
        let details = status.details.clone().unwrap_or_default();
        let count = |count: Option<i32>| usize::try_from(count.unwrap_or_default()).unwrap_or(0);
        let errors = count(details.error_count);
        Self {
            found: details.message_list.iter().map(Found::of_message).collect(),
            errors,
            warnings: count(details.message_count).saturating_sub(errors),
        }
    }

    /// The counts in words.
    pub(super) fn summary(&self) -> String {
        let counted = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        format!(
            "{}, {}",
            counted(self.errors, "error"),
            counted(self.warnings, "warning")
        )
    }
}

impl Found {
    fn of_finding(finding: &Finding) -> Self {
        Self {
            severity: match finding.severity {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warning,
            },
            code: finding.code.as_str().to_owned(),
            message: finding.message.clone(),
            document: finding.document.clone(),
            file: finding.file.clone(),
            line: finding.line,
            column: finding.column,
            field: finding.field.clone(),
        }
    }

    fn of_message(message: &StatusMessage) -> Self {
        let extra = |key: &str| {
            let value = message.extra.as_ref()?.fields.get(key)?;
            value.kind.clone()
        };
        let text = |key: &str| match extra(key) {
            Some(Kind::StringValue(text)) => Some(text),
            _ => None,
        };
        let number = |key: &str| match extra(key) {
            // Whole and small: the server counts lines and columns.
            Some(Kind::NumberValue(number)) if number >= 1.0 => Some(number as u32),
            _ => None,
        };
        Self {
            severity: if message.error() {
                Level::Error
            } else {
                Level::Warning
            },
            code: text("code").unwrap_or_default(),
            message: message.message.clone(),
            document: Some(message.context.clone()),
            file: text("file"),
            line: number("line"),
            column: number("column"),
            field: text("field"),
        }
    }

    fn place(&self) -> (Option<&str>, Option<u32>, Option<u32>) {
        (self.file.as_deref(), self.line, self.column)
    }

    /// The document and the field, as far as they are known: what a place in a file is called.
    pub(super) fn subject(&self) -> Option<String> {
        match (&self.document, &self.field) {
            (Some(document), Some(field)) => Some(format!("{document}: {field}")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        }
    }
}

impl Level {
    /// As compilers write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

fn count_errors(found: &[Found]) -> usize {
    let errors = found.iter().filter(|found| found.severity == Level::Error);
    errors.count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost_types::{Struct, Value};

    use super::*;
    use crate::proto::v1::StatusDetails;

    #[test]
    fn what_a_server_says_has_its_place() {
        let extra = [
            ("code", Kind::StringValue("duplicate_name".to_owned())),
            ("file", Kind::StringValue("site.yaml".to_owned())),
            ("line", Kind::NumberValue(12.0)),
        ];
        let fields: BTreeMap<String, Value> = extra
            .into_iter()
            .map(|(key, kind)| (key.to_owned(), Value { kind: Some(kind) }))
            .collect();
        let status = Status {
            details: Some(StatusDetails {
                error_count: Some(3),
                message_count: Some(4),
                message_list: vec![StatusMessage {
                    message: "two of them".to_owned(),
                    error: Some(true),
                    context: "Rack/r1".to_owned(),
                    extra: Some(Struct { fields }),
                    ..StatusMessage::default()
                }],
            }),
            ..Status::default()
        };
        let report = Report::of_status(&status);
        assert_eq!(report.summary(), "3 errors, 1 warning");
        assert_eq!(
            report.found[0],
            Found {
                severity: Level::Error,
                code: "duplicate_name".to_owned(),
                message: "two of them".to_owned(),
                document: Some("Rack/r1".to_owned()),
                file: Some("site.yaml".to_owned()),
                line: Some(12),
                column: None,
                field: None,
            }
        );
    }
}
