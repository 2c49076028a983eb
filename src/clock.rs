//! The replica's clock: the only place that asks what time it is.

use chrono::{SubsecRound, Utc};

use crate::domain::Timestamp;

/// Decimal places of a second that every store and the wire can hold.
const MICROSECONDS: u16 = 6;

/// The time now, UTC, truncated to microseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that everybody else must ask"
)]
pub fn now() -> Timestamp {
    Utc::now().trunc_subsecs(MICROSECONDS)
}
