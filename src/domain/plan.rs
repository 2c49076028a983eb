//! Plans: the steps of each action, as data, and what comes after a given history.
//!
//! A plan is never stored. The step subtasks that exist, in their order, are the only record;
//! [`next`] reads them back, so that a successor continues exactly where its predecessor ended.

use super::action::Action;
use super::step::{Policy, StepKind};

/// One step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// What is done.
    pub kind: StepKind,
    /// The strongest promise a driver may make for it; one that cannot declares less.
    pub policy: Policy,
    /// Its failure is information, not a failure of the node.
    pub advisory: bool,
    /// Done only where the plan's advisory step did not find the node.
    pub only_if_unknown: bool,
    /// Asked again until it finds what it looks for, or its timeout.
    pub polled: bool,
}

const fn step(kind: StepKind, policy: Policy) -> PlannedStep {
    PlannedStep {
        kind,
        policy,
        advisory: false,
        only_if_unknown: false,
        polled: false,
    }
}

const fn if_unknown(kind: StepKind, policy: Policy) -> PlannedStep {
    PlannedStep {
        only_if_unknown: true,
        ..step(kind, policy)
    }
}

const VERIFY_SITE: &[PlannedStep] = &[
    step(StepKind::ValidateNodeServices, Policy::Observe),
    step(StepKind::ValidateOobServices, Policy::Observe),
];

const PREPARE_SITE: &[PlannedStep] = &[
    step(StepKind::CreateNetworkTemplate, Policy::Converge),
    step(StepKind::ConfigureUserCredentials, Policy::Converge),
    step(StepKind::ConfigureNodeProvisioner, Policy::Converge),
];

const VERIFY_NODE: &[PlannedStep] = &[step(StepKind::InterrogateOob, Policy::Observe)];

const PREPARE_NODE: &[PlannedStep] = &[
    PlannedStep {
        advisory: true,
        ..step(StepKind::IdentifyNode, Policy::Observe)
    },
    if_unknown(StepKind::SetNodeBoot, Policy::Converge),
    if_unknown(StepKind::PowerCycleNode, Policy::Converge),
    PlannedStep {
        polled: true,
        ..if_unknown(StepKind::IdentifyNode, Policy::Observe)
    },
    step(StepKind::ConfigureHardware, Policy::Guarded),
];

const DEPLOY_NODE: &[PlannedStep] = &[
    step(StepKind::ApplyNodeNetworking, Policy::Converge),
    step(StepKind::ApplyNodeStorage, Policy::Converge),
    step(StepKind::ApplyNodePlatform, Policy::Converge),
    step(StepKind::DeployNode, Policy::Guarded),
];

const DESTROY_NODE: &[PlannedStep] = &[step(StepKind::DestroyNode, Policy::Guarded)];

/// The steps of `action`: below each node for a per-node action, below the root otherwise.
pub const fn steps(action: Action) -> &'static [PlannedStep] {
    match action {
        Action::ValidateDesign => &[],
        Action::VerifySite => VERIFY_SITE,
        Action::PrepareSite => PREPARE_SITE,
        Action::VerifyNode => VERIFY_NODE,
        Action::PrepareNode => PREPARE_NODE,
        Action::DeployNode => DEPLOY_NODE,
        Action::DestroyNode => DESTROY_NODE,
    }
}

/// Whether a failed step ends the plan. Verifying a site runs every check it has.
pub const fn stops_at_failure(action: Action) -> bool {
    match action {
        Action::VerifySite => false,
        Action::ValidateDesign
        | Action::PrepareSite
        | Action::VerifyNode
        | Action::PrepareNode
        | Action::DeployNode
        | Action::DestroyNode => true,
    }
}

/// How a step of the history ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// It did its work (an advisory one found what it looked for).
    Succeeded,
    /// It did not.
    Failed,
}

/// What follows a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The step to run now.
    Step(PlannedStep),
    /// The plan is through: every step ended, the last one well.
    Succeeded,
    /// A step that counts failed.
    Failed,
}

/// What follows `history`, the ends of the steps that were run, in order.
///
/// A history longer than the plan (which nothing writes) counts as what its steps say.
pub fn next(action: Action, history: &[StepEnd]) -> Next {
    let mut ends = history.iter();
    let mut known = true;
    let mut failed = false;
    for planned in steps(action) {
        if planned.only_if_unknown && known {
            continue;
        }
        match ends.next() {
            None => return Next::Step(*planned),
            Some(StepEnd::Succeeded) => {}
            Some(StepEnd::Failed) if planned.advisory => known = false,
            Some(StepEnd::Failed) => {
                failed = true;
                if stops_at_failure(action) {
                    return Next::Failed;
                }
            }
        }
    }
    if failed {
        Next::Failed
    } else {
        Next::Succeeded
    }
}

/// The planned step that stands at position `ordinal` of a node (or site) whose earlier steps
/// ended as `history` says.
pub fn at(action: Action, history: &[StepEnd]) -> Option<PlannedStep> {
    match next(action, history) {
        Next::Step(planned) => Some(planned),
        Next::Succeeded | Next::Failed => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(action: Action, ends: &[StepEnd]) -> (Vec<&'static str>, Next) {
        let mut history = Vec::new();
        let mut names = Vec::new();
        loop {
            match next(action, &history) {
                Next::Step(planned) => {
                    names.push(planned.kind.token());
                    history.push(
                        ends.get(history.len())
                            .copied()
                            .unwrap_or(StepEnd::Succeeded),
                    );
                }
                end @ (Next::Succeeded | Next::Failed) => return (names, end),
            }
        }
    }

    #[test]
    fn a_known_node_is_prepared_without_a_power_cycle() {
        assert_eq!(
            run(Action::PrepareNode, &[]),
            (vec!["identify_node", "configure_hardware"], Next::Succeeded)
        );
    }

    #[test]
    fn an_unknown_node_is_booted_until_it_is_found() {
        assert_eq!(
            run(Action::PrepareNode, &[StepEnd::Failed]),
            (
                vec![
                    "identify_node",
                    "set_node_boot",
                    "power_cycle_node",
                    "identify_node",
                    "configure_hardware"
                ],
                Next::Succeeded
            )
        );
    }

    #[test]
    fn nothing_follows_a_failed_step() {
        assert_eq!(
            run(Action::DeployNode, &[StepEnd::Succeeded, StepEnd::Failed]),
            (
                vec!["apply_node_networking", "apply_node_storage"],
                Next::Failed
            )
        );
    }

    #[test]
    fn verifying_a_site_runs_all_of_its_steps() {
        assert_eq!(
            run(Action::VerifySite, &[StepEnd::Failed]),
            (
                vec!["validate_node_services", "validate_oob_services"],
                Next::Failed
            )
        );
    }

    proptest! {
        #[test]
        fn every_history_comes_to_an_end(
            action in prop::sample::select(Action::ALL.to_vec()),
            ends in prop::collection::vec(
                prop::sample::select(vec![StepEnd::Succeeded, StepEnd::Failed]), 0..8),
        ) {
            let (names, end) = run(action, &ends);
            prop_assert!(names.len() <= steps(action).len());
            let counted_failure = end == Next::Failed;
            prop_assert_eq!(counted_failure, {
                let mut history = Vec::new();
                let mut failed = false;
                for (index, _) in names.iter().enumerate() {
                    let end = ends.get(index).copied().unwrap_or(StepEnd::Succeeded);
                    let advisory = at(action, &history).is_some_and(|step| step.advisory);
                    failed |= end == StepEnd::Failed && !advisory;
                    history.push(end);
                }
                failed
            });
        }
    }
}
