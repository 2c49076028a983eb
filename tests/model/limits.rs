//! How large a world is looked at, and how its times compare.

use drydock::domain::Policy;

use crate::support::scale::scaled;

/// How many times larger than in CI the checks are: `DRYDOCK_TEST_SCALE`, 1 unless set.
pub(crate) fn scale() -> usize {
    scaled(1) as usize
}

/// Crashes, freezes and drains in the largest size: with three there are a hundred million worlds.
const MOST_FAULTS: u8 = 3;

/// What a world consists of. Times are ticks, and keep the order that the defaults of promise P4
/// have: a lease holds two calls, and the quarantine covers what a call has under way.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The processes.
    pub(crate) replicas: usize,
    /// Whether they share the database; else a file lock proves every earlier process dead.
    pub(crate) shared: bool,
    /// The targets, each with its plan.
    pub(crate) nodes: Vec<Vec<Policy>>,
    /// How long a lease lasts.
    pub(crate) lease: u8,
    /// How long the process has for a call.
    pub(crate) call_timeout: u8,
    /// What must be left of the lease beyond a call when it begins.
    pub(crate) margin: u8,
    /// How long a successor of an expired owner leaves alone what it found running.
    pub(crate) quarantine: u8,
    /// How long a call of a process that is gone may still be under way.
    pub(crate) wire: u8,
    /// Whether a call that its living maker has given up may reach the machine all the same.
    pub(crate) given_up_calls_land: bool,
    /// Whether a call of a dead process may reach the machine once its successor runs.
    pub(crate) dead_calls_land: bool,
    /// Whether time passes, and others act, while a renewal is under way.
    pub(crate) slow_renewals: bool,
    /// Crashes, freezes and drains.
    pub(crate) faults: u8,
    /// Freezes inside of a driver call, between its last check and its sending.
    pub(crate) inner_freezes: u8,
    /// Answers of the database that are lost after their commit.
    pub(crate) lost_answers: u8,
    /// Lives of a process at the most: what comes after them is not followed.
    pub(crate) lives: u8,
    /// Claims at the most.
    pub(crate) epochs: u8,
    /// Whether the root may run out of time.
    pub(crate) timeouts: bool,
    /// Whether whoever can act does so before time passes: what must come to an end is only told
    /// of a world in which nobody dawdles. None: time passes as it likes.
    pub(crate) clock: Option<Clock>,
}

/// The times of a world in which nobody dawdles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// How long a step may run.
    pub(crate) step_timeout: u8,
    /// When the root must have ended, whatever happens.
    pub(crate) end: u8,
    /// How long after a request to stop it must have ended.
    pub(crate) stop: u8,
}

impl Limits {
    /// Two replicas and one node with this plan.
    pub(crate) fn of(plan: &[Policy]) -> Self {
        let faults = u8::try_from(scale()).unwrap_or(u8::MAX).min(MOST_FAULTS);
        Self {
            replicas: 2,
            shared: true,
            nodes: vec![plan.to_vec()],
            lease: 4,
            call_timeout: 1,
            margin: 1,
            quarantine: 2,
            wire: 2,
            given_up_calls_land: false,
            dead_calls_land: true,
            slow_renewals: scale() > 2,
            faults,
            inner_freezes: 0,
            lost_answers: 0,
            lives: faults + 1,
            epochs: faults + 1,
            timeouts: false,
            clock: None,
        }
    }

    /// What must be left of the lease for a call to begin.
    pub(crate) fn call_needs(&self) -> u8 {
        self.call_timeout + self.margin
    }
}
