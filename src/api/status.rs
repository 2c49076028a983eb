//! What callers are told when something fails: the one place that makes a gRPC status.
//!
//! Each failure has a code, a reason and what else fits, as the contract's table of errors says. The match
//! over every typed error is complete; there is no answer for "anything else". A failure of the service
//! itself is logged here, once, and its caller gets nothing but an id to report it by.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt as _};

use super::call::CallId;
use super::refusals::AUDIT;
use super::violations::Violations;
use crate::domain::{Role, TaskId};
use crate::proto::v1::ErrorReason;
use crate::store;
use crate::tasks::{self, DesignError, Refusal};
use crate::watch::{TokenError, WatchError};

/// The domain of every reason.
pub(super) const DOMAIN: &str = "drydock.dev";

/// What `ResourceInfo` calls a task.
const TASK_TYPE: &str = "drydock.v1.Task";

/// What `ResourceInfo` calls a node of a design.
const NODE_TYPE: &str = "drydock.v1.EffectiveNode";

/// When to come back: a queue drains in seconds, a lost database or replica is found again in about one,
/// and a rotated stream is welcome at once.
const RETRY_OVERLOAD: Duration = Duration::from_secs(5);
const RETRY_OUTAGE: Duration = Duration::from_secs(1);
const RETRY_AT_ONCE: Duration = Duration::from_millis(100);

/// The most findings of a design that an answer lists, and the most bytes of each: they travel in a
/// header, of which common clients accept 8 KiB. The whole list is for a validate_design task.
const MAX_FINDINGS: usize = 10;
const MAX_FINDING_BYTES: usize = 250;

/// Why a call does not get what it asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Fields break their rules.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// The page token is not one, or belongs to other arguments.
    #[error("read the page token")]
    PageToken,
    /// The use case was refused, or failed.
    #[error(transparent)]
    Tasks(#[from] tasks::Error),
    /// An open stream ended before its end.
    #[error(transparent)]
    Watch(WatchError),
    /// The request is no encoding of its message; why.
    #[error("decode the request: {0}")]
    Undecodable(String),
    /// The caller is not known.
    #[error("know the caller")]
    Unauthenticated,
    /// The caller is known and may not call this; what would take a greater role, if there is one.
    #[error("allow the call")]
    Denied {
        /// The caller's role.
        role: Role,
        /// The role it takes; none: nobody may.
        needed: Option<Role>,
    },
    /// The request is larger than a server accepts.
    #[error("accept a request of this size")]
    TooLarge,
    /// The method or the request's encoding is not known; what the transport says of it, if anything.
    #[error("answer a call that is not known: {0}")]
    Unimplemented(String),
    /// The time that the caller gave is over.
    #[error("answer in the time that the caller gave")]
    DeadlineExceeded,
}

impl Failure {
    /// What the caller is told.
    pub(super) fn into_status(self, call: CallId) -> Status {
        match self {
            Self::Invalid(violations) => invalid(violations),
            Self::PageToken => Answer::new(
                Code::InvalidArgument,
                ErrorReason::PageTokenInvalid,
                "page_token is not one of this method with these arguments",
            )
            .status(),
            Self::Tasks(error) => of_tasks(error, call),
            Self::Watch(error) => of_watch(error, call),
            Self::Undecodable(why) => Answer::new(
                Code::InvalidArgument,
                ErrorReason::RequestUndecodable,
                format!("the request cannot be decoded: {why}"),
            )
            .status(),
            // The same whatever is wrong: it tells a stranger nothing.
            Self::Unauthenticated => Answer::new(
                Code::Unauthenticated,
                ErrorReason::Unauthenticated,
                "a valid credential is needed",
            )
            .status(),
            Self::Denied { role, needed } => denied(role, needed),
            Self::TooLarge => Answer::new(
                Code::InvalidArgument,
                ErrorReason::RequestTooLarge,
                "the request is larger than 4 MiB",
            )
            .status(),
            Self::Unimplemented(why) => Answer::new(
                Code::Unimplemented,
                ErrorReason::Unimplemented,
                if why.is_empty() {
                    "there is no such method".to_owned()
                } else {
                    why
                },
            )
            .status(),
            Self::DeadlineExceeded => Answer::new(
                Code::DeadlineExceeded,
                ErrorReason::DeadlineExceeded,
                "the deadline of the call passed; a change may have been made all the same",
            )
            .status(),
        }
    }
}

