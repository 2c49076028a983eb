//! Seats: how many watches there are, and which of them have stalled.
//!
//! A watch that has handed out an item parks its state in its seat until it is polled again. The
//! sweeper empties seats whose consumer accepts nothing: whatever such a watch holds is given
//! back at once, without waiting for a poll that may never come.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cursor::Cursor;
use super::error::WatchError;

/// Closes the connection of a consumer that does not even read the end of its stream.
pub type ConnectionKill = Arc<dyn Fn() + Send + Sync>;

/// A stall is noticed this part of the timeout late at the most.
const SWEEPS_PER_TIMEOUT: u32 = 16;

/// Every watch of the replica.
pub(super) struct Seats {
    taken: Mutex<Taken>,
    max: usize,
}

#[derive(Default)]
struct Taken {
    seats: HashMap<u64, Arc<Occupant>>,
    next_id: u64,
}

/// One watch's seat; left when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    id: u64,
    occupant: Arc<Occupant>,
}

struct Occupant {
    state: Mutex<State>,
    kill: Option<ConnectionKill>,
}

enum State {
    /// We are at work for it: whatever it waits for is not the consumer.
    Working,
    /// The consumer has an item and has not come back since.
    Parked { cursor: Box<Cursor>, since: Instant },
    /// It stalled; its state is gone.
    Released { since: Instant },
    /// It stalled, and its connection was closed.
    Killed,
    /// The watch is over.
    Over,
}

/// What a poll finds in the seat.
pub(super) enum Found {
    /// Go on.
    Cursor(Box<Cursor>),
    /// The consumer comes too late.
    Stalled,
    /// The watch is over.
    Over,
}

impl Seats {
    /// Room for `max` watches.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            max,
        })
    }

    /// A seat for one more watch.
    pub(super) fn take(self: &Arc<Self>, kill: Option<ConnectionKill>) -> Result<Seat, WatchError> {
        let mut taken = lock(&self.taken);
        if taken.seats.len() >= self.max {
            return Err(WatchError::Quota);
        }
        let id = taken.next_id;
        taken.next_id += 1;
        let occupant = Arc::new(Occupant {
            state: Mutex::new(State::Working),
            kill,
        });
        taken.seats.insert(id, Arc::clone(&occupant));
        Ok(Seat {
            seats: Arc::clone(self),
            id,
            occupant,
        })
    }

    /// How many watches there are.
    pub(super) fn count(&self) -> usize {
        lock(&self.taken).seats.len()
    }

    /// Empties the seats of those who stall longer than `timeout`, until told to stop.
    pub(super) async fn sweep(self: Arc<Self>, timeout: Duration, stop: CancellationToken) {
        // Only time tells that nothing happened.
        let mut ticks = tokio::time::interval(timeout / SWEEPS_PER_TIMEOUT);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.sweep_once(timeout);
        }
    }

    fn sweep_once(&self, timeout: Duration) {
        let now = Instant::now();
        // What stalled is dropped and called after the lock of all seats is free again.
        let stalled: Vec<_> = lock(&self.taken)
            .seats
            .values()
            .filter_map(|occupant| occupant.release(now, timeout))
            .collect();
        for released in stalled {
            match released {
                Released::Cursor(cursor) => drop(cursor),
                Released::Connection(kill) => kill(),
            }
        }
    }
}

/// What a stalled seat gives up.
enum Released {
    Cursor(Box<Cursor>),
    Connection(ConnectionKill),
}

impl Occupant {
    fn release(&self, now: Instant, timeout: Duration) -> Option<Released> {
        let mut state = lock(&self.state);
        match &*state {
            State::Parked { since, .. } if now - *since >= timeout => {
                let stalled = mem::replace(&mut *state, State::Released { since: now });
                match stalled {
                    State::Parked { cursor, .. } => Some(Released::Cursor(cursor)),
                    State::Working | State::Released { .. } | State::Killed | State::Over => None,
                }
            }
            State::Released { since } if now - *since >= timeout => {
                *state = State::Killed;
                self.kill.clone().map(Released::Connection)
            }
            State::Working
            | State::Parked { .. }
            | State::Released { .. }
            | State::Killed
            | State::Over => None,
        }
    }
}

impl Seat {
    /// Leaves the state here until the consumer comes back.
    pub(super) fn park(&self, cursor: Box<Cursor>) {
        *lock(&self.occupant.state) = State::Parked {
            cursor,
            since: Instant::now(),
        };
    }

    /// The watch is over.
    pub(super) fn finish(&self) {
        *lock(&self.occupant.state) = State::Over;
    }

    /// The consumer came back.
    pub(super) fn unpark(&self) -> Found {
        let mut state = lock(&self.occupant.state);
        match mem::replace(&mut *state, State::Working) {
            State::Parked { cursor, .. } => Found::Cursor(cursor),
            State::Released { .. } | State::Killed => {
                *state = State::Over;
                Found::Stalled
            }
            // Only a watch that is polled on after its end gets here.
            State::Working | State::Over => {
                *state = State::Over;
                Found::Over
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.seats.taken).seats.remove(&self.id);
    }
}

/// What these locks guard is whole at every step, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
