//! Instances, their leases, and what they own: as [`super::super::lease`] and [`super::super::claim`]
//! have them on a database that is shared.

use std::time::Duration;

use super::super::Renewal;
use super::super::claim::Wanted;
use super::super::read::View;
use super::super::write::{Claimed, OpenTree, PreviousOwner};
use super::tables::{Lease, Tables};
use crate::clock;
use crate::domain::{InstanceId, Task, TaskId, TaskStatus};
use crate::seeded::{Bug, seeded};

impl Tables {
    /// Registers an instance; one that is there keeps living, and one that died stays dead.
    pub(super) fn register(&mut self, instance: InstanceId, lease: Duration) {
        if !self.instances.contains_key(&instance) || self.lives(instance) {
            self.extend(instance, lease);
        }
    }

    pub(super) fn renew(&mut self, instance: InstanceId, lease: Duration) -> Renewal {
        let known = self.instances.contains_key(&instance);
        if known && (self.lives(instance) || seeded(Bug::RenewalAfterExpiry)) {
            self.extend(instance, lease);
            Renewal::Renewed
        } else {
            Renewal::Lost
        }
    }

    /// Lets a lease run out.
    pub(super) fn expire(&mut self, instance: InstanceId) {
        if let Some(lease) = self.instances.get_mut(&instance) {
            lease.expires = clock::now() - Duration::from_secs(1);
        }
    }

    pub(super) fn release(&mut self, instance: InstanceId) {
        for (id, root) in &mut self.roots {
            let ended = self
                .tasks
                .get(id)
                .is_none_or(|task| task.status.is_terminal());
            if root.owner == Some(instance) && !ended {
                root.released = true;
            }
        }
        self.instances.remove(&instance);
    }

    pub(super) fn give_back(&mut self, instance: InstanceId, id: TaskId) {
        let queued = self
            .tasks
            .get(&id)
            .is_some_and(|task| task.status == TaskStatus::Queued);
        if let Some(root) = self.roots.get_mut(&id)
            && root.owner == Some(instance)
            && queued
        {
            root.owner = None;
        }
    }

    /// Takes claimable roots, oldest first.
    pub(super) fn claim(
        &mut self,
        instance: InstanceId,
        wanted: Wanted,
        limit: u32,
    ) -> Vec<Claimed> {
        let now = clock::now();
        self.instances.retain(|_, lease| lease.expires > now);
        let mut found = self.claimable(instance, |tables, task| {
            let root = &tables.roots[&task.task_id];
            let dead = root
                .owner
                .is_none_or(|owner| !tables.instances.contains_key(&owner));
            (root.released || dead)
                && match wanted {
                    Wanted::All => !tables.would_wait(task.task_id),
                    Wanted::Abandoned => root.owner.is_some(),
                    Wanted::QueuedBefore(moment) => {
                        task.status == TaskStatus::Queued && task.created < moment
                    }
                }
        });
        if matches!(wanted, Wanted::Abandoned) {
            found.sort_by_key(|id| (self.roots[id].owner, self.tasks[id].created));
        }
        found.truncate(limit as usize);
        // However they were found, they are told of oldest first.
        found.sort_by_key(|id| (self.tasks[id].created, *id));
        found
            .into_iter()
            .map(|id| self.take(instance, id))
            .collect()
    }

    /// Takes roots that nobody owns, oldest first.
    pub(super) fn claim_free(&mut self, instance: InstanceId, limit: u32) -> Vec<Claimed> {
        let mut found = self.claimable(instance, |tables, task| {
            let root = &tables.roots[&task.task_id];
            (root.owner.is_none() || root.released) && !tables.would_wait(task.task_id)
        });
        found.truncate(limit as usize);
        found
            .into_iter()
            .map(|id| self.take(instance, id))
            .collect()
    }

    pub(super) fn owned(&self, instance: InstanceId) -> Vec<(TaskId, i64, TaskStatus)> {
        let owned = self
            .roots
            .iter()
            .filter(|(_, root)| root.owner == Some(instance));
        owned
            .map(|(id, root)| (*id, root.epoch, self.tasks[id].status))
            .filter(|(.., status)| !status.is_terminal())
            .collect()
    }

    pub(super) fn open_tree(&self, root: TaskId) -> OpenTree {
        let children: Vec<Task> = self.read(self.below(root));
        let (ended, open): (Vec<Task>, Vec<Task>) = children
            .into_iter()
            .partition(|task| task.status.is_terminal());
        let steps = ended.into_iter();
        let mut grandchildren = self.read(open.iter().flat_map(|child| self.below(child.task_id)));
        grandchildren.sort_by_key(|task| task.ordinal);
        OpenTree {
            children: open,
            grandchildren,
            ended_steps: steps
                .filter(|task| task.node_name.is_none() && task.step.is_some())
                .collect(),
        }
    }

    fn read(&self, ids: impl Iterator<Item = TaskId>) -> Vec<Task> {
        ids.filter_map(|id| self.task(id, View::Full)).collect()
    }

    fn lives(&self, instance: InstanceId) -> bool {
        let lease = self.instances.get(&instance);
        lease.is_some_and(|lease| lease.expires > clock::now())
    }

    fn extend(&mut self, instance: InstanceId, lease: Duration) {
        let renewed = clock::now();
        let expires = renewed + lease;
        self.instances.insert(instance, Lease { renewed, expires });
    }

    /// The roots that can go on and that `free` lets be taken, oldest first; none for the dead.
    fn claimable(&self, instance: InstanceId, free: impl Fn(&Self, &Task) -> bool) -> Vec<TaskId> {
        if !self.lives(instance) {
            return Vec::new();
        }
        let roots = self.roots.keys().filter_map(|id| self.tasks.get(id));
        let open = roots.filter(|task| {
            !task.status.is_terminal() && task.status >= TaskStatus::Queued && free(self, task)
        });
        let mut found: Vec<_> = open.map(|task| (task.created, task.task_id)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    fn take(&mut self, instance: InstanceId, id: TaskId) -> Claimed {
        let root = self.roots.get_mut(&id).expect("a root that was found");
        let previous = match root.owner {
            None => PreviousOwner::None,
            Some(_) if root.released => PreviousOwner::Released,
            Some(owner) => PreviousOwner::Expired(owner),
        };
        root.owner = Some(instance);
        root.released = false;
        root.epoch += 1;
        let (epoch, site) = (root.epoch, root.site.clone());
        let targets = root.target_nodes.clone();
        let stored = self.tasks.get_mut(&id).expect("a root has a task");
        if seeded(Bug::ClearedTerminate) && stored.status == TaskStatus::Terminating {
            stored.status = TaskStatus::Running;
        }
        let mut task = self.task(id, View::Full).expect("a root has a task");
        // An owner needs all of them.
        if let (Some(detail), Some(targets)) = (task.detail.as_mut(), targets) {
            detail.target_nodes = targets.to_vec();
        }
        Claimed {
            task,
            epoch,
            site,
            previous,
        }
    }
}
