//! Whether a root works, or only waits for nodes that others change. A place among the roots that run is
//! for those that work: however many wait, there is room for one that need not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The roots of a replica that only wait.
#[derive(Debug)]
pub(super) struct Resting {
    roots: AtomicUsize,
    /// Notified when there is one more, and so room for another root.
    claim: Arc<Notify>,
}

impl Resting {
    pub(super) fn new(claim: Arc<Notify>) -> Self {
        Self {
            roots: AtomicUsize::new(0),
            claim,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.roots.load(Ordering::Acquire)
    }
}

/// How one root stands. It works until it is said to wait, and again as soon as a line of it does.
#[derive(Debug)]
pub(super) struct Standing {
    resting: Arc<Resting>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Lines that work.
    lines: usize,
    /// Whether everything else waits for locks.
    waits: bool,
    /// Whether it is counted among those that rest.
    rests: bool,
}

impl Standing {
    pub(super) fn new(resting: Arc<Resting>) -> Arc<Self> {
        Arc::new(Self {
            resting,
            state: Mutex::default(),
        })
    }

    /// Counts a line that works, for as long as what is returned lives.
    pub(super) fn work(self: &Arc<Self>) -> Working {
        let mut state = self.lock();
        state.lines += 1;
        self.settle(&mut state);
        Working(Arc::clone(self))
    }

    /// Says whether there is something to do besides what lines do, and all of it waits for locks.
    pub(super) fn waits(&self, waits: bool) {
        let mut state = self.lock();
        state.waits = waits;
        self.settle(&mut state);
    }

    fn settle(&self, state: &mut State) {
        let rests = state.waits && state.lines == 0;
        if rests && !state.rests {
            self.resting.roots.fetch_add(1, Ordering::AcqRel);
            self.resting.claim.notify_one();
        } else if !rests && state.rests {
            self.resting.roots.fetch_sub(1, Ordering::AcqRel);
        }
        state.rests = rests;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two fields of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        // A root that has ended does not rest.
        self.waits(false);
    }
}

/// A line that works.
#[derive(Debug)]
pub(super) struct Working(Arc<Standing>);

impl Drop for Working {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.lines -= 1;
        self.0.settle(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_rests_while_it_waits_and_no_line_of_it_works() {
        let resting = Arc::new(Resting::new(Arc::default()));
        let standing = Standing::new(Arc::clone(&resting));
        let first = standing.work();
        standing.waits(true);
        assert_eq!(resting.count(), 0);
        drop(first);
        assert_eq!(resting.count(), 1);
        let second = standing.work();
        assert_eq!(resting.count(), 0);
        drop(second);
        assert_eq!(resting.count(), 1);
        standing.waits(false);
        assert_eq!(resting.count(), 0);
    }

    #[test]
    fn a_root_that_ends_while_it_waits_is_not_counted() {
        let resting = Arc::new(Resting::new(Arc::default()));
        let standing = Standing::new(Arc::clone(&resting));
        standing.waits(true);
        drop(standing);
        assert_eq!(resting.count(), 0);
    }
}
