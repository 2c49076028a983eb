//! Whether a failed attempt of a step is made again: a decision of the error and the policy.

use std::time::Duration;

use crate::domain::Policy;
use crate::driver::DriverError;

/// Attempts after the first.
pub(super) const MAX_RETRIES: u32 = 3;

/// Which call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The mark was looked for.
    Find,
    /// The work was to begin.
    Start,
    /// The work was asked after.
    Poll,
}

/// The call to make next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Look for the mark, then adopt or start.
    Find,
    /// Begin the work anew.
    Start,
}

/// What to call after `error`; none: the step has failed. `retries` were made before.
pub(super) fn decide(
    policy: Policy,
    asked: Asked,
    error: &DriverError,
    retries: u32,
) -> Option<Again> {
    if !error.transient || retries >= MAX_RETRIES {
        return None;
    }
    match (asked, policy) {
        (Asked::Find, _) => Some(Again::Find),
        // One that may pass says nothing about the work and is no attempt of it.
        (Asked::Poll, _) => None,
        (Asked::Start, Policy::Observe | Policy::Converge) => Some(Again::Start),
        (Asked::Start, Policy::Guarded) => Some(Again::Find),
        (Asked::Start, Policy::Once) => error.not_sent.then_some(Again::Start),
    }
}

/// The wait before retry number `retry`, from 1. `jitter` is from 0 to 1 and keeps nodes that
/// failed together from coming back together: between three quarters and all of the doubled wait.
pub(super) fn backoff(base: Duration, retry: u32, jitter: f64) -> Duration {
    let doubled = base.saturating_mul(1 << retry.saturating_sub(1).min(MAX_RETRIES));
    doubled.mul_f64(0.75 + 0.25 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::ErrorKind;

    fn error(transient: bool, not_sent: bool) -> DriverError {
        DriverError {
            kind: ErrorKind::Unreachable,
            transient,
            not_sent,
            message: String::new(),
        }
    }

    #[test]
    fn what_can_be_repeated_is_repeated_three_times() {
        for policy in [Policy::Observe, Policy::Converge] {
            for retries in 0..3 {
                assert_eq!(
                    decide(policy, Asked::Start, &error(true, false), retries),
                    Some(Again::Start)
                );
            }
            assert_eq!(decide(policy, Asked::Start, &error(true, false), 3), None);
            assert_eq!(decide(policy, Asked::Start, &error(false, true), 0), None);
        }
    }

    #[test]
    fn a_guarded_step_looks_for_its_mark_before_it_starts_again() {
        assert_eq!(
            decide(Policy::Guarded, Asked::Start, &error(true, true), 0),
            Some(Again::Find)
        );
    }

    #[test]
    fn a_step_that_runs_once_is_repeated_only_if_it_was_never_sent() {
        assert_eq!(
            decide(Policy::Once, Asked::Start, &error(true, false), 0),
            None
        );
        assert_eq!(
            decide(Policy::Once, Asked::Start, &error(true, true), 0),
            Some(Again::Start)
        );
    }

    #[test]
    fn waits_double() {
        let base = Duration::from_millis(500);
        assert_eq!(backoff(base, 1, 1.0), base);
        assert_eq!(backoff(base, 3, 1.0), base * 4);
        assert_eq!(backoff(base, 1, 0.0), base * 3 / 4);
    }
}
