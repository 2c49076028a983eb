//! What remains: the assumptions under which a step acts once, each shown by a world without it.
//!
//! These tests fail once the design needs an assumption no more: then the rule belongs to `safe`.

use drydock::domain::Policy;

use super::event::Model;
use super::limits::Limits;
use super::rules::{ACTS_ONCE, ACTS_TWICE_LATE};

fn guarded() -> Limits {
    Limits::of(&[Policy::Guarded])
}

fn model(limits: Limits) -> Model {
    Model {
        limits,
        mutation: None,
    }
}

/// A process that is frozen between the last check of a call and its sending acts when it wakes
/// up, whoever owns the root by then. Nothing else that it does late has any effect.
#[test]
fn a_process_frozen_inside_of_a_call_acts_late_and_does_nothing_else() {
    let limits = Limits {
        inner_freezes: 1,
        faults: 0,
        ..guarded()
    };
    // That the late call can be the second one is a rule of this world: see `rules`.
    let broken = model(limits).search("frozen inside");
    assert_eq!(broken, Vec::<&str>::new(), "{ACTS_TWICE_LATE}");
}

/// With a file lock nobody waits out a quarantine: what a killed process had sent must have landed,
/// or be lost, before its successor looks for the mark.
#[test]
fn a_restart_on_a_file_trusts_that_the_calls_of_the_dead_have_landed() {
    let limits = Limits {
        replicas: 1,
        shared: false,
        dead_calls_land: true,
        ..guarded()
    };
    assert!(model(limits).breaks(ACTS_ONCE));
}

/// The owner of a guarded step looks for its mark as soon as a call had no answer: a call that is
/// given up must not land any more.
#[test]
fn a_retry_trusts_that_the_call_before_it_is_over() {
    let limits = Limits {
        given_up_calls_land: true,
        faults: 0,
        ..guarded()
    };
    assert!(model(limits).breaks(ACTS_ONCE));
}

/// A call that is under way for longer than margin and quarantine together lands too late.
#[test]
fn the_quarantine_covers_what_a_call_has_under_way_and_no_more() {
    let limits = guarded();
    let too_long = limits.margin + limits.quarantine;
    let limits = Limits {
        wire: too_long,
        ..limits
    };
    assert!(model(limits).breaks(ACTS_ONCE));
}
