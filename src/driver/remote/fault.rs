//! Why a step makes no progress: a call failed, or its work did.

use super::super::{DriverError, ErrorKind};

/// Why there is no progress.
pub(super) enum Fault {
    /// A call failed, which says nothing about the work.
    Call(DriverError),
    /// The work failed, and the next poll begins it anew.
    Passing(DriverError),
    /// The work failed, or does not go on.
    Work(DriverError),
}

impl From<DriverError> for Fault {
    fn from(error: DriverError) -> Self {
        Self::Call(error)
    }
}

impl Fault {
    pub(super) fn error(self) -> DriverError {
        match self {
            Self::Call(error) | Self::Passing(error) | Self::Work(error) => error,
        }
    }

    /// For a poll an error that may pass says nothing about the work, and any other that it has failed:
    /// work that goes on has not failed because it cannot be asked after.
    pub(super) fn while_polling(self) -> DriverError {
        match self {
            Self::Passing(error) => error,
            Self::Work(error) => DriverError {
                transient: false,
                ..error
            },
            Self::Call(error) => {
                let heals = match error.kind {
                    ErrorKind::Unreachable
                    | ErrorKind::Timeout
                    | ErrorKind::Unauthorised
                    | ErrorKind::Busy
                    | ErrorKind::Internal => true,
                    ErrorKind::Refused
                    | ErrorKind::Unsupported
                    | ErrorKind::Protocol
                    | ErrorKind::Cancelled
                    | ErrorKind::NotStarted
                    | ErrorKind::Failed => error.transient,
                };
                DriverError {
                    transient: heals,
                    ..error
                }
            }
        }
    }
}
