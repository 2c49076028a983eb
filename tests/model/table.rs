//! The model makes every move of the domain's table, but for those named here. A new row of the
//! table has to be put into the model, or to be named.

use std::collections::{BTreeSet, HashSet};

use drydock::domain::state::MOVES;
use drydock::domain::{Policy, TaskStatus};

use super::action::possible;
use super::event::Model;
use super::limits::Limits;
use super::tree::{Place, Tree};
use super::world::World;

/// Whether it is a root's, and from where to where.
type Seen = (bool, TaskStatus, TaskStatus);

/// A root is created queued, in one commit, and so is a subtask that runs at once; subtasks that
/// wait in the queue wait for the lock of another root, and there is one root here.
const OUTSIDE: [Seen; 5] = [
    (true, TaskStatus::Requested, TaskStatus::Queued),
    (true, TaskStatus::Requested, TaskStatus::Terminated),
    (false, TaskStatus::Requested, TaskStatus::Queued),
    (false, TaskStatus::Requested, TaskStatus::Terminated),
    (false, TaskStatus::Queued, TaskStatus::Terminated),
];

#[test]
fn every_move_of_the_table_is_made() {
    let model = Model {
        limits: Limits {
            replicas: 1,
            shared: false,
            timeouts: true,
            dead_calls_land: false,
            ..Limits::of(&[Policy::Once])
        },
        mutation: None,
    };
    let mut made: BTreeSet<Seen> = OUTSIDE.into();
    // Both moves of a subtask that is added running.
    made.insert((false, TaskStatus::Queued, TaskStatus::Running));
    let mut known = HashSet::new();
    let mut next = vec![World::new(&model.limits)];
    while let Some(world) = next.pop() {
        for action in possible(&world, &model.limits, None) {
            let after = model.after(&world, action);
            made.extend(moves(&world.tree, &after.tree));
            if known.insert(after.clone()) {
                next.push(after);
            }
        }
    }
    let table = MOVES.iter().flat_map(|entry| {
        let root = (!entry.root_causes.is_empty()).then_some((true, entry.from, entry.to));
        let subtask = (!entry.subtask_causes.is_empty()).then_some((false, entry.from, entry.to));
        root.into_iter().chain(subtask)
    });
    let table: BTreeSet<Seen> = table.collect();
    assert_eq!(made, table);
}

/// The moves between two trees of one node with one step.
fn moves(before: &Tree, after: &Tree) -> Vec<Seen> {
    let places = [Place::Root, Place::Node(0), Place::Step(0, 0)];
    let moved = places.into_iter().filter_map(|place| {
        let (from, to) = (before.row(place)?.status, after.row(place)?.status);
        (from != to).then_some((place == Place::Root, from, to))
    });
    moved.collect()
}
