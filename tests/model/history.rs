//! Histories as streams tell them, replayed through the rules of the model's tree.

use std::collections::{HashMap, HashSet};

use drydock::domain::Action;
use drydock::domain::{Cause, TaskStatus, plan};
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{StatusChanged, Task, TaskEvent};

use super::tree::{Change, Illegal, Place, Tree};

/// Replays everything that was told of one root and gives the tree it ends with. Every change is
/// one of the model's, in an order that the model allows, and every task reaches its end.
pub(crate) fn replay(action: Action, events: &[TaskEvent]) -> Result<Tree, Illegal> {
    let nodes = events.iter().filter_map(|event| match &event.event {
        Some(Arm::SubtaskAdded(task)) if task.step.is_empty() => Some(ordinal(task)),
        _ => None,
    });
    let nodes = nodes.max().map_or(0, |last| last + 1);
    let steps = plan::steps(action).len();
    let mut replay = Replay {
        tree: Tree::new(std::iter::repeat_n(steps, nodes)),
        places: HashMap::new(),
        revisions: HashMap::new(),
        finished: HashSet::new(),
        last: 0,
    };
    for event in events {
        replay
            .follow(event)
            .map_err(|problem| Illegal(format!("sequence {}: {problem}", event.sequence)))?;
    }
    replay.end()
}

struct Replay {
    tree: Tree,
    places: HashMap<String, Place>,
    revisions: HashMap<String, i64>,
    /// Tasks whose ends were told.
    finished: HashSet<Place>,
    last: i64,
}

impl Replay {
    fn follow(&mut self, event: &TaskEvent) -> Result<(), Illegal> {
        if event.sequence <= self.last {
            return illegal(format!("it does not follow {}", self.last));
        }
        self.last = event.sequence;
        match &event.event {
            Some(Arm::TaskCreated(_)) => {
                if !self.places.is_empty() {
                    return illegal("the root is created again");
                }
                self.places.insert(event.task_id.clone(), Place::Root);
                self.revise(event, None)
            }
            Some(Arm::SubtaskAdded(task)) => self.add(event, task),
            Some(Arm::StatusChanged(change)) => self.moved(event, change),
            Some(Arm::TaskFinished(_)) => {
                let place = self.place(&event.task_id)?;
                if self.tree.row(place).is_none_or(|row| row.is_open()) {
                    return illegal(format!("{place:?} is not over"));
                }
                if !self.finished.insert(place) {
                    return illegal(format!("the end of {place:?} is told twice"));
                }
                Ok(())
            }
            // These change no status.
            Some(
                Arm::ResultChanged(_)
                | Arm::MessageAdded(_)
                | Arm::ProgressChanged(_)
                | Arm::BuildDataAdded(_)
                | Arm::Heartbeat(_),
            ) => Ok(()),
            Some(Arm::Snapshot(_) | Arm::SnapshotComplete(_) | Arm::TaskPurged(_)) | None => {
                illegal("it is not of a history")
            }
        }
    }

    fn add(&mut self, event: &TaskEvent, task: &Task) -> Result<(), Illegal> {
        let parent = event.parent_task_id.as_deref().unwrap_or_default();
        let place = match self.place(parent)? {
            Place::Root => Place::Node(ordinal(task)),
            Place::Node(node) => Place::Step(node, ordinal(task)),
            Place::Step(..) => return illegal("a step has a child"),
        };
        self.tree.apply(Change::Add(place))?;
        self.places.insert(event.task_id.clone(), place);
        self.revise(event, None)
    }

    fn moved(&mut self, event: &TaskEvent, change: &StatusChanged) -> Result<(), Illegal> {
        let place = self.place(&event.task_id)?;
        let known = |number: i32| i16::try_from(number).ok();
        let status = |number| known(number).and_then(TaskStatus::from_number);
        let cause = known(change.cause).and_then(Cause::from_number);
        let (Some(from), Some(to), Some(cause)) =
            (status(change.previous_status), status(change.status), cause)
        else {
            return illegal("an unknown status or cause");
        };
        let before = self.tree.row(place).map(|row| row.status);
        if before != Some(from) {
            return illegal(format!("{place:?} leaves {from}, it was {before:?}"));
        }
        if to.is_terminal() {
            self.told_below(place)?;
        }
        self.tree.apply(Change::Move(place, to, cause))?;
        self.revise(event, self.revisions.get(&event.task_id).copied())
    }

    /// What is below a task has told its end before the task moves to its own.
    fn told_below(&self, place: Place) -> Result<(), Illegal> {
        let below = |other: &Place| match (place, other) {
            (Place::Root, other) => *other != Place::Root,
            (Place::Node(node), Place::Step(of, _)) => node == *of,
            (Place::Node(_) | Place::Step(..), _) => false,
        };
        let mut untold = self.places.values().filter(|other| below(other));
        match untold.find(|other| !self.finished.contains(other)) {
            Some(other) => illegal(format!("the end of {other:?} is not told before")),
            None => Ok(()),
        }
    }

    /// A move is one more revision; a root has others between its moves.
    fn revise(&mut self, event: &TaskEvent, before: Option<i64>) -> Result<(), Illegal> {
        if before.is_some_and(|before| event.revision <= before) {
            return illegal(format!("revision {} is not new", event.revision));
        }
        self.revisions.insert(event.task_id.clone(), event.revision);
        Ok(())
    }

    fn place(&self, task_id: &str) -> Result<Place, Illegal> {
        let place = self.places.get(task_id).copied();
        place.ok_or_else(|| Illegal(format!("task {task_id} was not added")))
    }

    fn end(self) -> Result<Tree, Illegal> {
        let rows = self.tree.rows().count();
        if self.tree.rows().any(|row| row.is_open()) {
            return illegal("a task is not over");
        }
        if self.finished.len() != rows {
            return illegal(format!(
                "{} ends are told of {rows} tasks",
                self.finished.len()
            ));
        }
        Ok(self.tree)
    }
}

fn illegal<T>(problem: impl Into<String>) -> Result<T, Illegal> {
    Err(Illegal(problem.into()))
}

fn ordinal(task: &Task) -> usize {
    task.ordinal
        .and_then(|ordinal| usize::try_from(ordinal).ok())
        .unwrap_or(usize::MAX)
}
