//! Power: off for certain, then on for certain.
//!
//! A cycle is never the BMC's own `PowerCycle` or `ForceRestart`: nobody could tell afterwards
//! whether one was done. It is a state that is wanted, then another one, each read before something
//! is asked for and read again after it.
//!
//! Which of the two comes next is remembered in this process, by the step. A successor begins the
//! step anew and so switches the node off once more: at the worst it was off twice. What was to be
//! booted once may be used up by then, so it is set again before a node is switched on, where the plan
//! has set it. A successor that only winds a stopped task down never switches a node off; it sees to it
//! that the node is on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::boot;
use super::service::{Resource, Service};
use crate::driver::{DriverError, ErrorKind, Progress, StepReport};

/// How long after a request that changed nothing it is made again: longer than BMCs take for what
/// they do at once, and short enough for several in the time of a step.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Requests and readings of one driver call. The way from on to off to on takes five when the BMC is
/// quick; what is not done then goes on with the next poll.
const MAX_MOVES: usize = 6;

/// What a node's power is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    Off,
    /// On its way, or something that we know nothing of: wait.
    Between,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reset {
    On,
    ForceOff,
    GracefulShutdown,
}

impl Reset {
    /// In the words of Redfish, the best first.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::On => &["On", "ForceOn"],
            Self::ForceOff => &["ForceOff"],
            Self::GracefulShutdown => &["GracefulShutdown"],
        }
    }

    const fn told(self) -> &'static str {
        match self {
            Self::On => "told to switch on, and is not on yet",
            Self::ForceOff => "told to switch off, and is not off yet",
            Self::GracefulShutdown => "told to shut down by itself, and is not off yet",
        }
    }
}

/// A request that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    reset: Reset,
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
    /// What it boots from was used up, and could not be set again.
    boots_otherwise: bool,
}

/// How a cycle is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// How long a node may take to shut down by itself; zero: it is not asked to.
    pub(super) graceful: Duration,
    /// It is to boot from the network, which was set before.
    pub(super) from_network: bool,
}

