//! What becomes of a replica's calls on their way to the database and back.

use std::time::Duration;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It arrives after the first, and its answer after the second.
    Whole(Duration, Duration),
    /// It is not sent, which its caller knows after this.
    Refused(Duration),
    /// It arrives after the first, and its caller is told that there is no answer after the second.
    Unanswered(Duration, Duration),
}

/// Decides what becomes of the calls of one replica.
pub(crate) trait Link: Send + Sync + 'static {
    /// The fate of the next call.
    fn passage(&self) -> Passage;

    /// Whether others hear the doorbell for what is committed now.
    fn rings(&self) -> bool;
}

/// A link without distance, on which nothing is lost.
pub(crate) struct Direct;

impl Link for Direct {
    fn passage(&self) -> Passage {
        Passage::Whole(Duration::ZERO, Duration::ZERO)
    }

    fn rings(&self) -> bool {
        true
    }
}
