//! Tests of [`super`]: every failure has the code, the reason and the details of the contract's table.

use std::collections::BTreeSet;

use super::super::violations::Check;
use super::*;
use crate::domain::{Action, RequestId, TaskStatus};
use crate::tasks::RetryScope;

/// What an answer has beside its ErrorInfo.
#[derive(Debug, PartialEq)]
enum With {
    Nothing,
    BadRequest,
    Resource,
    Precondition,
    Retry,
}

fn id() -> TaskId {
    TaskId(uuid::Uuid::from_u128(1))
}

fn refused(refusal: Refusal) -> Failure {
    Failure::Tasks(tasks::Error::Refused {
        task_id: id(),
        refusal,
    })
}

fn token(error: TokenError) -> Failure {
    Failure::Tasks(tasks::Error::ResumeToken(error))
}

fn stored(error: store::Error) -> Failure {
    Failure::Tasks(tasks::Error::Store(error))
}

fn corrupt() -> store::Error {
    store::Error::Corrupt {
        what: "task",
        problem: "a secret detail".to_owned(),
    }
}

fn unavailable() -> store::Error {
    store::Error::from(sqlx::Error::PoolTimedOut)
}

fn violations() -> Violations {
    let mut check = Check::default();
    check.refuse("action", "must be set");
    check.refuse("labels[k]", "value must be at most 253 bytes");
    check.finish(Some(())).expect_err("two violations")
}

async fn interrupted() -> Failure {
    let lost = tokio::spawn(async { panic!("a secret detail") });
    Failure::Tasks(tasks::Error::Interrupted(
        lost.await.expect_err("it panicked"),
    ))
}

