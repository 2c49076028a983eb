//! Everything there is: the database, the processes, the wire and the machines.

use std::collections::BTreeMap;

use drydock::domain::{Cause, TaskStatus};

use super::limits::Limits;
use super::replica::{Instance, Process, Renewal, Replica};
use super::tree::{Change, Place, Tree};

/// One state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The rows of the root's tree.
    pub(crate) tree: Tree,
    /// Events in the journal.
    pub(crate) journal: u8,
    /// Who owns the root.
    pub(crate) owner: Option<Instance>,
    /// Whether its owner gave it back.
    pub(crate) released: bool,
    /// The fencing token.
    pub(crate) epoch: u8,
    /// What is left of each lease on the database's clock; 0: it ran out.
    pub(crate) leases: BTreeMap<Instance, u8>,
    pub(crate) replicas: Vec<Replica>,
    /// Calls on their way to a machine, in order.
    pub(crate) wire: Vec<Call>,
    /// By node and step: what reached the machine.
    pub(crate) acts: Vec<Vec<Acts>>,
    /// A caller was told that the root is to stop.
    pub(crate) stop_acknowledged: bool,
    /// What went wrong, for the rules.
    pub(crate) wrong: Wrong,
    pub(crate) faults_left: u8,
    pub(crate) inner_freezes_left: u8,
    pub(crate) lost_answers_left: u8,
    /// How long each node's step runs, the root since its creation, and since it was asked to
    /// stop; all 0 where time passes as it likes.
    pub(crate) step_ages: Vec<u8>,
    pub(crate) now: u8,
    pub(crate) stopping_for: u8,
}

/// A call on its way to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call {
    pub(crate) node: usize,
    pub(crate) step: usize,
    /// Who made it.
    pub(crate) instance: Instance,
    pub(crate) age: u8,
    /// Whether its maker was frozen inside of it.
    pub(crate) late: bool,
}

/// How often a step reached the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Acts {
    /// In calls that were checked in time; 2 stands for more as well.
    pub(crate) timely: u8,
    /// In calls whose maker was frozen inside of them.
    pub(crate) late: u8,
}

impl Acts {
    /// Whether the machine bears our mark.
    pub(crate) fn any(self) -> bool {
        self.timely + self.late > 0
    }
}

/// What must never happen and cannot be read from the rest of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Wrong {
    /// A write of an owner with an old epoch was committed.
    pub(crate) stale_write: bool,
    /// A change was asked for that the rules of the tree refuse.
    pub(crate) illegal: Option<String>,
    /// A machine was called for a step that is not durably running.
    pub(crate) unrecorded_call: bool,
}

impl World {
    /// A queued root that nobody owns, and replicas with fresh leases.
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut world = Self {
            tree: Tree::new(limits.nodes.iter().map(Vec::len)),
            journal: 1,
            owner: None,
            released: false,
            epoch: 0,
            leases: BTreeMap::new(),
            replicas: Vec::new(),
            wire: Vec::new(),
            acts: limits
                .nodes
                .iter()
                .map(|plan| vec![Acts::default(); plan.len()])
                .collect(),
            stop_acknowledged: false,
            wrong: Wrong::default(),
            faults_left: limits.faults,
            inner_freezes_left: limits.inner_freezes,
            lost_answers_left: limits.lost_answers,
            step_ages: vec![0; limits.nodes.len()],
            now: 0,
            stopping_for: 0,
        };
        world.change(Change::Move(Place::Root, TaskStatus::Queued, Cause::Client));
        for replica in 0..limits.replicas {
            world
                .leases
                .insert(Instance { replica, life: 0 }, limits.lease);
            world.replicas.push(Replica {
                life: 0,
                process: Process::Runs,
                left: limits.lease,
                renewal: Renewal::None,
                run: None,
            });
        }
        world
    }

    /// Changes the tree with its event; a change that the rules refuse is remembered.
    pub(crate) fn change(&mut self, change: Change) {
        match self.tree.apply(change) {
            Ok(()) => self.journal += 1,
            Err(illegal) => {
                self.wrong.illegal.get_or_insert(illegal.0);
            }
        }
    }

    /// Changes the tree with its event, whatever the rules say.
    pub(crate) fn force(&mut self, change: Change) {
        self.tree.force(change);
        self.journal += 1;
    }

    /// The id a replica writes with.
    pub(crate) fn instance(&self, replica: usize) -> Instance {
        Instance {
            replica,
            life: self.replicas[replica].life,
        }
    }

    /// The root's status.
    pub(crate) fn root(&self) -> TaskStatus {
        self.tree.root.status
    }

    /// Begins another life of a replica, with a lease of its own and without roots.
    pub(crate) fn begin_life(&mut self, at: usize, lease: u8) {
        let replica = &mut self.replicas[at];
        replica.life += 1;
        replica.process = Process::Runs;
        replica.left = lease;
        replica.renewal = Renewal::None;
        replica.run = None;
        let instance = self.instance(at);
        self.leases.insert(instance, lease);
    }

    /// Puts a call on the wire.
    pub(crate) fn send(&mut self, at: usize, node: usize, step: usize, late: bool) {
        self.wire.push(Call {
            node,
            step,
            instance: self.instance(at),
            age: 0,
            late,
        });
        self.wire.sort_unstable();
    }
}
