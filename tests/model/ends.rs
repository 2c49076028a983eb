//! Everything comes to its end, within a bound, as long as whoever gets time uses it.
//!
//! Time is counted here, and passes only when nobody who runs has anything to do; so no world is
//! seen twice on a path, and a path that never ends would be seen to miss its bound. What stays
//! free: when calls land, whether the doorbell rings, whether the work ends by itself, and when
//! somebody crashes, freezes or asks for the end.

use drydock::domain::Policy;

use super::event::Model;
use super::limits::{Clock, Limits};

/// A step may hang until its time is over; a stop must not take as long.
pub(crate) const CLOCK: Clock = Clock {
    step_timeout: 12,
    end: 24,
    stop: 10,
};

/// A world in which nobody dawdles.
pub(crate) fn brisk(plan: &[Policy]) -> Limits {
    Limits {
        faults: 1,
        lives: 2,
        epochs: 3,
        slow_renewals: false,
        clock: Some(CLOCK),
        ..Limits::of(plan)
    }
}

fn assert_ends(name: &str, limits: Limits) {
    let model = Model {
        limits,
        mutation: None,
    };
    assert_eq!(model.search(name), Vec::<&str>::new(), "{name}");
}

#[test]
fn a_guarded_step_ends_whatever_becomes_of_its_owner() {
    assert_ends("guarded ends", brisk(&[Policy::Guarded]));
}

#[test]
fn a_step_that_must_not_be_repeated_ends() {
    assert_ends("once ends", brisk(&[Policy::Once]));
}

#[test]
fn an_answer_that_is_lost_keeps_nothing_from_its_end() {
    let limits = Limits {
        faults: 0,
        lost_answers: 1,
        ..brisk(&[Policy::Converge])
    };
    assert_ends("lost answer ends", limits);
}
