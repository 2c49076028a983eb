//! What comes of something that happens.

use drydock::domain::{Cause, TaskStatus};

use super::action::{Action, Heard};
use super::commit::{Answer, commit};
use super::limits::Limits;
use super::line::{find, land, send};
use super::mutation::Mutation;
use super::replica::{Process, Renewal, Stage};
use super::tree::{Change, Place};
use super::world::World;

pub(super) const RUNNING: &[TaskStatus] = &[TaskStatus::Running];
pub(super) const OPEN: &[TaskStatus] = &[TaskStatus::Running, TaskStatus::Terminating];

/// The model: how large, and with which fault.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) limits: Limits,
    pub(crate) mutation: Option<Mutation>,
}

impl Model {
    /// The world after `action`, which is possible in `world`.
    pub(crate) fn after(&self, world: &World, action: Action) -> World {
        let mut world = world.clone();
        let limits = &self.limits;
        match action {
            Action::Tick => self.tick(&mut world),
            Action::Terminate => terminate(&mut world),
            Action::Ring(at) => know_stop(&mut world, at),

            Action::Renew(at) => {
                world.replicas[at].renewal = Renewal::Sent(0);
                if !limits.slow_renewals {
                    self.grant(&mut world, at);
                    self.hear_renewal(&mut world, at);
                }
            }
            Action::Grant(at) => self.grant(&mut world, at),
            Action::HearRenewal(at) => self.hear_renewal(&mut world, at),
            Action::LoseLife(at) => self.lose_life(&mut world, at),
            Action::Claim(at, heard) => self.claim(&mut world, at, heard),

            Action::StartRoot(at) => {
                let change = Change::Move(Place::Root, TaskStatus::Running, Cause::Scheduler);
                self.write(&mut world, at, &[TaskStatus::Queued], &[change]);
            }
            Action::QueueTimeout(at) => {
                let change = Change::Move(Place::Root, TaskStatus::Complete, Cause::Timeout);
                self.write(&mut world, at, &[TaskStatus::Queued], &[change]);
            }
            Action::TimeOut(at) => {
                let change = Change::Move(Place::Root, TaskStatus::Terminating, Cause::Timeout);
                if self.write(&mut world, at, RUNNING, &[change]) {
                    know_stop(&mut world, at);
                }
            }
            Action::BeginNode(at, node, heard) => self.begin_node(&mut world, at, node, heard),
            Action::Find(at, node) => find(&mut world, at, node),
            Action::Start(at, node) => world.replicas[at].advance(node, Stage::InCall(0)),
            Action::Send(at, node) => send(&mut world, at, node, false),
            Action::GiveUp(at, node) => self.give_up(&mut world, at, node),
            Action::Land(at) => land(&mut world, at),
            Action::Over(at, node) => world.replicas[at].advance(node, Stage::Ended),
            Action::Advance(at, node, outcome, heard) => {
                self.advance(&mut world, at, node, outcome, heard);
            }
            Action::WriteAgain(at, node) => self.write_again(&mut world, at, node),
            Action::Wind(at, node) => self.wind(&mut world, at, node),
            Action::Settle(at, node, settled) => self.settle(&mut world, at, node, settled),
            Action::Finish(at, heard) => self.finish(&mut world, at, heard),

            Action::Crash(at) => {
                world.faults_left -= 1;
                die(&mut world, at);
            }
            Action::Restart(at) => world.begin_life(at, limits.lease),
            Action::Freeze(at) => {
                world.faults_left -= 1;
                world.replicas[at].process = Process::Frozen;
            }
            Action::FreezeInCall(at) => {
                world.inner_freezes_left -= 1;
                world.replicas[at].process = Process::FrozenInCall;
            }
            Action::Wake(at) => wake(&mut world, at),
            Action::Release(at) => {
                world.faults_left -= 1;
                world.released = true;
                let instance = world.instance(at);
                world.leases.remove(&instance);
                die(&mut world, at);
            }
        }
        world
    }

    pub(super) fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Commits an owner's changes and follows the refusal; true: they are committed.
    pub(super) fn write(
        &self,
        world: &mut World,
        at: usize,
        allowed: &[TaskStatus],
        changes: &[Change],
    ) -> bool {
        let Some(epoch) = world.replicas[at].run.as_ref().map(|run| run.epoch) else {
            return false;
        };
        let answer = commit(world, self.mutation, epoch, allowed, changes);
        match answer {
            Answer::Committed => {}
            Answer::Conflict if world.root() == TaskStatus::Terminating => know_stop(world, at),
            Answer::Fenced | Answer::Conflict => world.replicas[at].run = None,
        }
        if self.has(Mutation::EventApart) && answer == Answer::Committed && world.faults_left > 0 {
            // The crash comes between the rows and their events.
            world.faults_left -= 1;
            world.journal -= 1;
        }
        answer == Answer::Committed
    }

