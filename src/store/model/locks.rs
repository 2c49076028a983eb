//! Node locks: as [`super::super::lock`] has them.

use super::super::write::{NodeLock, RootChange, TreeWrite};
use super::tables::Tables;
use crate::domain::{TaskId, TaskStatus};

impl Tables {
    /// The root that keeps `root` from having a lock; none: it can have it.
    pub(super) fn holder(&self, lock: &NodeLock, root: TaskId) -> Option<TaskId> {
        match self.locks.get(lock) {
            Some(holder) => (*holder != root).then_some(*holder),
            None => self.older_waiter(lock, root),
        }
    }

    /// Whether a queued root waits for a lock that it would not get.
    pub(super) fn would_wait(&self, root: TaskId) -> bool {
        let queued = self
            .tasks
            .get(&root)
            .is_some_and(|task| task.status == TaskStatus::Queued);
        let mut waits = self.waiters.iter().filter(|(_, waiter)| *waiter == root);
        queued
            && waits.any(|(lock, _)| {
                self.locks.get(lock).is_some_and(|holder| *holder != root)
                    || self.older_waiter(lock, root).is_some()
            })
    }

    /// Takes, waits for and gives back what a write that was applied asks for.
    pub(super) fn note_locks(&mut self, write: &TreeWrite) {
        let root = write.root_task_id;
        if let Some(lock) = &write.lock {
            self.locks.insert(lock.clone(), root);
        }
        if let Some(lock) = &write.wait_for {
            self.waiters.insert((lock.clone(), root));
        }
        if let Some(lock) = &write.unlock {
            if self.locks.get(lock) == Some(&root) {
                self.locks.remove(lock);
            }
            self.waiters.remove(&(lock.clone(), root));
        }
        if matches!(write.root, RootChange::Finish(_)) {
            self.forget_locks(root);
        }
    }

    /// Removes every lock and place in line of a root.
    pub(super) fn forget_locks(&mut self, root: TaskId) {
        self.locks.retain(|_, holder| *holder != root);
        self.waiters.retain(|(_, waiter)| *waiter != root);
    }

    /// The oldest root before `root` that waits for a lock and is not to stop.
    fn older_waiter(&self, lock: &NodeLock, root: TaskId) -> Option<TaskId> {
        let mut waiters = self.waiters.iter().filter(|(waits, _)| waits == lock);
        let goes_on = |id: &TaskId| {
            self.tasks
                .get(id)
                .is_some_and(|task| task.status < TaskStatus::Terminating)
        };
        waiters
            .find(|(_, waiter)| *waiter < root && goes_on(waiter))
            .map(|(_, waiter)| *waiter)
    }
}
