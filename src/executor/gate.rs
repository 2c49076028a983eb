//! The gate before an action: whether the design is good enough for what it does to these nodes.
//!
//! A mistake in a design is cheapest before the first machine is touched. Yet a site is never without
//! a mistake somewhere, so an action needs what it uses to be right and no more: the errors of the
//! rules that it needs, on the nodes that it is for. What is simulated needs nothing but loading.

use std::collections::BTreeSet;

use super::design_source::{DesignFault, LoadedDesign};
use super::message::About;
use crate::clock;
use crate::domain::inventory::{Inventory, Node};
use crate::domain::{Action, plan};
use crate::driver::Registry;
use crate::store::NewMessage;

/// Errors that a refusal lists: who has mended these tries again.
const MAX_SHOWN: usize = 100;

/// Names of nodes that one line lists.
const MAX_NAMES: usize = 10;

/// What of a design has to be right before an action touches machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// What the action needs on its nodes.
    #[default]
    Action,
    /// Everything, everywhere.
    Strict,
    /// Nothing: the design loads, and that is enough.
    Off,
}

/// Whether the gate has a say: the action does something to a machine or service that is real.
pub(super) fn is_needed(
    gate: Gate,
    action: Action,
    site: &str,
    nodes: &[&Node],
    drivers: &Registry,
) -> bool {
    match gate {
        Gate::Off => false,
        Gate::Action | Gate::Strict if action.is_per_node() => nodes
            .iter()
            .any(|node| !is_simulated(action, site, Some(node), drivers)),
        Gate::Action | Gate::Strict => !is_simulated(action, site, None, drivers),
    }
}

/// Why the action is refused, an error for each reason; empty if it is not.
pub(super) fn refusals(
    gate: Gate,
    action: Action,
    site: &str,
    nodes: &[&Node],
    design: &LoadedDesign,
    drivers: &Registry,
) -> Vec<NewMessage> {
    if !is_needed(gate, action, site, nodes, drivers) {
        return Vec::new();
    }
    let inventory = &design.inventory;
    let concerned: BTreeSet<u32> = nodes
        .iter()
        .filter(|node| !action.is_per_node() || !is_simulated(action, site, Some(node), drivers))
        .filter_map(|node| u32::try_from(inventory.position(&node.name)?).ok())
        .collect();
    let refusing: Vec<Refusal<'_>> = design
        .faults
        .iter()
        .filter_map(|fault| refused(gate, action, fault, &concerned))
        .collect();
    let mut messages: Vec<NewMessage> = refusing
        .iter()
        .take(MAX_SHOWN)
        .map(|refusal| refusal.message(action, inventory))
        .collect();
    let rest = refusing.len().saturating_sub(MAX_SHOWN);
    if rest > 0 {
        let text = format!("{action} is refused for {rest} more reasons");
        messages.push(About::site(site).error(clock::now(), text));
    }
    messages
}

/// An error, and those of the action's nodes that it concerns.
struct Refusal<'f> {
    fault: &'f DesignFault,
    nodes: Vec<u32>,
}

fn refused<'f>(
    gate: Gate,
    action: Action,
    fault: &'f DesignFault,
    concerned: &BTreeSet<u32>,
) -> Option<Refusal<'f>> {
    let here = fault.nodes.iter().copied();
    let nodes: Vec<u32> = here.filter(|node| concerned.contains(node)).collect();
    let refuses = match gate {
        Gate::Off => false,
        Gate::Strict => true,
        // What is done to a site uses documents that no node does.
        Gate::Action => {
            fault.needed_by.contains(&action) && (!nodes.is_empty() || !action.is_per_node())
        }
    };
    refuses.then_some(Refusal { fault, nodes })
}

impl Refusal<'_> {
    fn message(&self, action: Action, inventory: &Inventory) -> NewMessage {
        let names = self.nodes.iter().take(MAX_NAMES);
        let names = names.filter_map(|at| inventory.nodes().get(*at as usize));
        let names: Vec<&str> = names.map(|node| node.name.as_str()).collect();
        let rest = match self.nodes.len().saturating_sub(names.len()) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        let finding = &self.fault.finding;
        let text = if names.is_empty() {
            format!("{action} is refused: {}", finding.message)
        } else {
            let names = names.join(", ");
            format!("{action} on {names}{rest} is refused: {}", finding.message)
        };
        About::document(&finding.document).say(clock::now(), text, true, finding.extra.clone())
    }
}

/// Whether every step of the action on a node, or on the site, is simulated.
fn is_simulated(action: Action, site: &str, node: Option<&Node>, drivers: &Registry) -> bool {
    plan::steps(action)
        .iter()
        .all(|step| drivers.simulates(step.kind, site, node))
}
