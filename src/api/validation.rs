//! What is wrong with a design, as the contract's Status has it.

use prost::Message as _;

use super::convert;
use super::enums;
use super::size::{Budget, ENTRY_OVERHEAD, MESSAGE_LIST_BYTES};
use crate::domain::task::MESSAGE_LIST_LIMIT;
use crate::domain::{Message, Reason, ResultStatus, Timestamp};
use crate::executor::DesignFinding;
use crate::proto::v1;

/// The outcome of a validation: the counts of all findings, and the first of them as far as they fit.
/// Findings come errors first, so that what is left out is least likely to stop a deployment.
pub(super) fn status(findings: &[DesignFinding], ts: Timestamp) -> v1::Status {
    let errors = findings.iter().filter(|finding| finding.error).count();
    let warnings = findings.len() - errors;
    let (status, reason) = if errors == 0 {
        (ResultStatus::Success, Reason::None)
    } else {
        (ResultStatus::Failure, Reason::DesignInvalid)
    };
    let mut budget = Budget::of(MESSAGE_LIST_BYTES);
    let message_list = findings
        .iter()
        .take(MESSAGE_LIST_LIMIT)
        .map(|finding| message(finding, ts))
        .take_while(|message| budget.take(message.encoded_len() + ENTRY_OVERHEAD))
        .collect();
    v1::Status {
        message: format!(
            "the design has {} and {}",
            counted(errors, "error"),
            counted(warnings, "warning")
        ),
        reason: reason.token().to_owned(),
        status: enums::to_result_status(status).into(),
        details: Some(v1::StatusDetails {
            error_count: Some(count(errors)),
            message_list,
            message_count: Some(count(findings.len())),
        }),
        success_count: Some(0),
        failure_count: Some(0),
        ..convert::blank_status()
    }
}

fn message(finding: &DesignFinding, ts: Timestamp) -> v1::StatusMessage {
    convert::message(&Message {
        sequence: 0,
        ts,
        message: finding.message.clone(),
        error: finding.error,
        context_type: "document".to_owned(),
        context: finding.document.clone(),
        extra: finding.extra.clone(),
    })
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// A number of findings, of which there are some thousand at most.
fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn finding(error: bool, message: &str) -> DesignFinding {
        let mut extra = Map::new();
        extra.insert("line".to_owned(), json!(7));
        DesignFinding {
            error,
            message: message.to_owned(),
            document: "Rack/r1".to_owned(),
            extra,
        }
    }

    #[test]
    fn errors_fail_and_warnings_do_not() {
        let ts = crate::clock::now();
        let clean = status(&[], ts);
        assert_eq!(clean.status(), v1::ResultStatus::Success);
        assert_eq!(clean.message, "the design has no errors and no warnings");
        assert_eq!(clean.reason, "");

        let odd = status(&[finding(false, "odd")], ts);
        assert_eq!(odd.status(), v1::ResultStatus::Success);
        assert_eq!(odd.message, "the design has no errors and 1 warning");

        let wrong = status(&[finding(true, "wrong"), finding(false, "odd")], ts);
        assert_eq!(wrong.status(), v1::ResultStatus::Failure);
        assert_eq!(wrong.reason, "DesignInvalid");
        let details = wrong.details.expect("details");
        assert_eq!(details.error_count, Some(1));
        assert_eq!(details.message_count, Some(2));
        assert_eq!(details.message_list[0].context, "Rack/r1");
    }

    #[test]
    fn the_list_is_bounded_and_the_counts_are_not() {
        let many: Vec<_> = (0..900).map(|_| finding(true, "wrong")).collect();
        let details = status(&many, crate::clock::now()).details.expect("details");
        assert_eq!(details.message_list.len(), MESSAGE_LIST_LIMIT);
        assert_eq!(details.error_count, Some(900));
    }
}