/// Every failure there is, with the row of the table that it belongs to.
async fn table() -> Vec<(Failure, Code, ErrorReason, With)> {
    use ErrorReason as R;
    let design = |error| Failure::Tasks(tasks::Error::Design(error));
    let opening = |error| Failure::Tasks(tasks::Error::Watch(error));
    let expired = || WatchError::Expired {
        oldest: 5,
        current: 9,
    };
    let mut rows = vec![
        (
            Failure::Invalid(violations()),
            Code::InvalidArgument,
            R::FieldInvalid,
            With::BadRequest,
        ),
        (
            Failure::PageToken,
            Code::InvalidArgument,
            R::PageTokenInvalid,
            With::Nothing,
        ),
        (
            Failure::Undecodable("x".to_owned()),
            Code::InvalidArgument,
            R::RequestUndecodable,
            With::Nothing,
        ),
        (
            Failure::TooLarge,
            Code::InvalidArgument,
            R::RequestTooLarge,
            With::Nothing,
        ),
        (
            Failure::Unauthenticated,
            Code::Unauthenticated,
            R::Unauthenticated,
            With::Nothing,
        ),
        (
            Failure::Denied {
                role: Role::Read,
                needed: None,
            },
            Code::PermissionDenied,
            R::PermissionDenied,
            With::Nothing,
        ),
        (
            Failure::Tasks(tasks::Error::Denied {
                actor: std::sync::Arc::from("ci"),
                role: Role::Operate,
                needed: Role::Destroy,
            }),
            Code::PermissionDenied,
            R::PermissionDenied,
            With::Nothing,
        ),
        (
            Failure::Tasks(tasks::Error::NotFound(id())),
            Code::NotFound,
            R::TaskNotFound,
            With::Resource,
        ),
        (
            Failure::Tasks(tasks::Error::Purged(id())),
            Code::NotFound,
            R::TaskPurged,
            With::Resource,
        ),
        (
            refused(Refusal::NotARoot),
            Code::FailedPrecondition,
            R::TaskState,
            With::Precondition,
        ),
        (
            refused(Refusal::Complete),
            Code::FailedPrecondition,
            R::TaskState,
            With::Precondition,
        ),
        (
            refused(Refusal::NotFinal {
                status: TaskStatus::Running,
            }),
            Code::FailedPrecondition,
            R::TaskState,
            With::Precondition,
        ),
        (
            refused(Refusal::SiteAction {
                action: Action::VerifySite,
            }),
            Code::FailedPrecondition,
            R::TaskState,
            With::Precondition,
        ),
        (
            refused(Refusal::EmptyScope {
                scope: RetryScope::FailedNodes,
            }),
            Code::FailedPrecondition,
            R::TaskState,
            With::Precondition,
        ),
        (
            Failure::Tasks(tasks::Error::RevisionConflict {
                task_id: id(),
                expected: 1,
                actual: 2,
            }),
            Code::Aborted,
            R::RevisionConflict,
            With::Nothing,
        ),
        (
            Failure::Tasks(tasks::Error::RequestIdReused {
                request_id: RequestId(uuid::Uuid::from_u128(2)),
                task_id: id(),
            }),
            Code::AlreadyExists,
            R::RequestIdReused,
            With::Resource,
        ),
        (
            Failure::Tasks(tasks::Error::QueueFull { limit: 3 }),
            Code::ResourceExhausted,
            R::QueueFull,
            With::Retry,
        ),
        (
            Failure::Tasks(tasks::Error::NodeNotFound {
                name: "n".to_owned(),
            }),
            Code::NotFound,
            R::NodeNotFound,
            With::Resource,
        ),
        (
            design(DesignError::Unavailable("x".to_owned())),
            Code::Unavailable,
            R::DesignUnresolvable,
            With::Retry,
        ),
        (
            design(DesignError::Invalid(vec!["x".to_owned()])),
            Code::FailedPrecondition,
            R::DesignUnresolvable,
            With::Precondition,
        ),
        (
            token(TokenError::Undecodable),
            Code::InvalidArgument,
            R::ResumeTokenInvalid,
            With::Nothing,
        ),
        (
            token(TokenError::ScopeMismatch),
            Code::InvalidArgument,
            R::ResumeTokenScopeMismatch,
            With::Nothing,
        ),
        (
            token(TokenError::StaleEpoch),
            Code::OutOfRange,
            R::ResumeTokenStaleEpoch,
            With::Nothing,
        ),
        (
            token(TokenError::Future),
            Code::OutOfRange,
            R::ResumeTokenFuture,
            With::Nothing,
        ),
        (
            token(TokenError::Expired {
                oldest: 5,
                current: 9,
            }),
            Code::OutOfRange,
            R::ResumeTokenExpired,
            With::Nothing,
        ),
        (
            Failure::Tasks(tasks::Error::Draining),
            Code::Unavailable,
            R::ServerDraining,
            With::Retry,
        ),
        (
            stored(unavailable()),
            Code::Unavailable,
            R::StoreUnavailable,
            With::Retry,
        ),
        (
            stored(store::Error::Closed),
            Code::Unavailable,
            R::ServerDraining,
            With::Retry,
        ),
        (
            stored(store::Error::from(sqlx::Error::RowNotFound)),
            Code::Internal,
            R::Internal,
            With::Nothing,
        ),
        (
            stored(corrupt()),
            Code::Internal,
            R::Internal,
            With::Nothing,
        ),
        (
            interrupted().await,
            Code::Internal,
            R::Internal,
            With::Nothing,
        ),
        (
            opening(WatchError::Quota),
            Code::ResourceExhausted,
            R::WatchQuota,
            With::Retry,
        ),
    ];
    rows.extend([
        (
            Failure::Watch(WatchError::Purged(id())),
            Code::NotFound,
            R::TaskPurged,
            With::Resource,
        ),
        (
            Failure::Watch(WatchError::NotFound),
            Code::NotFound,
            R::TaskNotFound,
            With::Nothing,
        ),
        (
            Failure::Watch(expired()),
            Code::OutOfRange,
            R::ResumeTokenExpired,
            With::Nothing,
        ),
        (
            Failure::Watch(WatchError::Future),
            Code::OutOfRange,
            R::ResumeTokenFuture,
            With::Nothing,
        ),
        (
            Failure::Watch(WatchError::Quota),
            Code::ResourceExhausted,
            R::WatchQuota,
            With::Retry,
        ),
        (
            Failure::Watch(WatchError::Draining),
            Code::Unavailable,
            R::ServerDraining,
            With::Retry,
        ),
        (
            Failure::Watch(WatchError::Rotated),
            Code::Unavailable,
            R::WatchRotated,
            With::Retry,
        ),
        (
            Failure::Unimplemented(String::new()),
            Code::Unimplemented,
            R::Unimplemented,
            With::Nothing,
        ),
        (
            Failure::DeadlineExceeded,
            Code::DeadlineExceeded,
            R::DeadlineExceeded,
            With::Nothing,
        ),
        (
            Failure::Watch(WatchError::Stalled),
            Code::ResourceExhausted,
            R::WatchConsumerStalled,
            With::Retry,
        ),
        (
            Failure::Watch(WatchError::Store(std::sync::Arc::new(corrupt()))),
            Code::Internal,
            R::Internal,
            With::Nothing,
        ),
    ]);
    rows
}

