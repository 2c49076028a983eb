//! What goes wrong in a world, and when: drawn from its seed before it begins.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::weather::{STORMS, Storm};

/// A fault of one replica, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its process is gone, and back after this.
    Crash(Duration),
    /// It is told to stop, and back this long after it has.
    Drain(Duration),
    /// Its clients do not reach it for so long.
    Partition(Duration),
    /// Its database is hard to reach for so long.
    Weather(Storm, Duration),
}

/// What happens to whom, and when, in the order of time.
pub(super) type Faults = Vec<(Duration, usize, Fault)>;

/// The mean time between two faults.
const EVERY: std::ops::Range<u64> = 200..3500;

/// Faults among `replicas` replicas until `end`.
pub(super) fn faults(dice: &mut StdRng, replicas: usize, end: Duration) -> Faults {
    let mut faults = Vec::new();
    let mut at = Duration::from_millis(500);
    while at < end {
        let mut short = |range| Duration::from_millis(dice.random_range(range));
        let fault = match short(0..10).as_millis() {
            0..=2 => Fault::Crash(short(50..6000)),
            3 => Fault::Drain(short(50..3000)),
            4..=5 => Fault::Partition(short(500..8000)),
            _ => {
                let length = short(500..9000);
                let storm = STORMS.choose(dice).expect("there are storms");
                Fault::Weather(*storm, length)
            }
        };
        faults.push((at, dice.random_range(0..replicas), fault));
        at += Duration::from_millis(dice.random_range(EVERY));
    }
    faults
}
