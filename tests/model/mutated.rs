//! The checker finds every fault that is built into the model. One that it did not find would say
//! that a rule, or the world it is looked for in, is too small.

use drydock::domain::Policy;

use super::ends::brisk;
use super::event::Model;
use super::limits::Limits;
use super::mutation::Mutation;
use super::rules::{
    ACTS_ONCE, CHILD_ONCE, FENCED, GAPLESS, PARENTS_LAST, RECORDED, STOP_KEPT, STOPS,
};

/// Expects `mutation` to break `rule`.
fn assert_found(mutation: Mutation, rule: &'static str, limits: Limits) {
    let model = Model {
        limits,
        mutation: Some(mutation),
    };
    assert!(model.breaks(rule), "{mutation:?} went unnoticed");
}

fn guarded() -> Limits {
    Limits::of(&[Policy::Guarded])
}

#[test]
fn a_write_that_is_not_fenced_is_found() {
    assert_found(Mutation::UnfencedWrite, FENCED, guarded());
}

#[test]
fn a_skipped_quarantine_is_found() {
    assert_found(Mutation::SkippedQuarantine, ACTS_ONCE, guarded());
}

#[test]
fn a_renewal_after_the_end_of_a_lease_is_found() {
    assert_found(Mutation::RenewalAfterExpiry, ACTS_ONCE, guarded());
}

#[test]
fn a_call_without_time_is_found() {
    assert_found(Mutation::CallWithoutTime, ACTS_ONCE, guarded());
}

#[test]
fn a_repeated_step_is_found() {
    let limits = Limits::of(&[Policy::Once]);
    assert_found(Mutation::RepeatOnRecovery, ACTS_ONCE, limits);
}

#[test]
fn a_cleared_request_to_stop_is_found() {
    assert_found(Mutation::ClearedTerminate, STOP_KEPT, guarded());
}

#[test]
fn a_parent_closed_early_is_found() {
    assert_found(Mutation::ParentClosedEarly, PARENTS_LAST, guarded());
}

#[test]
fn a_child_created_twice_is_found() {
    let limits = Limits {
        lost_answers: 1,
        ..guarded()
    };
    assert_found(Mutation::DuplicateChild, CHILD_ONCE, limits);
}

#[test]
fn a_call_before_its_step_is_recorded_is_found() {
    assert_found(Mutation::SideEffectBeforeCommit, RECORDED, guarded());
}

#[test]
fn an_event_apart_from_what_it_tells_is_found() {
    assert_found(Mutation::EventApart, GAPLESS, guarded());
}

#[test]
fn a_stop_that_hangs_on_the_doorbell_is_found() {
    assert_found(Mutation::NoLook, STOPS, brisk(&[Policy::Guarded]));
}