    fn tick(&self, world: &mut World) {
        let limits = &self.limits;
        // Of a replica that has nothing to do with the root only that it lives is of interest.
        let involved: Vec<bool> = (0..limits.replicas)
            .map(|at| world.replicas[at].run.is_some() || world.owner == Some(world.instance(at)))
            .collect();
        if limits.shared {
            for (instance, left) in &mut world.leases {
                let current = world.replicas[instance.replica].life == instance.life;
                if involved[instance.replica] || !current {
                    *left = left.saturating_sub(1);
                }
            }
            let lives: Vec<u8> = world.replicas.iter().map(|one| one.life).collect();
            let owner = world.owner;
            // Nobody will ever ask for these again.
            world.leases.retain(|instance, left| {
                *left > 0 || lives[instance.replica] == instance.life || Some(*instance) == owner
            });
        }
        for (at, replica) in world.replicas.iter_mut().enumerate() {
            if limits.shared && involved[at] {
                replica.left = replica.left.saturating_sub(1);
            }
            match &mut replica.renewal {
                Renewal::Sent(age) | Renewal::Granted(age) => *age = (*age + 1).min(limits.lease),
                Renewal::None | Renewal::Refused => {}
            }
            if let Some(run) = &mut replica.run {
                run.quarantine = run.quarantine.saturating_sub(1);
                for line in run.lines.iter_mut().flatten() {
                    if let Stage::InCall(age) = &mut line.stage {
                        *age = (*age + 1).min(limits.call_timeout + 1);
                    }
                }
            }
        }
        for call in &mut world.wire {
            call.age += 1;
        }
        let Some(clock) = limits.clock else { return };
        world.now += 1;
        if world.root() == TaskStatus::Terminating {
            world.stopping_for += 1;
        }
        for node in 0..limits.nodes.len() {
            let runs = world.tree.open_step(node).is_some();
            let age = &mut world.step_ages[node];
            *age = if runs {
                (*age + 1).min(clock.step_timeout)
            } else {
                0
            };
        }
    }

    fn finish(&self, world: &mut World, at: usize, heard: Heard) {
        let stops = world.replicas[at]
            .run
            .as_ref()
            .is_some_and(|run| run.stop_known);
        let (allowed, to) = match (stops, world.tree.stop_recorded) {
            (false, _) => (TaskStatus::Running, TaskStatus::Complete),
            (true, true) => (TaskStatus::Terminating, TaskStatus::Terminated),
            (true, false) => (TaskStatus::Terminating, TaskStatus::Complete),
        };
        let change = Change::Move(Place::Root, to, Cause::Executor);
        if self.write(world, at, &[allowed], &[change]) {
            match heard {
                Heard::Yes => world.replicas[at].run = None,
                Heard::Lost => world.lost_answers_left -= 1,
            }
        }
    }
}

pub(super) fn die(world: &mut World, at: usize) {
    let replica = &mut world.replicas[at];
    replica.process = Process::Dead;
    replica.renewal = Renewal::None;
    replica.run = None;
    replica.left = 0;
}

fn terminate(world: &mut World) {
    let to = match world.root() {
        TaskStatus::Queued => TaskStatus::Terminated,
        TaskStatus::Requested
        | TaskStatus::Running
        | TaskStatus::Terminating
        | TaskStatus::Complete
        | TaskStatus::Terminated => TaskStatus::Terminating,
    };
    world.change(Change::Move(Place::Root, to, Cause::Client));
    world.stop_acknowledged = true;
}

pub(super) fn know_stop(world: &mut World, at: usize) {
    if let Some(run) = &mut world.replicas[at].run {
        run.stop_known = true;
    }
}

fn wake(world: &mut World, at: usize) {
    let inside = world.replicas[at].process == Process::FrozenInCall;
    world.replicas[at].process = Process::Runs;
    let nodes = world.acts.len();
    for node in (0..nodes).filter(|_| inside) {
        let line = world.replicas[at].line(node);
        if line.is_some_and(|line| matches!(line.stage, Stage::InCall(_))) {
            // What it had checked before counts for nothing, and it does not know.
            send(world, at, node, true);
        }
    }
}
