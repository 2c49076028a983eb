//! What a driver remembers of steps between two calls: for a while, and not for ever.
//!
//! It is lost with the process. Whoever uses it says what a successor does without it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::domain::TaskId;

/// Steps that are remembered: several times as many as run at once on one replica, so that only what
/// was given up long ago is forgotten.
const MAX_STEPS: usize = 16 * 1024;

/// A memory of steps.
#[derive(Debug)]
pub(super) struct Recent<T> {
    inner: Mutex<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    steps: HashMap<TaskId, T>,
    /// In the order in which they are forgotten; may name steps that are gone.
    order: VecDeque<TaskId>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                steps: HashMap::new(),
                order: VecDeque::new(),
            }),
        }
    }
}

impl<T: Clone> Recent<T> {
    /// What is remembered of a step.
    pub(super) fn get(&self, step: TaskId) -> Option<T> {
        self.inner().steps.get(&step).cloned()
    }

    /// Remembers a step, in place of what was remembered of it.
    pub(super) fn put(&self, step: TaskId, what: T) {
        let mut inner = self.inner();
        if inner.steps.insert(step, what).is_none() {
            inner.order.push_back(step);
        }
        while inner.order.len() > MAX_STEPS {
            if let Some(oldest) = inner.order.pop_front() {
                inner.steps.remove(&oldest);
            }
        }
    }

    /// Forgets a step, which is over.
    pub(super) fn remove(&self, step: TaskId) {
        let mut inner = self.inner();
        if inner.steps.remove(&step).is_some() {
            // Steps end in about the order in which they begin, so it is near the front.
            if let Some(place) = inner.order.iter().position(|known| *known == step) {
                inner.order.remove(place);
            }
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner<T>> {
        // Every change is complete before anything that could panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_steps_are_forgotten() {
        let recent = Recent::default();
        let first = TaskId::new_root();
        let second = TaskId::new_root();
        recent.put(first, 1);
        recent.put(second, 2);
        recent.put(first, 3);
        assert_eq!(recent.get(first), Some(3));
        for _ in 0..MAX_STEPS - 1 {
            recent.put(TaskId::new_root(), 0);
        }
        assert_eq!((recent.get(first), recent.get(second)), (None, Some(2)));
        recent.remove(second);
        assert_eq!(recent.get(second), None);
        let inner = recent.inner();
        assert_eq!(inner.order.len(), inner.steps.len());
    }
}
