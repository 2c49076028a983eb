//! What a controller need not be able to do.

use crate::driver::{DriverError, ErrorKind};

/// Parts a controller with what it cannot say or do from one that does not answer.
pub(in crate::driver) fn optional<T>(
    asked: Result<T, DriverError>,
) -> Result<Result<T, DriverError>, DriverError> {
    match asked {
        Err(error) if ends_the_step(error.kind) => Err(error),
        other => Ok(other),
    }
}

const fn ends_the_step(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Unreachable
        | ErrorKind::Timeout
        | ErrorKind::Unauthorised
        | ErrorKind::Cancelled
        | ErrorKind::NotStarted
        | ErrorKind::Internal => true,
        ErrorKind::Refused
        | ErrorKind::Unsupported
        | ErrorKind::Busy
        | ErrorKind::Protocol
        | ErrorKind::Failed => false,
    }
}
