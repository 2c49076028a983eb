//! The rows of one tree as the store keeps them, and the rules under which they change.
//!
//! Which task may move where, and for what cause, is the domain's own table. A change that breaks a
//! rule changes nothing: recorded histories are replayed through the same rules.

use std::fmt;

use drydock::domain::state::{Level, may_move};
use drydock::domain::{Cause, TaskStatus};

/// One task of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// The root.
    Root,
    /// A node's subtask.
    Node(usize),
    /// A step of a node, by its ordinal.
    Step(usize, usize),
}

/// One change of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    /// A subtask is added, requested.
    Add(Place),
    /// A task moves.
    Move(Place, TaskStatus, Cause),
}

/// A rule that a change breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Illegal(pub(crate) String);

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    /// Where its life stands.
    pub(crate) status: TaskStatus,
    /// Changes of it so far, its creation among them.
    pub(crate) revision: u8,
    /// How many rows are in this place; more than one: a child was created twice.
    pub(crate) copies: u8,
}

/// The subtask of a node and its steps; none: not created yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeRows {
    pub(crate) node: Option<Row>,
    pub(crate) steps: Vec<Option<Row>>,
}

/// The rows of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tree {
    pub(crate) root: Row,
    /// A caller's request to stop, once it is recorded.
    pub(crate) stop_recorded: bool,
    pub(crate) nodes: Vec<NodeRows>,
}

impl Row {
    fn new() -> Self {
        Self {
            status: TaskStatus::Requested,
            revision: 1,
            copies: 1,
        }
    }

    /// Whether it has not ended.
    pub(crate) fn is_open(&self) -> bool {
        !self.status.is_terminal()
    }
}

impl Tree {
    /// A root that was just requested, with nothing below it. `steps` are the plan's lengths, node
    /// by node.
    pub(crate) fn new(steps: impl IntoIterator<Item = usize>) -> Self {
        Self {
            root: Row::new(),
            stop_recorded: false,
            nodes: steps
                .into_iter()
                .map(|steps| NodeRows {
                    node: None,
                    steps: vec![None; steps],
                })
                .collect(),
        }
    }

    /// Changes the tree, unless a rule forbids it.
    pub(crate) fn apply(&mut self, change: Change) -> Result<(), Illegal> {
        self.allows(change)?;
        self.force(change);
        Ok(())
    }

    /// Changes the tree, whatever the rules say.
    pub(crate) fn force(&mut self, change: Change) {
        match change {
            Change::Add(place) => match self.slot(place) {
                Some(slot @ None) => *slot = Some(Row::new()),
                Some(Some(row)) => row.copies += 1,
                None => {}
            },
            Change::Move(place, to, cause) => {
                if place == Place::Root && cause == Cause::Client && to > TaskStatus::Queued {
                    self.stop_recorded = true;
                }
                if let Some(row) = self.row_mut(place) {
                    row.status = to;
                    row.revision += 1;
                }
            }
        }
    }

    /// Whether the tree is already as `change` makes it: it was committed, its answer was lost.
    pub(crate) fn has(&self, change: Change) -> bool {
        match change {
            Change::Add(place) => self.row(place).is_some(),
            Change::Move(place, to, _) => self.row(place).is_some_and(|row| row.status >= to),
        }
    }

    /// The row in a place; none: there is none yet.
    pub(crate) fn row(&self, place: Place) -> Option<Row> {
        match place {
            Place::Root => Some(self.root),
            Place::Node(node) => self.nodes.get(node)?.node,
            Place::Step(node, step) => *self.nodes.get(node)?.steps.get(step)?,
        }
    }

    /// The step of a node that is not over.
    pub(crate) fn open_step(&self, node: usize) -> Option<usize> {
        let steps = &self.nodes.get(node)?.steps;
        steps
            .iter()
            .position(|row| row.is_some_and(|row| row.is_open()))
    }

