//! The replica's clock: the only place that asks what time it is.

use chrono::{SubsecRound, Utc};

use crate::domain::Timestamp;

/// Decimal places of a second that every store and the wire can hold.
const MICROSECONDS: u16 = 6;

/// The time now, UTC, truncated to microseconds. In a simulation, the time there.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that everybody else must ask"
)]
pub fn now() -> Timestamp {
    #[cfg(test)]
    if let Some(since_epoch) = turmoil::since_epoch() {
        return (Timestamp::UNIX_EPOCH + since_epoch).trunc_subsecs(MICROSECONDS);
    }
    Utc::now().trunc_subsecs(MICROSECONDS)
}
