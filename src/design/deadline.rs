//! The time one load may take, asked for between pieces of work that are short themselves.

use std::io;
use std::time::{Duration, Instant};

/// A moment after which a load gives up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Option<Instant>,
}

impl Deadline {
    /// `None` as the moment, should the sum be beyond what the clock can say, means no deadline.
    pub(super) fn after(limit: Duration) -> Self {
        Self {
            at: Instant::now().checked_add(limit),
        }
    }

    /// # Errors
    ///
    /// `TimedOut` once the moment has passed.
    pub(super) fn check(self) -> io::Result<()> {
        match self.at {
            Some(at) if Instant::now() >= at => Err(timed_out()),
            Some(_) | None => Ok(()),
        }
    }

    /// The time left, for waiting on it from outside.
    pub(super) fn left(self) -> Duration {
        self.at.map_or(Duration::MAX, |at| {
            at.saturating_duration_since(Instant::now())
        })
    }
}

/// The error of a load that took too long.
pub(super) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the design took too long to load")
}