    /// Every row there is.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        let below = self.nodes.iter().flat_map(|node| {
            let steps = node.steps.iter().copied().flatten();
            node.node.into_iter().chain(steps)
        });
        std::iter::once(self.root).chain(below)
    }

    /// Whether no task is over while something below it is not.
    pub(crate) fn parents_end_last(&self) -> bool {
        let places = self.nodes.iter().enumerate().map(|(at, _)| Place::Node(at));
        std::iter::once(Place::Root).chain(places).all(|place| {
            self.row(place).is_none_or(|row| row.is_open()) || !self.any_open_below(place)
        })
    }

    /// Whether something below a place is not over.
    pub(crate) fn any_open_below(&self, place: Place) -> bool {
        let open = |row: &Option<Row>| row.is_some_and(|row| row.is_open());
        match place {
            Place::Root => self
                .nodes
                .iter()
                .any(|node| open(&node.node) || node.steps.iter().any(open)),
            Place::Node(node) => self
                .nodes
                .get(node)
                .is_some_and(|node| node.steps.iter().any(open)),
            Place::Step(..) => false,
        }
    }

    fn allows(&self, change: Change) -> Result<(), Illegal> {
        match change {
            Change::Add(place) => self.allows_child(place),
            Change::Move(place, to, cause) => self.allows_move(place, to, cause),
        }
    }

    fn allows_child(&self, place: Place) -> Result<(), Illegal> {
        let illegal = |problem: &str| Err(Illegal(format!("{place:?} is added: {problem}")));
        if self.row(place).is_some() {
            return illegal("it is there already");
        }
        let parent = match place {
            Place::Root => return illegal("a root is created, not added"),
            Place::Node(node) if node >= self.nodes.len() => return illegal("it is no target"),
            Place::Node(_) => Place::Root,
            Place::Step(node, step) => {
                let steps = self.nodes.get(node).map_or(0, |node| node.steps.len());
                if step >= steps {
                    return illegal("it is not in the plan");
                }
                let before = step.checked_sub(1).map(|step| Place::Step(node, step));
                let over = |place| {
                    self.row(place)
                        .is_some_and(|row| row.status == TaskStatus::Complete)
                };
                if before.is_some_and(|before| !over(before)) {
                    return illegal("the step before it did not end");
                }
                Place::Node(node)
            }
        };
        let parent_runs = |place| {
            self.row(place)
                .is_some_and(|row| row.status == TaskStatus::Running)
        };
        if !parent_runs(parent) || !parent_runs(Place::Root) {
            return illegal("what is above it does not run");
        }
        Ok(())
    }

    fn allows_move(&self, place: Place, to: TaskStatus, cause: Cause) -> Result<(), Illegal> {
        let illegal = |problem: String| {
            Err(Illegal(format!(
                "{place:?} becomes {to} by {cause}: {problem}"
            )))
        };
        let Some(row) = self.row(place) else {
            return illegal("it is not there".to_owned());
        };
        let level = match place {
            Place::Root => Level::Root,
            Place::Node(_) | Place::Step(..) => Level::Subtask,
        };
        if !may_move(level, row.status, to, cause) {
            return illegal(format!("from {} it may not", row.status));
        }
        if to.is_terminal() && self.any_open_below(place) {
            return illegal("something below it is not over".to_owned());
        }
        if to == TaskStatus::Running && level == Level::Subtask {
            let parent = match place {
                Place::Root | Place::Node(_) => Place::Root,
                Place::Step(node, _) => Place::Node(node),
            };
            let runs = |place| {
                self.row(place)
                    .is_some_and(|row| row.status == TaskStatus::Running)
            };
            if !runs(parent) || !runs(Place::Root) {
                return illegal("what is above it does not run".to_owned());
            }
        }
        Ok(())
    }

    fn slot(&mut self, place: Place) -> Option<&mut Option<Row>> {
        match place {
            Place::Root => None,
            Place::Node(node) => Some(&mut self.nodes.get_mut(node)?.node),
            Place::Step(node, step) => self.nodes.get_mut(node)?.steps.get_mut(step),
        }
    }

    fn row_mut(&mut self, place: Place) -> Option<&mut Row> {
        match place {
            Place::Root => Some(&mut self.root),
            Place::Node(_) | Place::Step(..) => self.slot(place)?.as_mut(),
        }
    }
}
