//! The weather between a replica and its database.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;

use crate::clock;
use crate::domain::Timestamp;
use crate::random::simulated::draw;
use crate::store::model::{Link, Passage};

/// What happens to calls for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storm {
    /// Connections break: what is sent may not arrive, and what arrived may not be answered.
    Breaking,
    /// Everything takes long, each call as it likes, so that they overtake each other.
    Slow,
    /// Nothing is answered, and what is sent arrives long after its caller gave up.
    Silent,
}

/// The storms.
pub(super) const STORMS: [Storm; 3] = [Storm::Breaking, Storm::Slow, Storm::Silent];

/// How long a call and its answer take when the weather is fair, in milliseconds.
const FAIR: std::ops::Range<u64> = 1..4;

/// The same in a storm that slows.
const SLOW: std::ops::Range<u64> = 1..1500;

/// How long what is sent into silence takes to arrive: longer than a lease and a takeover.
const LATE: std::ops::Range<u64> = 500..15_000;

/// When a caller gives silence up.
const PATIENCE: Duration = Duration::from_millis(1500);

/// One replica's weather. Every clone is the same.
#[derive(Clone, Default)]
pub(super) struct Weather(Arc<Mutex<Option<(Storm, Timestamp)>>>);

impl Weather {
    /// Begins a storm that ends by itself.
    pub(super) fn begin(&self, storm: Storm, end: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((storm, end));
    }

    fn storm(&self) -> Option<Storm> {
        let storm = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        storm
            .filter(|(_, end)| clock::now() < *end)
            .map(|(storm, _)| storm)
    }
}

fn millis(range: std::ops::Range<u64>) -> Duration {
    let drawn = draw(|dice| dice.random_range(range));
    Duration::from_millis(drawn.expect("a simulation"))
}

impl Link for Weather {
    fn passage(&self) -> Passage {
        match self.storm() {
            None => Passage::Whole(millis(FAIR), millis(FAIR)),
            Some(Storm::Slow) => Passage::Whole(millis(SLOW), millis(SLOW)),
            Some(Storm::Silent) => Passage::Unanswered(millis(LATE), PATIENCE),
            Some(Storm::Breaking) => match millis(0..4).as_millis() {
                0 => Passage::Refused(millis(FAIR)),
                1 => Passage::Unanswered(millis(FAIR), millis(FAIR)),
                _ => Passage::Whole(millis(FAIR), millis(FAIR)),
            },
        }
    }

    fn rings(&self) -> bool {
        self.storm().is_none()
    }
}
