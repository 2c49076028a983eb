//! How an owner writes to its tree: one transaction, under its epoch, for the statuses it is for.

use drydock::domain::{Cause, TaskStatus};

use super::mutation::Mutation;
use super::tree::{Change, Place};
use super::world::World;

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is committed, now or before.
    Committed,
    /// The tree is another's.
    Fenced,
    /// The root is in another status than the write is for.
    Conflict,
}

/// Commits the changes of a replica that writes with `epoch`, all of them or none.
pub(crate) fn commit(
    world: &mut World,
    mutation: Option<Mutation>,
    epoch: u8,
    allowed: &[TaskStatus],
    changes: &[Change],
) -> Answer {
    let stale = epoch != world.epoch;
    if stale {
        if mutation != Some(Mutation::UnfencedWrite) {
            return Answer::Fenced;
        }
        world.wrong.stale_write = true;
        for change in changes {
            world.force(*change);
        }
        return Answer::Committed;
    }
    let again = !changes.is_empty() && changes.iter().all(|change| world.tree.has(*change));
    if again && mutation != Some(Mutation::DuplicateChild) {
        return Answer::Committed;
    }
    if !allowed.contains(&world.root()) {
        let blind = mutation == Some(Mutation::ClearedTerminate)
            && world.root() == TaskStatus::Terminating
            && allowed.contains(&TaskStatus::Running);
        if !blind {
            return Answer::Conflict;
        }
        world.tree.root.status = TaskStatus::Running;
        world.tree.stop_recorded = false;
    }
    for change in changes {
        let child = matches!(change, Change::Add(_)) && world.tree.has(*change);
        let early = mutation == Some(Mutation::ParentClosedEarly)
            && matches!(change, Change::Move(Place::Root, ..));
        if child || early {
            world.force(*change);
        } else {
            world.change(*change);
        }
    }
    Answer::Committed
}

/// The changes that add a task and bring it to running at once.
pub(crate) fn begun(place: Place) -> [Change; 3] {
    [
        Change::Add(place),
        Change::Move(place, TaskStatus::Queued, Cause::Executor),
        Change::Move(place, TaskStatus::Running, Cause::Executor),
    ]
}