#[tokio::test]
async fn every_failure_is_answered_as_the_table_says() {
    for (failure, code, reason, with) in table().await {
        let what = format!("{failure:?}");
        let status = failure.into_status(CallId::new());
        assert_eq!(status.code(), code, "{what}");
        assert!(!status.message().is_empty(), "{what}");

        let info = status.get_details_error_info().expect("an ErrorInfo");
        assert_eq!(info.domain, DOMAIN);
        assert_eq!(
            format!("ERROR_REASON_{}", info.reason),
            reason.as_str_name()
        );

        let mut found = Vec::new();
        let bad_request = status.get_details_bad_request();
        found.extend(bad_request.map(|_| With::BadRequest));
        found.extend(status.get_details_resource_info().map(|_| With::Resource));
        let precondition = status.get_details_precondition_failure();
        found.extend(precondition.map(|_| With::Precondition));
        found.extend(status.get_details_retry_info().map(|_| With::Retry));
        let expected = match with {
            With::Nothing => Vec::new(),
            with @ (With::BadRequest | With::Resource | With::Precondition | With::Retry) => {
                vec![with]
            }
        };
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test]
async fn every_reason_of_the_contract_has_a_failure() {
    let mut used = BTreeSet::new();
    for (_, _, reason, _) in table().await {
        used.insert(reason.as_str_name());
    }
    let all: BTreeSet<&str> = (1..1_000)
        .map_while(|number| ErrorReason::try_from(number).ok())
        .map(|reason| reason.as_str_name())
        .collect();
    assert_eq!(used, all);
}

#[tokio::test]
async fn a_defect_shows_an_id_and_nothing_else() {
    for failure in [
        stored(corrupt()),
        Failure::Watch(WatchError::Store(std::sync::Arc::new(corrupt()))),
        interrupted().await,
    ] {
        let call = CallId::new();
        let status = failure.into_status(call);
        assert!(!format!("{status:?}").contains("secret"));
        let info = status.get_details_error_info().expect("an ErrorInfo");
        assert_eq!(info.metadata.len(), 1);
        assert_eq!(info.metadata["request_id"], call.to_string());
    }
}

#[test]
fn violations_carry_their_paths() {
    let status = Failure::Invalid(violations()).into_status(CallId::new());
    assert_eq!(status.message(), "action: must be set (and 1 more)");
    let fields: Vec<String> = status
        .get_details_bad_request()
        .expect("a BadRequest")
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect();
    assert_eq!(fields, ["action", "labels[k]"]);
}

#[test]
fn an_expired_token_tells_what_is_kept() {
    let status = token(TokenError::Expired {
        oldest: 5,
        current: 9,
    })
    .into_status(CallId::new());
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.metadata["oldest_sequence"], "5");
    assert_eq!(info.metadata["current_sequence"], "9");
}

#[test]
fn answers_fit_into_a_header() {
    // What common clients accept in all headers of an answer.
    const HEADERS: usize = 8 * 1024;
    let mut check = Check::default();
    for index in 0..20_000 {
        let path = format!("node_filter.filter_set[{index}].node_names[{index}]");
        check.refuse(path, "must not hold control characters");
    }
    let many = check.finish(Some(())).expect_err("many violations");
    let findings = vec!["ä".repeat(4_000); 500];
    for failure in [
        Failure::Invalid(many),
        Failure::Tasks(tasks::Error::Design(DesignError::Invalid(findings))),
    ] {
        let response: http::Response<()> = failure.into_status(CallId::new()).into_http();
        let bytes: usize = response
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum();
        assert!(bytes <= HEADERS, "{bytes} bytes");
    }
}
