//! What it means that a call of a plug-in failed: gRPC statuses and broken connections, in our kinds.
#![expect(
    clippy::disallowed_types,
    reason = "a plug-in is called over gRPC, and its statuses end here"
)]

use std::error::Error;

use tonic::{Code, ConnectError, Status, TimeoutExpired};

use super::super::device_error::device_text;
use super::super::http::{cause, tls_reason};
use super::super::{DriverError, ErrorKind};
use crate::secret::Secret;

/// Whose call failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Callee<'a> {
    /// What the configuration calls the plug-in.
    pub(super) name: &'a str,
    /// Where it is.
    pub(super) place: &'a str,
}

impl Callee<'_> {
    /// No connection could be made: nothing was sent.
    pub(super) fn not_connected(self, error: &(dyn Error + 'static)) -> DriverError {
        let Self { name, place } = self;
        if let Some(reason) = tls_reason(error) {
            // The same certificate is shown next time.
            return DriverError::permanent(
                ErrorKind::Unreachable,
                format!("no safe connection to plug-in {name} at {place}: {reason}"),
            )
            .before_sending();
        }
        DriverError::passing(
            ErrorKind::Unreachable,
            format!(
                "no connection to plug-in {name} at {place}: {}",
                cause(error)
            ),
        )
        .before_sending()
    }

    /// No connection, or no answer, came in time.
    pub(super) fn too_late(self, what: &str) -> DriverError {
        let Self { name, place } = self;
        DriverError::passing(
            ErrorKind::Timeout,
            format!("{what} plug-in {name} at {place} in time"),
        )
    }

    /// The epoch of a call is over: another process has the task.
    pub(super) fn fenced(self, epoch: i64, seen: i64) -> DriverError {
        DriverError::permanent(
            ErrorKind::Refused,
            format!(
                "plug-in {} has seen epoch {seen} of this task and refuses {epoch}",
                self.name
            ),
        )
    }

    /// What it answered makes no sense.
    pub(super) fn nonsense(self, what: &str) -> DriverError {
        DriverError::permanent(
            ErrorKind::Protocol,
            format!("plug-in {} answers with {what}", self.name),
        )
    }

    /// What `status` stands for. Whatever of `secrets` it repeats is left out.
    pub(super) fn refused(self, status: &Status, secrets: &[&Secret]) -> DriverError {
        let Self { name, place } = self;
        if broke(status) {
            let reason = status
                .source()
                .map_or_else(|| device_text(status.message(), secrets), cause);
            let error = DriverError::passing(
                ErrorKind::Unreachable,
                format!("the connection to plug-in {name} at {place} broke: {reason}"),
            );
            return if never_sent(status) {
                error.before_sending()
            } else {
                error
            };
        }
        let said = device_text(status.message(), secrets);
        let (kind, transient) = classify(status.code());
        let code = status.code();
        let message = match kind {
            ErrorKind::Unauthorised => format!("plug-in {name} does not accept us: {said}"),
            ErrorKind::Unreachable
            | ErrorKind::Timeout
            | ErrorKind::Refused
            | ErrorKind::Unsupported
            | ErrorKind::Busy
            | ErrorKind::Protocol
            | ErrorKind::Cancelled
            | ErrorKind::NotStarted
            | ErrorKind::Failed
            | ErrorKind::Internal => format!("plug-in {name} answers {code:?}: {said}"),
        };
        DriverError {
            kind,
            transient,
            // It looked at who calls and at nothing else.
            not_sent: kind == ErrorKind::Unauthorised,
            message,
        }
    }
}

/// Whether it is the connection that failed, and not the plug-in that answered: what it answers has no
/// source.
pub(super) fn broke(status: &Status) -> bool {
    let mut next = status.source();
    let failed_here = next.is_some();
    while let Some(error) = next {
        // Our own deadline, which says nothing about the connection.
        if error.is::<TimeoutExpired>() {
            return false;
        }
        next = error.source();
    }
    failed_here
}

/// Whether the connection was found broken before the call was sent.
pub(super) fn never_sent(status: &Status) -> bool {
    let mut next = status.source();
    while let Some(error) = next {
        if error.is::<ConnectError>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn classify(code: Code) -> (ErrorKind, bool) {
    match code {
        Code::Unauthenticated | Code::PermissionDenied => (ErrorKind::Unauthorised, false),
        Code::Unimplemented => (ErrorKind::Unsupported, false),
        Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition => {
            (ErrorKind::Refused, false)
        }
        Code::DeadlineExceeded | Code::Cancelled => (ErrorKind::Timeout, true),
        Code::ResourceExhausted | Code::Aborted => (ErrorKind::Busy, true),
        Code::Unavailable => (ErrorKind::Unreachable, true),
        // What a handler that failed leaves behind, and what a proxy says.
        Code::Unknown => (ErrorKind::Internal, true),
        // Ours for what cannot be decoded, and for a stream that broke off.
        Code::Internal => (ErrorKind::Protocol, true),
        // Ours for what is too large, which it would be again.
        Code::OutOfRange | Code::DataLoss | Code::Ok => (ErrorKind::Protocol, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLEE: Callee<'_> = Callee {
        name: "maas",
        place: "maas.example:50061",
    };

    #[test]
    fn statuses_have_a_kind_and_pass_or_stay() {
        for (code, kind, transient) in [
            (Code::Unauthenticated, ErrorKind::Unauthorised, false),
            (Code::Unimplemented, ErrorKind::Unsupported, false),
            (Code::FailedPrecondition, ErrorKind::Refused, false),
            (Code::DeadlineExceeded, ErrorKind::Timeout, true),
            (Code::ResourceExhausted, ErrorKind::Busy, true),
            (Code::Unavailable, ErrorKind::Unreachable, true),
            (Code::OutOfRange, ErrorKind::Protocol, false),
        ] {
            let error = CALLEE.refused(&Status::new(code, "no"), &[]);
            assert_eq!((error.kind, error.transient), (kind, transient), "{code:?}");
            assert_eq!(error.not_sent, kind == ErrorKind::Unauthorised);
        }
    }

    #[test]
    fn what_a_status_says_is_made_fit() {
        let secret = Secret::new("hunter2".to_owned());
        let status = Status::invalid_argument(format!("\u{1b}[2Jhunter2{}", "a".repeat(20_000)));
        let error = CALLEE.refused(&status, &[&secret]);
        let begins = "plug-in maas answers InvalidArgument: [2J[redacted]aaa";
        assert!(error.message.starts_with(begins), "{}", error.message);
        assert!(error.message.len() < 9 * 1024);
    }
}
