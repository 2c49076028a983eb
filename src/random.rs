//! Chance: the only place that draws it, so that a simulation can have its own dice.

use std::ops::Range;

#[cfg(test)]
use rand::RngExt as _;
use uuid::Uuid;

/// A number within `range`.
pub(crate) fn within(range: Range<f64>) -> f64 {
    #[cfg(test)]
    if let Some(drawn) = simulated::draw(|dice| dice.random_range(range.clone())) {
        return drawn;
    }
    rand::random_range(range)
}

/// A number from 0 on and below 1.
pub(crate) fn fraction() -> f64 {
    within(0.0..1.0)
}

/// A UUIDv4.
pub(crate) fn id() -> Uuid {
    #[cfg(test)]
    if let Some(bytes) = simulated::draw(|dice| dice.random()) {
        return uuid::Builder::from_random_bytes(bytes).into_uuid();
    }
    Uuid::new_v4()
}

/// A UUIDv7: later ones are greater.
pub(crate) fn id_in_time() -> Uuid {
    #[cfg(test)]
    if let Some(bytes) = simulated::draw(|dice| dice.random()) {
        let millis = crate::clock::now().timestamp_millis().unsigned_abs();
        return uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
    }
    Uuid::now_v7()
}

#[cfg(test)]
pub(crate) mod simulated {
    //! The dice of the simulation that runs on this thread.

    use std::cell::RefCell;

    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    thread_local! {
        static DICE: RefCell<Option<StdRng>> = const { RefCell::new(None) };
    }

    /// While it lives, what is drawn on this thread follows from its seed.
    pub(crate) struct Dice(());

    impl Dice {
        pub(crate) fn of(seed: u64) -> Self {
            DICE.set(Some(StdRng::seed_from_u64(seed)));
            Self(())
        }
    }

    impl Drop for Dice {
        fn drop(&mut self) {
            DICE.set(None);
        }
    }

    /// What `from` takes of the dice; none: nothing is simulated on this thread.
    pub(crate) fn draw<T>(from: impl FnOnce(&mut StdRng) -> T) -> Option<T> {
        DICE.with_borrow_mut(|dice| dice.as_mut().map(from))
    }
}