fn of_tasks(error: tasks::Error, call: CallId) -> Status {
    match error {
        tasks::Error::NotFound(task_id) => Answer::new(
            Code::NotFound,
            ErrorReason::TaskNotFound,
            format!("task {task_id} does not exist"),
        )
        .resource(task_id)
        .status(),
        tasks::Error::Purged(task_id) => purged(task_id),
        tasks::Error::Denied {
            actor,
            role,
            needed,
        } => {
            tracing::warn!(
                target: AUDIT,
                request_id = %call,
                actor = &*actor,
                role = role.token(),
                needed = needed.token(),
                decision = "denied",
                "call refused"
            );
            denied(role, Some(needed))
        }
        tasks::Error::Refused { task_id, refusal } => Answer::new(
            Code::FailedPrecondition,
            ErrorReason::TaskState,
            format!("task {task_id} does not allow it: {refusal}"),
        )
        .precondition(
            subject_of(refusal),
            task_id.to_string(),
            refusal.to_string(),
        )
        .status(),
        tasks::Error::RevisionConflict {
            task_id,
            expected,
            actual,
        } => Answer::new(
            Code::Aborted,
            ErrorReason::RevisionConflict,
            format!("task {task_id} is at revision {actual}, not {expected}"),
        )
        .metadata("task_id", task_id)
        .metadata("expected_revision", expected)
        .metadata("revision", actual)
        .status(),
        tasks::Error::RequestIdReused {
            request_id,
            task_id,
        } => Answer::new(
            Code::AlreadyExists,
            ErrorReason::RequestIdReused,
            format!("request_id {request_id} was used with another request"),
        )
        .metadata("request_id", request_id)
        .resource(task_id)
        .status(),
        tasks::Error::QueueFull { limit } => Answer::new(
            Code::ResourceExhausted,
            ErrorReason::QueueFull,
            format!("{limit} tasks are queued already"),
        )
        .metadata("limit", limit)
        .retry(RETRY_OVERLOAD)
        .status(),
        tasks::Error::Design(error) => of_design(error),
        tasks::Error::NodeNotFound { name } => Answer::new(
            Code::NotFound,
            ErrorReason::NodeNotFound,
            format!("the design has no node {name}"),
        )
        .resource_of(NODE_TYPE, &name)
        .status(),
        tasks::Error::ResumeToken(error) => of_token(error),
        tasks::Error::Watch(error) => of_watch(error, call),
        tasks::Error::Draining => draining(),
        tasks::Error::Store(error) => of_store(&error, call),
        tasks::Error::Interrupted(error) => internal(&error, call),
    }
}

fn denied(role: Role, needed: Option<Role>) -> Status {
    let message = match needed {
        Some(needed) => format!("this takes the role {needed}; the caller has {role}"),
        None => "no role may call this method".to_owned(),
    };
    let answer = Answer::new(
        Code::PermissionDenied,
        ErrorReason::PermissionDenied,
        message,
    )
    .metadata("role", role);
    match needed {
        Some(needed) => answer.metadata("needed_role", needed),
        None => answer,
    }
    .status()
}

fn purged(task_id: TaskId) -> Status {
    Answer::new(
        Code::NotFound,
        ErrorReason::TaskPurged,
        format!("task {task_id} was purged"),
    )
    .resource(task_id)
    .status()
}

fn of_watch(error: WatchError, call: CallId) -> Status {
    match error {
        // A use case knows which task it did not find. Here it went away under an open stream.
        WatchError::NotFound => Answer::new(
            Code::NotFound,
            ErrorReason::TaskNotFound,
            "the task does not exist any more",
        )
        .status(),
        WatchError::Purged(task_id) => purged(task_id),
        WatchError::Expired { oldest, current } => {
            of_token(TokenError::Expired { oldest, current })
        }
        WatchError::Future => of_token(TokenError::Future),
        WatchError::Quota => Answer::new(
            Code::ResourceExhausted,
            ErrorReason::WatchQuota,
            "too many streams are open",
        )
        .retry(RETRY_OVERLOAD)
        .status(),
        WatchError::Draining => draining(),
        WatchError::Rotated => Answer::new(
            Code::Unavailable,
            ErrorReason::WatchRotated,
            "the stream reached its maximum life; resume with the last token",
        )
        .retry(RETRY_AT_ONCE)
        .status(),
        WatchError::Stalled => Answer::new(
            Code::ResourceExhausted,
            ErrorReason::WatchConsumerStalled,
            "the stream was not read for too long; resume with the last token",
        )
        .retry(RETRY_OUTAGE)
        .status(),
        WatchError::Store(error) => of_store(&error, call),
        WatchError::Spool(error) => internal(&*error, call),
    }
}

fn of_token(error: TokenError) -> Status {
    match error {
        TokenError::Undecodable => Answer::new(
            Code::InvalidArgument,
            ErrorReason::ResumeTokenInvalid,
            "resume_token is not one",
        ),
        TokenError::ScopeMismatch => Answer::new(
            Code::InvalidArgument,
            ErrorReason::ResumeTokenScopeMismatch,
            "resume_token belongs to another task or filter",
        ),
        TokenError::StaleEpoch => Answer::new(
            Code::OutOfRange,
            ErrorReason::ResumeTokenStaleEpoch,
            "resume_token is from another store, or from before it was restored; begin anew",
        ),
        TokenError::Future => Answer::new(
            Code::OutOfRange,
            ErrorReason::ResumeTokenFuture,
            "resume_token is ahead of the store",
        ),
        TokenError::Expired { oldest, current } => Answer::new(
            Code::OutOfRange,
            ErrorReason::ResumeTokenExpired,
            "resume_token is older than the events that are kept; begin anew",
        )
        .metadata("oldest_sequence", oldest)
        .metadata("current_sequence", current),
    }
    .status()
}

