//! Turns at devices: one call at a time for each of them, and a bound on all together.
//!
//! A management controller is a small computer that answers a second caller late or not at all, and
//! several nodes of a chassis may share one. A turn is for a whole driver call: if nodes took turns
//! by single exchanges, none would be done within its time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Devices beyond which those that nobody waits for are dropped: what it holds is then small, and
/// looking for them is rare.
const MANY_DEVICES: usize = 4096;

/// Gives turns.
#[derive(Debug)]
pub struct Turns {
    overall: Arc<Semaphore>,
    devices: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A turn. It ends when this is dropped.
#[derive(Debug)]
pub struct Turn {
    /// Before the device's: whoever waits for the device can then go on at once.
    _overall: OwnedSemaphorePermit,
    _device: OwnedSemaphorePermit,
    /// Keeps the device known for as long as it has a turn.
    _known: Arc<Semaphore>,
}

impl Turns {
    /// At most `max_concurrent` turns at a time, on different devices.
    #[must_use]
    pub fn new(max_concurrent: usize) -> Self {
        Self {
            overall: Arc::new(Semaphore::new(max_concurrent)),
            devices: Mutex::new(HashMap::new()),
        }
    }

    /// Waits for a turn at `device`; none: it did not come by `until`.
    pub async fn at(&self, device: &str, until: Instant) -> Option<Turn> {
        let known = self.device(device);
        let turn = async {
            // The device first: whoever waits for a busy one must not hold a place of the others.
            let device = Arc::clone(&known).acquire_owned().await;
            let overall = Arc::clone(&self.overall).acquire_owned().await;
            Some((overall.ok()?, device.ok()?))
        };
        // The semaphores are never closed, so nothing but time makes this none.
        let (overall, device) = timeout_at(until, turn).await.ok().flatten()?;
        Some(Turn {
            _overall: overall,
            _device: device,
            _known: known,
        })
    }

    fn device(&self, name: &str) -> Arc<Semaphore> {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = devices.get(name).and_then(Weak::upgrade) {
            return known;
        }
        if devices.len() >= MANY_DEVICES {
            devices.retain(|_, device| device.strong_count() > 0);
        }
        let device = Arc::new(Semaphore::new(1));
        devices.insert(name.to_owned(), Arc::downgrade(&device));
        device
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[tokio::test]
    async fn a_device_has_one_turn_at_a_time() {
        let turns = Turns::new(2);
        let first = turns.at("a", soon()).await.unwrap();
        assert!(turns.at("a", soon()).await.is_none());
        let other = turns.at("b", soon()).await.unwrap();
        assert!(turns.at("c", soon()).await.is_none(), "two at the most");
        drop(first);
        let again = turns.at("a", soon()).await;
        assert!(again.is_some());
        drop((again, other));
        assert!(turns.at("c", soon()).await.is_some());
    }

    #[tokio::test]
    async fn devices_without_a_turn_are_forgotten() {
        let turns = Turns::new(MANY_DEVICES * 2);
        let held = turns.at("held", soon()).await.unwrap();
        for number in 0..=MANY_DEVICES {
            turns.at(&number.to_string(), soon()).await.unwrap();
        }
        assert!(turns.devices.lock().unwrap().len() < MANY_DEVICES);
        assert!(turns.at("held", soon()).await.is_none());
        drop(held);
    }
}
