//! Nothing that must not happen does, in any order of events: time passes as it likes.

use drydock::domain::Policy;

use super::event::Model;
use super::limits::Limits;

/// Searches a world and expects nothing wrong in it.
fn assert_safe(name: &str, limits: Limits) {
    let model = Model {
        limits,
        mutation: None,
    };
    assert_eq!(model.search(name), Vec::<&str>::new(), "{name}");
}

#[test]
fn a_guarded_step_acts_once_whoever_crashes_or_freezes() {
    let limits = Limits {
        slow_renewals: true,
        ..Limits::of(&[Policy::Guarded])
    };
    assert_safe("guarded", limits);
}

#[test]
fn a_step_that_must_not_be_repeated_acts_once() {
    assert_safe("once", Limits::of(&[Policy::Once]));
}

#[test]
fn a_plan_goes_on_where_it_ended() {
    let plan = [Policy::Converge, Policy::Guarded];
    assert_safe("plan", Limits::of(&plan));
}

#[test]
fn nodes_that_run_side_by_side_end_before_their_root() {
    let limits = Limits {
        nodes: vec![vec![Policy::Observe]; 2],
        faults: 0,
        epochs: 1,
        replicas: 1,
        lost_answers: 1,
        timeouts: true,
        ..Limits::of(&[])
    };
    assert_safe("nodes", limits);
}

#[test]
fn a_lost_answer_changes_nothing() {
    let limits = Limits {
        lost_answers: 1,
        ..Limits::of(&[Policy::Guarded])
    };
    assert_safe("lost answer", limits);
}

#[test]
fn a_lock_on_the_file_stands_for_leases_when_dead_calls_have_landed() {
    let limits = Limits {
        replicas: 1,
        shared: false,
        dead_calls_land: false,
        faults: 2,
        epochs: 3,
        timeouts: true,
        ..Limits::of(&[Policy::Guarded, Policy::Once])
    };
    assert_safe("file lock", limits);
}
