//! What a runner does with a node: the calls of a step, and the writes before and after them.

use drydock::domain::{Cause, Policy, TaskStatus};

use super::action::{Heard, Outcome, Settled};
use super::commit::begun;
use super::event::{Model, OPEN, RUNNING};
use super::mutation::Mutation;
use super::replica::{Line, Stage, Write};
use super::tree::{Change, Place};
use super::world::World;

impl Model {
    pub(super) fn begin_node(&self, world: &mut World, at: usize, node: usize, heard: Heard) {
        let mut changes = begun(Place::Node(node)).to_vec();
        changes.extend(begun(Place::Step(node, 0)));
        if self.has(Mutation::SideEffectBeforeCommit) {
            return answered(world, at, node, Some(0));
        }
        if self.write(world, at, RUNNING, &changes) {
            match heard {
                Heard::Yes => answered(world, at, node, Some(0)),
                Heard::Lost => unanswered(world, at, node, 0, Write::Begin),
            }
        }
    }

    pub(super) fn give_up(&self, world: &mut World, at: usize, node: usize) {
        let Some(line) = world.replicas[at].line(node) else {
            return;
        };
        let instance = world.instance(at);
        if !self.limits.given_up_calls_land {
            world
                .wire
                .retain(|call| call.instance != instance || call.node != node);
        }
        let stage = match self.limits.nodes[node][line.step] {
            Policy::Observe | Policy::Converge => Stage::Ready,
            Policy::Guarded => Stage::Find,
            Policy::Once => Stage::Ended,
        };
        world.replicas[at].advance(node, stage);
    }

    pub(super) fn advance(
        &self,
        world: &mut World,
        at: usize,
        node: usize,
        outcome: Outcome,
        heard: Heard,
    ) {
        let Some(line) = world.replicas[at].line(node) else {
            return;
        };
        let cause = if line.stage == Stage::Lost {
            Cause::LeaseExpired
        } else {
            Cause::Executor
        };
        let mut changes = vec![Change::Move(
            Place::Step(node, line.step),
            TaskStatus::Complete,
            cause,
        )];
        let next = line.step + 1;
        let failed = outcome == Outcome::Failed || line.stage == Stage::Lost;
        let next = (!failed && next < self.limits.nodes[node].len()).then_some(next);
        match next {
            Some(step) => changes.extend(begun(Place::Step(node, step))),
            None => changes.push(Change::Move(
                Place::Node(node),
                TaskStatus::Complete,
                Cause::Executor,
            )),
        }
        if self.write(world, at, RUNNING, &changes) {
            match heard {
                Heard::Yes => answered(world, at, node, next),
                Heard::Lost => unanswered(world, at, node, line.step, Write::Advance(outcome)),
            }
        }
    }

    pub(super) fn write_again(&self, world: &mut World, at: usize, node: usize) {
        let Some(Line {
            stage: Stage::Unanswered(write),
            ..
        }) = world.replicas[at].line(node)
        else {
            return;
        };
        match write {
            Write::Begin => self.begin_node(world, at, node, Heard::Yes),
            Write::Advance(outcome) => self.advance(world, at, node, outcome, Heard::Yes),
        }
    }

    pub(super) fn wind(&self, world: &mut World, at: usize, node: usize) {
        let Some(line) = world.replicas[at].line(node) else {
            return;
        };
        // Top down, and only what runs.
        let places = [Place::Node(node), Place::Step(node, line.step)];
        let runs = |place: &Place| {
            let row = world.tree.row(*place);
            row.is_some_and(|row| row.status == TaskStatus::Running)
        };
        let changes: Vec<Change> = places
            .into_iter()
            .filter(runs)
            .map(|place| Change::Move(place, TaskStatus::Terminating, Cause::Parent))
            .collect();
        if self.write(world, at, OPEN, &changes) && line.stage != Stage::Lost {
            world.replicas[at].advance(node, Stage::Winding);
        }
    }

    pub(super) fn settle(&self, world: &mut World, at: usize, node: usize, settled: Settled) {
        let Some(line) = world.replicas[at].line(node) else {
            return;
        };
        let to = match settled {
            Settled::Stopped => TaskStatus::Terminated,
            Settled::Ended => TaskStatus::Complete,
        };
        let cause = if line.stage == Stage::Lost {
            Cause::LeaseExpired
        } else {
            Cause::Executor
        };
        let last = line.step + 1 == self.limits.nodes[node].len() || line.stage == Stage::Lost;
        let node_to = if last { to } else { TaskStatus::Terminated };
        let changes = [
            Change::Move(Place::Step(node, line.step), to, cause),
            Change::Move(Place::Node(node), node_to, Cause::Executor),
        ];
        if self.write(world, at, OPEN, &changes) {
            answered(world, at, node, None);
        }
    }
}

pub(super) fn find(world: &mut World, at: usize, node: usize) {
    let Some(line) = world.replicas[at].line(node) else {
        return;
    };
    let marked = world.acts[node][line.step].any();
    let stage = if marked { Stage::Poll } else { Stage::Ready };
    if let Some(Some(line)) = world.replicas[at].line_mut(node) {
        *line = Line {
            stage,
            found: false,
            ..*line
        };
    }
}

pub(super) fn send(world: &mut World, at: usize, node: usize, late: bool) {
    let Some(line) = world.replicas[at].line(node) else {
        return;
    };
    let recorded = world.tree.row(Place::Step(node, line.step));
    if recorded.is_none_or(|row| row.status == TaskStatus::Requested) {
        world.wrong.unrecorded_call = true;
    }
    world.send(at, node, line.step, late);
    if let Some(Some(line)) = world.replicas[at].line_mut(node) {
        *line = Line {
            stage: Stage::Sent,
            found: false,
            ..*line
        };
    }
}

pub(super) fn land(world: &mut World, at: usize) {
    let call = world.wire.remove(at);
    let acts = &mut world.acts[call.node][call.step];
    if call.late {
        acts.late = (acts.late + 1).min(2);
    } else {
        acts.timely = (acts.timely + 1).min(2);
    }
    let replica = &mut world.replicas[call.instance.replica];
    // Its maker hears of it only if it still waits for just this.
    let waits = replica.life == call.instance.life
        && replica
            .line(call.node)
            .is_some_and(|line| line.step == call.step && line.stage == Stage::Sent);
    if waits {
        replica.advance(call.node, Stage::Poll);
    }
}

/// What a replica goes on with once a write was committed.
fn answered(world: &mut World, at: usize, node: usize, next: Option<usize>) {
    world.step_ages[node] = 0;
    if let Some(line) = world.replicas[at].line_mut(node) {
        *line = next.map(|step| Line {
            step,
            stage: Stage::Ready,
            found: false,
        });
    }
}

/// A write was committed, and its answer is lost.
fn unanswered(world: &mut World, at: usize, node: usize, step: usize, write: Write) {
    world.lost_answers_left -= 1;
    if let Some(line) = world.replicas[at].line_mut(node) {
        *line = Some(Line {
            step,
            stage: Stage::Unanswered(write),
            found: false,
        });
    }
}
