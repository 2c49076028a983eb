//! Why a command failed, in words for whoever typed it.
#![expect(
    clippy::disallowed_types,
    reason = "a client reads the status that the api layer of a server made"
)]

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use tonic_types::StatusExt as _;

use super::document::DocumentError;
use super::output;
use crate::access::token::NoRandomness;
use crate::config::{Problems, duration};
use crate::server::{self, log::LogError};
use crate::store;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was typed makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The server's URL is none.
    #[error("use the server URL `{url}`")]
    ServerUrl {
        /// As it was given.
        url: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The server refused, or could not be reached.
    #[error("{}", in_words(.0))]
    Call(Box<tonic::Status>),
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no task document.
    #[error("read the task document {}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// The files of a design cannot be read.
    #[error("read the design")]
    Design(#[source] crate::design::LoadError),
    /// The filter selects nothing.
    #[error("no node of {design_ref} is selected: nothing was created")]
    NothingSelected {
        /// The design.
        design_ref: String,
    },
    /// Nobody could be asked.
    #[error("nothing was done: give --yes to do this without being asked on a terminal")]
    CannotAsk,
    /// The answer was no.
    #[error("nothing was done")]
    Declined,
    /// The answer could not be read.
    #[error("read the answer")]
    Answer(#[source] io::Error),
    /// A task was not final in time.
    #[error("the task is still {status} after {waited}")]
    NotDone {
        /// Its status.
        status: String,
        /// How long it was waited for.
        waited: String,
    },
    /// Following a task was given up.
    #[error("follow the task: no connection for {waited}, last: {last}")]
    Lost {
        /// How long it was tried.
        waited: String,
        /// The last failure.
        last: String,
    },
    /// The server said something that this client cannot show.
    #[error("understand the server: {0}")]
    Answered(String),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The log does not start.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The server did not start, or ended by itself.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// The database cannot be looked after.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// A token cannot be made.
    #[error("make a token")]
    Token(#[source] NoRandomness),
    /// Signals cannot be received.
    #[error("receive signals")]
    Signals(#[source] io::Error),
    /// The demo's directory failed.
    #[error("use a temporary directory")]
    Temporary(#[source] io::Error),
    /// A part of the program panicked.
    #[error("run the server: a task panicked")]
    Panicked(#[source] tokio::task::JoinError),
    /// A second signal came while the first was being obeyed.
    #[error("stopped before everything was put away")]
    Impatient,
    /// The runtime does not start.
    #[error("start the runtime")]
    Runtime(#[source] io::Error),
    /// Standard output failed.
    #[error("write the output")]
    Output(#[source] io::Error),
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl Error {
    /// Tells the error and what is behind it, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            // Who reads no further has what they wanted: `drydock task list | head` is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            _ => {}
        }
        output::note(&format!("error: {}", with_causes(self)));
        match self {
            Self::Usage(_)
            | Self::Document { .. }
            | Self::ServerUrl { .. }
            | Self::Config(_)
            | Self::Design(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// An error and its causes, one after the other on one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        // Some libraries repeat their cause in their own text.
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

/// What a status says: its message, each field that was refused, and the reason for programs.
pub(super) fn in_words(status: &tonic::Status) -> String {
    let Some(reason) = reason(status) else {
        // Not a word from Drydock: the connection failed, or something in between answered.
        return match status.source() {
            Some(source) => {
                let hint = hint(source).map_or_else(String::new, |hint| format!("\n  {hint}"));
                format!("reach the server: {}{hint}", with_causes(source))
            }
            None => format!("{} ({})", status.message(), code_name(status.code())),
        };
    };
    let mut text = format!("{} ({reason})", status.message());
    if status.code() == tonic::Code::Unauthenticated {
        text.push_str("\n  show a token with --token-file, or a certificate with --client-cert and --client-key");
    }
    let details = status.get_error_details();
    let fields = details
        .bad_request()
        .into_iter()
        .flat_map(|bad| &bad.field_violations);
    let conditions = details
        .precondition_failure()
        .into_iter()
        .flat_map(|failure| &failure.violations);
    let specifics = fields
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .chain(conditions.map(|violation| violation.description.clone()));
    for specific in specifics {
        // A single one is often the message itself.
        if !status.message().contains(&specific) {
            text.push_str("\n  ");
            text.push_str(&specific);
        }
    }
    if let Some(resource) = details.resource_info()
        && !status.message().contains(&resource.resource_name)
    {
        text.push_str("\n  ");
        text.push_str(&resource.resource_name);
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        text.push_str("\n  try again in ");
        text.push_str(&duration::format(delay));
    }
    text
}

/// The reason that the server gives for a failure; none if the status is not from a server of ours.
pub(super) fn reason(status: &tonic::Status) -> Option<String> {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone())
}

/// What to try where TLS does not come about.
fn hint(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An I/O error does not name what it wraps as its cause, but the cause of that.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner.or_else(|| error.downcast_ref()) {
            Some(rustls::Error::InvalidMessage(_)) => {
                return Some("it does not speak TLS there: is it http:// and not https://?");
            }
            Some(rustls::Error::InvalidCertificate(_)) => {
                return Some(
                    "its certificate is not believed: see --ca-file, and the name in --server",
                );
            }
            Some(rustls::Error::AlertReceived(_)) => {
                return Some("it broke off the handshake: see --client-cert and --client-key");
            }
            // Too many to have something to say about each.
            Some(_) | None => {}
        }
        cause = error.source();
    }
    None
}

/// Whether the same call may succeed by itself after a while.
pub(super) fn is_passing(status: &tonic::Status) -> bool {
    use tonic::Code;
    match status.code() {
        // A deadline is the caller's own: with more time the same may be answered.
        Code::Unavailable | Code::DeadlineExceeded => true,
        // A connection that breaks has these codes, but so have failures that the server tells: those
        // have a reason.
        Code::Unknown | Code::Internal | Code::Cancelled => reason(status).is_none(),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic::{Code, Status};
    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    fn refused(code: Code, reason: &str) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, "drydock.dev", HashMap::new());
        Status::with_error_details(code, "it did not work", details)
    }

    #[test]
    fn a_refusal_names_its_fields_and_its_reason() {
        let mut details = ErrorDetails::new();
        details.set_error_info("FIELD_INVALID", "drydock.dev", HashMap::new());
        details.set_bad_request(vec![
            FieldViolation::new("action", "must be set"),
            FieldViolation::new("timeout", "must be at least 1 s"),
        ]);
        let status =
            Status::with_error_details(Code::InvalidArgument, "the request is invalid", details);
        assert_eq!(
            Error::from(status).to_string(),
            "the request is invalid (FIELD_INVALID)\n  action: must be set\n  timeout: must be at least 1 s"
        );
    }

    #[test]
    fn a_status_that_is_not_ours_names_its_code() {
        assert_eq!(
            in_words(&Status::unimplemented("no such path")),
            "no such path (UNIMPLEMENTED)"
        );
        assert_eq!(code_name(Code::FailedPrecondition), "FAILED_PRECONDITION");
    }

    #[test]
    fn only_what_passes_by_itself_is_tried_again() {
        assert!(is_passing(&refused(Code::Unavailable, "SERVER_DRAINING")));
        assert!(is_passing(&Status::unknown("h2 protocol error")));
        assert!(is_passing(&Status::internal("h2 stream reset")));
        assert!(!is_passing(&refused(Code::Internal, "INTERNAL")));
        assert!(!is_passing(&refused(Code::NotFound, "TASK_NOT_FOUND")));
        assert!(!is_passing(&refused(Code::ResourceExhausted, "QUEUE_FULL")));
        assert!(!is_passing(&Status::unauthenticated("no")));
    }
}
