//! Why a design did not load: it cannot be had for now, or it is wrong.

use std::{fmt, io};

use super::finding::{Code, Finding};

/// Why a design did not load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The design could not be fetched for now, or not in time; the same call may succeed later.
    #[error("the design cannot be read for now")]
    Unavailable(#[source] io::Error),
    /// The design, or what the reference names, is wrong until someone changes it. Holds at least
    /// one finding of severity error; warnings found on the way are listed after the errors.
    #[error("the design does not load: {}", Summary(.0))]
    Invalid(Vec<Finding>),
}

impl LoadError {
    /// The load failed for this one reason.
    pub(super) fn refused(code: Code, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Finding::error(code, message)])
    }
}

/// The first finding and how many follow.
struct Summary<'a>(&'a [Finding]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("no finding says why"),
            [only] => write!(f, "{only}"),
            [first, rest @ ..] => write!(f, "{first} (and {} more findings)", rest.len()),
        }
    }
}
