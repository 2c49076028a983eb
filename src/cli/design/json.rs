//! Findings for programs of one's own.

use serde_json::{Value, json};

use super::report::Report;

/// The counts, and the findings with null for what is not known.
pub(super) fn document(report: &Report) -> Value {
    json!({
        "errors": report.errors,
        "warnings": report.warnings,
        "findings": report.found,
    })
}
