//! Leases and claims: who may run the root, and what a successor makes of what it finds.

use drydock::domain::{Policy, TaskStatus};

use super::action::Heard;
use super::event::{Model, die, know_stop};
use super::mutation::Mutation;
use super::replica::{Line, Renewal, Run, Stage};
use super::world::World;

/// How the owner before left what it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Between two calls.
    Released,
    /// Nobody knows how.
    Vanished,
}

impl Model {
    pub(super) fn grant(&self, world: &mut World, at: usize) {
        let Renewal::Sent(age) = world.replicas[at].renewal else {
            return;
        };
        let instance = world.instance(at);
        let alive = world.leases.get(&instance).is_some_and(|left| *left > 0);
        world.replicas[at].renewal = if alive || self.has(Mutation::RenewalAfterExpiry) {
            world.leases.insert(instance, self.limits.lease);
            Renewal::Granted(age)
        } else {
            Renewal::Refused
        };
    }

    pub(super) fn hear_renewal(&self, world: &mut World, at: usize) {
        let replica = &mut world.replicas[at];
        let renewal = std::mem::replace(&mut replica.renewal, Renewal::None);
        let Renewal::Granted(age) = renewal else {
            return self.lose_life(world, at);
        };
        if replica.left == 0 && !self.has(Mutation::RenewalAfterExpiry) {
            return self.lose_life(world, at);
        }
        replica.left = self.limits.lease - age;
        if self.has(Mutation::NoLook) || world.owner != Some(world.instance(at)) {
            return;
        }
        // It looks what became of its roots: a stop whose hint was lost, a claim whose answer was.
        if world.replicas[at].run.is_none() && world.tree.root.is_open() {
            let epoch = world.epoch;
            self.take(world, at, epoch, Left::Vanished, self.limits.quarantine);
        } else if world.root() == TaskStatus::Terminating {
            know_stop(world, at);
        }
    }

    /// Another life, without roots. The last one is not followed further.
    pub(super) fn lose_life(&self, world: &mut World, at: usize) {
        if world.replicas[at].life + 1 < self.limits.lives {
            world.begin_life(at, self.limits.lease);
        } else {
            die(world, at);
        }
    }

    pub(super) fn claim(&self, world: &mut World, at: usize, heard: Heard) {
        let left = if world.released {
            Left::Released
        } else {
            Left::Vanished
        };
        let waits = self.limits.shared && left == Left::Vanished && world.owner.is_some();
        let quarantine = if waits { self.limits.quarantine } else { 0 };
        if let Some(owner) = world.owner {
            // Buried: it can never be renewed.
            world.leases.remove(&owner);
        }
        world.owner = Some(world.instance(at));
        world.released = false;
        world.epoch += 1;
        match heard {
            Heard::Yes => {
                let epoch = world.epoch;
                self.take(world, at, epoch, left, quarantine);
            }
            Heard::Lost => world.lost_answers_left -= 1,
        }
    }

    /// Begins to run the root as it stands in the database.
    fn take(&self, world: &mut World, at: usize, epoch: u8, left: Left, quarantine: u8) {
        let lines = (0..self.limits.nodes.len()).map(|node| {
            let step = world.tree.open_step(node)?;
            let stage = match (left, self.limits.nodes[node][step]) {
                (_, Policy::Observe | Policy::Converge) => Stage::Ready,
                (_, _) if self.has(Mutation::RepeatOnRecovery) => Stage::Ready,
                (_, Policy::Guarded) => Stage::Find,
                (Left::Released, Policy::Once) => Stage::Poll,
                (Left::Vanished, Policy::Once) => Stage::Lost,
            };
            Some(Line {
                step,
                stage,
                found: left == Left::Vanished && stage != Stage::Lost,
            })
        });
        let lines: Vec<Option<Line>> = lines.collect();
        let quarantine = if lines.iter().flatten().any(|line| line.found) {
            quarantine
        } else {
            0
        };
        world.replicas[at].run = Some(Run {
            epoch,
            quarantine,
            stop_known: world.root() == TaskStatus::Terminating,
            lines,
        });
    }
}