impl Cycle {
    /// A cycle that begins.
    pub(super) const fn new() -> Self {
        Self {
            was_off: false,
            asked: None,
            forced: false,
            boots_otherwise: false,
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
            boots_otherwise: false,
        }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Done,
    Wait,
    Ask(Reset),
}

/// Goes on with a cycle as far as it comes in one call.
pub(super) async fn go_on(
    service: &mut Service<'_>,
    cycle: &mut Cycle,
    manner: Manner,
) -> Result<Progress, DriverError> {
    for _ in 0..MAX_MOVES {
        let system = service.system().await?;
        let next = decide(cycle, power(&system.body), manner.graceful, Instant::now());
        match next {
            Move::Done => {
                let mut message = "was off, and is on again".to_owned();
                if cycle.boots_otherwise {
                    message.push_str("; that it boots from the network could not be set again");
                }
                return Ok(Progress::Done(StepReport {
                    message: Some(message),
                    ..StepReport::default()
                }));
            }
            Move::Wait => return Ok(waiting(cycle)),
            Move::Ask(reset) => {
                if reset == Reset::On && manner.from_network {
                    // Worse than what it boots from would be that it stays off.
                    let kept = boot::keep(service, &system).await;
                    cycle.boots_otherwise = kept.is_err();
                    if let Err(error) = kept {
                        tracing::warn!(%error, "boot device not set again");
                    }
                }
                ask(service, &system, cycle, reset).await?;
            }
        }
    }
    Ok(waiting(cycle))
}

/// Whether a node is on, as far as its BMC says so.
pub(super) async fn is_on(service: &mut Service<'_>) -> Result<bool, DriverError> {
    let system = service.system().await?;
    Ok(power(&system.body) == Power::On)
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
                        if asked.reset == Reset::GracefulShutdown
                            && now.duration_since(asked.at) >= graceful =>
                    {
                        cycle.forced = true;
                        Move::Ask(Reset::ForceOff)
                    }
                    Some(_) | None => Move::Wait,
                };
            }
            Power::On => {
                if graceful.is_zero() {
                    cycle.forced = true;
                }
                return match cycle.asked {
                    None if cycle.forced => Move::Ask(Reset::ForceOff),
                    None => Move::Ask(Reset::GracefulShutdown),
                    Some(asked) if asked.reset == Reset::GracefulShutdown => {
                        if now.duration_since(asked.at) < graceful {
                            Move::Wait
                        } else {
                            cycle.forced = true;
                            Move::Ask(Reset::ForceOff)
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
        (Power::Off, None) => Move::Ask(Reset::On),
        (Power::Off, Some(asked)) => again(asked, now),
    }
}

fn again(asked: Asked, now: Instant) -> Move {
    if now.duration_since(asked.at) < ASK_AGAIN {
        Move::Wait
    } else {
        Move::Ask(asked.reset)
    }
}

async fn ask(
    service: &mut Service<'_>,
    system: &Resource,
    cycle: &mut Cycle,
    reset: Reset,
) -> Result<(), DriverError> {
    let action = &system.body["Actions"]["#ComputerSystem.Reset"];
    let Some(target) = action["target"].as_str() else {
        return Err(service.unsuited("cannot switch the node on or off"));
    };
    let Some(name) = allowed(action, reset) else {
        if reset == Reset::GracefulShutdown {
            cycle.forced = true;
            return Ok(());
        }
        return Err(service.unsuited(&format!(
            "cannot switch the node: it does not offer {}",
            reset.names().join(" or ")
        )));
    };
    // Also where the answer does not come: that it was asked for is what counts.
    cycle.asked = Some(Asked {
        reset,
        at: Instant::now(),
    });
    let asked = service.post(target, &json!({ "ResetType": name })).await;
    match asked {
        // Some say so, and others conflict, when the state is the wanted one already: the next
        // reading tells.
        Err(error) if error.kind == ErrorKind::Busy => {
            tracing::debug!(%error, reset = name, "power request put off");
            Ok(())
        }
        // It knows of no operating system that it could ask.
        Err(error) if reset == Reset::GracefulShutdown && !error.transient => {
            tracing::debug!(%error, "graceful shutdown refused");
            cycle.asked = None;
            cycle.forced = true;
            Ok(())
        }
        Err(error) => {
            if !error.transient {
                // It was refused, so nothing came of it.
                cycle.asked = None;
            }
            Err(error.within(&format!("reset with {name}")))
        }
        Ok(()) => Ok(()),
    }
}

/// The name under which a reset is offered. Services that do not say what they offer are asked.
fn allowed(action: &Value, reset: Reset) -> Option<&'static str> {
    let names = reset.names();
    let Some(offered) = action["ResetType@Redfish.AllowableValues"].as_array() else {
        return names.first().copied();
    };
    let offers = |name: &&str| offered.iter().any(|value| value.as_str() == Some(*name));
    names.iter().copied().find(offers)
}

fn power(system: &Value) -> Power {
    match system["PowerState"].as_str() {
        Some("On") => Power::On,
        Some("Off") => Power::Off,
        Some(_) | None => Power::Between,
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
        message: cycle.asked.map(|asked| asked.reset.told().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    fn asked(cycle: &mut Cycle, power: Power, graceful: Duration, now: Instant) -> Move {
        let next = decide(cycle, power, graceful, now);
        if let Move::Ask(reset) = next {
            cycle.asked = Some(Asked { reset, at: now });
        }
        next
    }

    #[test]
    fn a_node_is_off_before_it_is_switched_on() {
        let now = Instant::now();
        let mut cycle = Cycle::new();
        for (power, next) in [
            (Power::On, Move::Ask(Reset::ForceOff)),
            (Power::On, Move::Wait),
            (Power::Between, Move::Wait),
            (Power::Off, Move::Ask(Reset::On)),
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
        assert_eq!(next, Move::Ask(Reset::On));
    }

    #[test]
    fn power_is_cut_when_a_shutdown_takes_too_long() {
        let now = Instant::now();
        let mut cycle = Cycle::new();
        let graceful = asked(&mut cycle, Power::On, PATIENT, now);
        assert_eq!(graceful, Move::Ask(Reset::GracefulShutdown));
        let soon = now + PATIENT / 2;
        assert_eq!(asked(&mut cycle, Power::On, PATIENT, soon), Move::Wait);
        let late = now + PATIENT;
        let forced = asked(&mut cycle, Power::On, PATIENT, late);
        assert_eq!(forced, Move::Ask(Reset::ForceOff));
        assert_eq!(asked(&mut cycle, Power::On, PATIENT, late), Move::Wait);
    }

    #[test]
    fn a_request_that_changed_nothing_is_made_again() {
        let now = Instant::now();
        let mut cycle = Cycle::new();
        asked(&mut cycle, Power::On, Duration::ZERO, now);
        let later = now + ASK_AGAIN;
        let next = asked(&mut cycle, Power::On, Duration::ZERO, later);
        assert_eq!(next, Move::Ask(Reset::ForceOff));
    }

    #[test]
    fn what_was_abandoned_is_not_switched_off() {
        let now = Instant::now();
        let mut cycle = Cycle::abandoned();
        let next = asked(&mut cycle, Power::Off, Duration::ZERO, now);
        assert_eq!(next, Move::Ask(Reset::On));
        let next = asked(&mut cycle, Power::On, Duration::ZERO, now);
        assert_eq!(next, Move::Done);
    }

    #[test]
    fn what_is_not_offered_is_not_asked_for() {
        let offered = json!({"ResetType@Redfish.AllowableValues": ["ForceOn", "GracefulShutdown"]});
        assert_eq!(allowed(&offered, Reset::On), Some("ForceOn"));
        assert_eq!(allowed(&offered, Reset::ForceOff), None);
        assert_eq!(allowed(&json!({}), Reset::ForceOff), Some("ForceOff"));
    }
}
