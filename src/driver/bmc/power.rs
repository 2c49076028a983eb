//! Power: off for certain, then on for certain.
//!
//! A cycle is never one that the controller does by itself, nor a reset: nobody could tell afterwards
//! whether one was done. It is a state that is wanted, then another one, each read before something
//! is asked for and read again after it.
//!
//! Which of the two comes next is remembered in this process, by the step. A successor begins the
//! step anew and so switches the node off once more: at the worst it was off twice. A successor that
//! only winds a stopped task down never switches a node off; it sees to it that the node is on.

use std::time::Duration;

use tokio::time::Instant;

use super::protocol::{Change, Power, Session};
use crate::driver::{DriverError, ErrorKind, Progress, StepReport};

/// How long after a request that changed nothing it is made again: longer than BMCs take for what
/// they do at once, and short enough for several in the time of a step.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Requests and readings of one driver call. The way from on to off to on takes five when the BMC is
/// quick; what is not done then goes on with the next poll.
const MAX_MOVES: usize = 6;

/// A request that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    change: Change,
    at: Instant,
}

/// How far a cycle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cycle {
    /// It was seen off, and is to be on.
    was_off: bool,
    asked: Option<Asked>,
    /// It did not shut down by itself, or cannot.
    forced: bool,
}

impl Cycle {
    /// A cycle that begins.
    pub(super) const fn new() -> Self {
        Self {
            was_off: false,
            asked: None,
            forced: false,
        }
    }

    /// Whether the node was made to go off, and is not known to be on again.
    pub(super) fn is_under_way(&self) -> bool {
        self.was_off || self.asked.is_some()
    }