fn of_design(error: DesignError) -> Status {
    match error {
        DesignError::Unavailable(why) => Answer::new(
            Code::Unavailable,
            ErrorReason::DesignUnresolvable,
            format!("the design cannot be fetched for now: {}", cut(&why)),
        )
        .retry(RETRY_OVERLOAD)
        .status(),
        DesignError::Invalid(findings) => {
            let count = findings.len();
            let first = findings.first().map_or("", |finding| cut(finding));
            let mut answer = Answer::new(
                Code::FailedPrecondition,
                ErrorReason::DesignUnresolvable,
                format!("the design does not load: {first}"),
            )
            .metadata("finding_count", count);
            for finding in findings.iter().take(MAX_FINDINGS) {
                answer =
                    answer.precondition("DESIGN", "design_ref".to_owned(), cut(finding).to_owned());
            }
            answer.status()
        }
    }
}

fn of_store(error: &store::Error, call: CallId) -> Status {
    match error {
        store::Error::Unavailable(_) => {
            tracing::warn!(request_id = %call, error = chain(error), "store unavailable");
            Answer::new(
                Code::Unavailable,
                ErrorReason::StoreUnavailable,
                "the database does not answer; a change may have been made all the same",
            )
            .retry(RETRY_OUTAGE)
            .status()
        }
        store::Error::Closed => draining(),
        store::Error::Internal(_) | store::Error::Corrupt { .. } | store::Error::Sink { .. } => {
            internal(error, call)
        }
    }
}

fn draining() -> Status {
    Answer::new(
        Code::Unavailable,
        ErrorReason::ServerDraining,
        "this replica is shutting down",
    )
    .retry(RETRY_OUTAGE)
    .status()
}

fn internal(error: &dyn StdError, call: CallId) -> Status {
    tracing::error!(request_id = %call, error = chain(error), "request failed");
    Answer::new(
        Code::Internal,
        ErrorReason::Internal,
        format!("internal error; report it by request id {call}"),
    )
    .metadata("request_id", call)
    .status()
}

fn invalid(violations: Violations) -> Status {
    let first = violations.listed.first();
    let mut message = first.map_or_else(String::new, |first| {
        format!("{}: {}", first.field, first.description)
    });
    if violations.count > 1 {
        message.push_str(&format!(" (and {} more)", violations.count - 1));
    }
    let fields: Vec<FieldViolation> = violations
        .listed
        .into_iter()
        .map(|each| FieldViolation::new(each.field, each.description))
        .collect();
    let mut answer = Answer::new(Code::InvalidArgument, ErrorReason::FieldInvalid, message);
    if fields.len() < violations.count {
        answer = answer.metadata("violation_count", violations.count);
    }
    answer.details.set_bad_request(fields);
    answer.status()
}

/// What kind of thing about a task stands in the way.
fn subject_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Complete | Refusal::NotFinal { .. } => "TASK_STATUS",
        Refusal::NotARoot | Refusal::SiteAction { .. } => "TASK_KIND",
        Refusal::EmptyScope { .. } => "RETRY_SCOPE",
    }
}

/// A status in the making.
struct Answer {
    code: Code,
    reason: ErrorReason,
    message: String,
    metadata: Vec<(&'static str, String)>,
    preconditions: Vec<PreconditionViolation>,
    details: ErrorDetails,
}

impl Answer {
    fn new(code: Code, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            metadata: Vec::new(),
            preconditions: Vec::new(),
            details: ErrorDetails::new(),
        }
    }

    fn metadata(mut self, key: &'static str, value: impl ToString) -> Self {
        self.metadata.push((key, value.to_string()));
        self
    }

    fn resource(mut self, task_id: TaskId) -> Self {
        self.details
            .set_resource_info(TASK_TYPE, task_id.to_string(), "", &*self.message);
        self.metadata("task_id", task_id)
    }

    fn resource_of(mut self, kind: &str, name: &str) -> Self {
        self.details
            .set_resource_info(kind, name, "", &*self.message);
        self
    }

    fn precondition(mut self, kind: &str, subject: String, description: String) -> Self {
        self.preconditions
            .push(PreconditionViolation::new(kind, subject, description));
        self
    }

    fn retry(mut self, after: Duration) -> Self {
        self.details.set_retry_info(Some(after));
        self
    }

    fn status(mut self) -> Status {
        if !self.preconditions.is_empty() {
            self.details.set_precondition_failure(self.preconditions);
        }
        let metadata: std::collections::HashMap<String, String> = self
            .metadata
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        self.details
            .set_error_info(reason_name(self.reason), DOMAIN, metadata);
        Status::with_error_details(self.code, self.message, self.details)
    }
}

/// The name of a reason on the wire.
fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

/// An error and its causes, for a log.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        write!(text, ": {error}").ok();
        cause = error.source();
    }
    text
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_FINDING_BYTES)]
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
