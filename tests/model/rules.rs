//! What must hold in every world, and how worlds are searched.

use drydock::domain::{Policy, TaskStatus};
use stateright::{Checker as _, Expectation, HasDiscoveries, Model as _, Property};

use super::action::{Action, possible};
use super::event::Model;
use super::tree::Row;
use super::world::World;

pub(crate) const ACTS_ONCE: &str = "a once or guarded step never acts twice";
pub(crate) const FENCED: &str = "no write of a fenced replica is committed";
pub(crate) const LEGAL: &str = "every change is one that the rules allow";
pub(crate) const PARENTS_LAST: &str = "a parent is over after its children";
pub(crate) const CHILD_ONCE: &str = "a child is created once";
pub(crate) const STOP_KEPT: &str = "a request to stop is never lost";
pub(crate) const GAPLESS: &str = "the events of a root are gapless";
pub(crate) const RECORDED: &str = "no machine is called for a step that is not recorded";
pub(crate) const ENDS: &str = "every task reaches its end in time";
pub(crate) const STOPS: &str = "a stopped task ends in time";

pub(crate) const COMPLETES: &str = "a root can complete";
pub(crate) const TERMINATES: &str = "a root can be terminated";
pub(crate) const TAKEN_OVER: &str = "a root can be taken over and end";
pub(crate) const ACTS_TWICE_LATE: &str = "a call held up inside of itself can act once more";
pub(crate) const REACHES_END: &str = "every path reaches the end of the root";

impl stateright::Model for Model {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.limits)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend(possible(world, &self.limits, self.mutation));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        Some(self.after(world, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ACTS_ONCE, |model: &Self, world: &World| {
                model.acts_once(world, |acts| acts.timely <= 1)
            }),
            Property::always(FENCED, |_, world: &World| !world.wrong.stale_write),
            Property::always(LEGAL, |_, world: &World| world.wrong.illegal.is_none()),
            Property::always(PARENTS_LAST, |_, world: &World| {
                world.tree.parents_end_last()
            }),
            Property::always(CHILD_ONCE, |_, world: &World| {
                world.tree.rows().all(|row| row.copies == 1)
            }),
            Property::always(STOP_KEPT, |_, world: &World| stop_is_kept(world)),
            Property::always(GAPLESS, |_, world: &World| {
                let told: u32 = world
                    .tree
                    .rows()
                    .map(|row: Row| u32::from(row.revision))
                    .sum();
                told == u32::from(world.journal)
            }),
            Property::always(RECORDED, |_, world: &World| !world.wrong.unrecorded_call),
            Property::sometimes(COMPLETES, |_, world: &World| {
                world.root() == TaskStatus::Complete
            }),
            Property::sometimes(TERMINATES, |_, world: &World| {
                world.root() == TaskStatus::Terminated
            }),
        ];
        if self.limits.epochs > 1 && self.limits.faults > 0 {
            properties.push(Property::sometimes(TAKEN_OVER, |_, world: &World| {
                world.epoch > 1 && world.root().is_terminal()
            }));
        }
        if self.limits.inner_freezes > 0 {
            properties.push(Property::sometimes(
                ACTS_TWICE_LATE,
                |model: &Self, world: &World| {
                    !model.acts_once(world, |acts| acts.timely + acts.late <= 1)
                },
            ));
        }
        if self.limits.clock.is_some() {
            properties.push(Property::always(ENDS, |model: &Self, world: &World| {
                let end = model.limits.clock.map_or(0, |clock| clock.end);
                world.now < end || world.root().is_terminal()
            }));
            properties.push(Property::always(STOPS, |model: &Self, world: &World| {
                let stop = model.limits.clock.map_or(0, |clock| clock.stop);
                world.stopping_for < stop || world.root().is_terminal()
            }));
            properties.push(Property::eventually(REACHES_END, |_, world: &World| {
                world.root().is_terminal()
            }));
        }
        properties
    }
}

impl Model {
    fn acts_once(&self, world: &World, once: impl Fn(super::world::Acts) -> bool) -> bool {
        let plans = self.limits.nodes.iter().zip(&world.acts);
        plans
            .flat_map(|(plan, acts)| plan.iter().zip(acts))
            .all(|(policy, acts)| match policy {
                Policy::Observe | Policy::Converge => true,
                Policy::Guarded | Policy::Once => once(*acts),
            })
    }

    /// Searches every world and gives the names of the rules that are broken. Prints how many
    /// worlds there were, and how the first broken rule comes about.
    pub(crate) fn search(self, name: &str) -> Vec<&'static str> {
        let checker = self.checker().threads(THREADS).spawn_bfs().join();
        println!(
            "{name}: {} worlds, {} moves, {} deep",
            checker.unique_state_count(),
            checker.state_count(),
            checker.max_depth(),
        );
        let mut broken = Vec::new();
        for property in checker.model().properties() {
            let found = checker.discovery(property.name);
            let holds = match property.expectation {
                Expectation::Always | Expectation::Eventually => found.is_none(),
                Expectation::Sometimes => found.is_some(),
            };
            if holds {
                continue;
            }
            broken.push(property.name);
            println!("{name}: broken: {}", property.name);
            for (world, action) in found.map(|path| path.into_vec()).unwrap_or_default() {
                println!("  {action:?} {:?}", world.wrong.illegal);
            }
        }
        broken
    }

    /// Searches until `rule` is found broken, or every world was seen.
    pub(crate) fn breaks(self, rule: &'static str) -> bool {
        let until = HasDiscoveries::AnyOf([rule].into());
        let checker = self
            .checker()
            .threads(THREADS)
            .finish_when(until)
            .spawn_bfs()
            .join();
        let found = checker.discovery(rule);
        println!(
            "{rule}: {} after {} worlds",
            found.as_ref().map_or("holds".to_owned(), |path| format!(
                "broken in {} moves",
                path.clone().into_actions().len()
            )),
            checker.unique_state_count(),
        );
        found.is_some()
    }
}

/// As many as CI has cores.
const THREADS: usize = 2;

/// Once a caller was told so, the root is terminating until it is terminated.
fn stop_is_kept(world: &World) -> bool {
    !world.stop_acknowledged
        || match world.root() {
            TaskStatus::Terminating | TaskStatus::Terminated => world.tree.stop_recorded,
            TaskStatus::Requested
            | TaskStatus::Queued
            | TaskStatus::Running
            | TaskStatus::Complete => false,
        }
}