    /// The end of one that another process began and that was to stop: nothing is switched off any
    /// more.
    pub(super) const fn abandoned() -> Self {
        Self {
            was_off: true,
            asked: None,
            forced: false,
        }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Done,
    Wait,
    Ask(Change),
}

/// Goes on with a cycle as far as it comes in one call, and begins nothing after `until`. A node is
/// given `graceful` to shut down by itself; zero: it is not asked to.
pub(super) async fn go_on(
    session: &mut (dyn Session + '_),
    cycle: &mut Cycle,
    graceful: Duration,
    until: Instant,
) -> Result<Progress, DriverError> {
    for number in 0..MAX_MOVES {
        // A slow controller is asked for little in one call, and not for what there is no time for.
        if number > 0 && Instant::now() >= until {
            break;
        }
        let power = session.power().await?;
        match decide(cycle, power, graceful, Instant::now()) {
            Move::Done => {
                return Ok(Progress::Done(StepReport {
                    message: Some("was off, and is on again".to_owned()),
                    ..StepReport::default()
                }));
            }
            Move::Wait => return Ok(waiting(cycle)),
            Move::Ask(change) => ask(session, cycle, change).await?,
        }
    }
    Ok(waiting(cycle))
}

fn decide(cycle: &mut Cycle, power: Power, graceful: Duration, now: Instant) -> Move {
    if !cycle.was_off {
        match power {
            Power::Off => {
                cycle.was_off = true;
                cycle.asked = None;
            }
            // A system that hangs while it shuts down is on its way for ever.
            Power::Between => {
                return match cycle.asked {
                    Some(asked)
                        if asked.change == Change::ShutDown
                            && now.duration_since(asked.at) >= graceful =>
                    {
                        cycle.forced = true;
                        Move::Ask(Change::Off)
                    }
                    Some(_) | None => Move::Wait,
                };
            }
            Power::On => {
                if graceful.is_zero() {
                    cycle.forced = true;
                }
                return match cycle.asked {
                    None if cycle.forced => Move::Ask(Change::Off),
                    None => Move::Ask(Change::ShutDown),
                    Some(asked) if asked.change == Change::ShutDown => {
                        if now.duration_since(asked.at) < graceful {
                            Move::Wait
                        } else {
                            cycle.forced = true;
                            Move::Ask(Change::Off)
                        }
                    }
                    Some(asked) => again(asked, now),
                };
            }
        }
    }
    match (power, cycle.asked) {
        (Power::On, _) => Move::Done,
        (Power::Between, _) => Move::Wait,
        (Power::Off, None) => Move::Ask(Change::On),
        (Power::Off, Some(asked)) => again(asked, now),
    }
}

fn again(asked: Asked, now: Instant) -> Move {
    if now.duration_since(asked.at) < ASK_AGAIN {
        Move::Wait
    } else {
        Move::Ask(asked.change)
    }
}

async fn ask(
    session: &mut (dyn Session + '_),
    cycle: &mut Cycle,
    change: Change,
) -> Result<(), DriverError> {
    // Also where the answer does not come: that it was asked for is what counts.
    cycle.asked = Some(Asked {
        change,
        at: Instant::now(),
    });
    match session.switch(change).await {
        // Some say so, and others conflict, when the state is the wanted one already: the next
        // reading tells.
        Err(error) if error.kind == ErrorKind::Busy => {
            tracing::debug!(%error, ?change, "power request put off");
            Ok(())
        }
        // It cannot, or knows of no operating system that it could ask.
        Err(error) if change == Change::ShutDown && !error.transient => {
            tracing::debug!(%error, "graceful shutdown refused");
            cycle.asked = None;
            cycle.forced = true;
            Ok(())
        }
        Err(error) => {
            if !error.transient || error.not_sent {
                // It was refused, or never heard, so nothing came of it.
                cycle.asked = None;
            }
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

const fn told(change: Change) -> &'static str {
    match change {
        Change::On => "told to switch on, and is not on yet",
        Change::Off => "told to switch off, and is not off yet",
        Change::ShutDown => "told to shut down by itself, and is not off yet",
    }
}

/// Reads again soon, and more seldom the longer it takes.
fn waiting(cycle: &Cycle) -> Progress {
    let waited = cycle.asked.map(|asked| asked.at.elapsed());
    let seconds = match waited.unwrap_or_default().as_secs() {
        0..=9 => 1,
        10..=29 => 2,
        30.. => 5,
    };
    Progress::Running {
        poll_after: Duration::from_secs(seconds),
        message: cycle.asked.map(|asked| told(asked.change).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    fn asked(cycle: &mut Cycle, power: Power, graceful: Duration, now: Instant) -> Move {
        let next = decide(cycle, power, graceful, now);
        if let Move::Ask(change) = next {
            cycle.asked = Some(Asked { change, at: now });
        }
        next
    }

    #[test]
    fn a_node_is_off_before_it_is_switched_on() {
        let now = Instant::now();
        let mut cycle = Cycle::new();
        for (power, next) in [
            (Power::On, Move::Ask(Change::Off)),
            (Power::On, Move::Wait),
            (Power::Between, Move::Wait),
            (Power::Off, Move::Ask(Change::On)),
            (Power::Off, Move::Wait),
            (Power::On, Move::Done),
        ] {
            assert_eq!(asked(&mut cycle, power, Duration::ZERO, now), next);
        }
    }

    #[test]
    fn a_node_that_is_off_is_switched_on() {
        let now = Instant::now();
        let mut cycle = Cycle::new();
        let next = asked(&mut cycle, Power::Off, PATIENT, now);
        assert_eq!(next, Move::Ask(Change::On));
    }

    #[test]
    fn power_is_cut_when_a_shutdown_takes_too_long() {
        let now = Instant::now();
        let mut cycle = Cycle::new();
        let graceful = asked(&mut cycle, Power::On, PATIENT, now);
        assert_eq!(graceful, Move::Ask(Change::ShutDown));
        let soon = now + PATIENT / 2;
        assert_eq!(asked(&mut cycle, Power::On, PATIENT, soon), Move::Wait);
        let late = now + PATIENT;
        let forced = asked(&mut cycle, Power::On, PATIENT, late);
        assert_eq!(forced, Move::Ask(Change::Off));
        assert_eq!(asked(&mut cycle, Power::On, PATIENT, late), Move::Wait);
    }

    #[test]
    fn a_request_that_changed_nothing_is_made_again() {
        let now = Instant::now();
        let mut cycle = Cycle::new();
        asked(&mut cycle, Power::On, Duration::ZERO, now);
        let later = now + ASK_AGAIN;
        let next = asked(&mut cycle, Power::On, Duration::ZERO, later);
        assert_eq!(next, Move::Ask(Change::Off));
    }

    #[test]
    fn what_was_abandoned_is_not_switched_off() {
        let now = Instant::now();
        let mut cycle = Cycle::abandoned();
        let next = asked(&mut cycle, Power::Off, Duration::ZERO, now);
        assert_eq!(next, Move::Ask(Change::On));
        let next = asked(&mut cycle, Power::On, Duration::ZERO, now);
        assert_eq!(next, Move::Done);
    }
}
