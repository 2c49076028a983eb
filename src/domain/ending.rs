//! Endings: what a root's final result is, and the sentence that says so.

use super::action::Action;
use super::plan;
use super::result::{Reason, ResultStatus};

/// How a root ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its work is through: complete, the outcome is the fold of its subtasks.
    Done,
    /// It was stopped on request: terminated.
    Stopped,
    /// It was stopped by its timeout: complete, reason Timeout.
    TimedOut,
    /// It could not run: complete, failure for this reason, in these words.
    Failed(Reason, String),
    /// It waited too long in the queue: complete, failure, reason Timeout.
    QueueTimeout,
}

/// The outcomes of a root's direct children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nodes (steps of a site action) that succeeded.
    pub succeeded: u32,
    /// Nodes (steps) that failed.
    pub failed: u32,
    /// Target nodes.
    pub targets: u32,
}

/// A final result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The outcome.
    pub status: ResultStatus,
    /// Why.
    pub reason: Reason,
    /// One sentence with counts.
    pub message: String,
}

/// The final result of a root of `action` with children as `tally` says.
pub fn conclude(action: Action, ending: &Ending, tally: Tally) -> Conclusion {
    let (succeeded, failed) = (u64::from(tally.succeeded), u64::from(tally.failed));
    let planned = if action.is_per_node() {
        u64::from(tally.targets)
    } else {
        plan::steps(action).len() as u64
    };
    let counts = sentence(action, tally);
    match ending {
        Ending::Failed(reason, message) => Conclusion {
            status: ResultStatus::Failure,
            reason: *reason,
            message: message.clone(),
        },
        Ending::QueueTimeout => Conclusion {
            status: ResultStatus::Failure,
            reason: Reason::Timeout,
            message: "waited too long in the queue".to_owned(),
        },
        Ending::Stopped => Conclusion {
            status: ResultStatus::of_final_counts(succeeded, failed, planned, true),
            reason: Reason::Terminated,
            message: format!("terminated: {counts}"),
        },
        Ending::TimedOut => Conclusion {
            status: ResultStatus::of_final_counts(succeeded, failed, planned, false),
            reason: Reason::Timeout,
            message: format!("timed out: {counts}"),
        },
        Ending::Done if action == Action::ValidateDesign => Conclusion {
            status: ResultStatus::Success,
            reason: Reason::None,
            message: counts,
        },
        Ending::Done if action.is_per_node() && tally.targets == 0 => Conclusion {
            status: ResultStatus::Success,
            reason: Reason::NoNodesInScope,
            message: "no node in scope".to_owned(),
        },
        Ending::Done => {
            // A site action that stops at its first failure leaves steps that were never due.
            let total = if action.is_per_node() {
                planned
            } else {
                succeeded + failed
            };
            let status = ResultStatus::of_final_counts(succeeded, failed, total, false);
            Conclusion {
                status,
                reason: if failed > 0 {
                    Reason::NodeFailures
                } else if succeeded == 0 {
                    Reason::NothingExecuted
                } else {
                    Reason::None
                },
                message: counts,
            }
        }
    }
}

/// One sentence with the counts known so far.
pub fn sentence(action: Action, tally: Tally) -> String {
    if action == Action::ValidateDesign {
        return "the design is valid".to_owned();
    }
    let (total, noun) = if action.is_per_node() {
        (tally.targets, "node")
    } else {
        (
            u32::try_from(plan::steps(action).len()).unwrap_or(u32::MAX),
            "step",
        )
    };
    let plural = if total == 1 { "" } else { "s" };
    let mut text = format!("{} of {total} {noun}{plural} succeeded", tally.succeeded);
    if tally.failed > 0 {
        text.push_str(&format!(", {} failed", tally.failed));
    }
    let open = total
        .saturating_sub(tally.succeeded)
        .saturating_sub(tally.failed);
    if open > 0 {
        text.push_str(&format!(", {open} without an outcome"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(succeeded: u32, failed: u32, targets: u32) -> Tally {
        Tally {
            succeeded,
            failed,
            targets,
        }
    }

    #[test]
    fn a_deployment_that_failed_everywhere_is_a_failure() {
        let end = conclude(Action::DeployNode, &Ending::Done, tally(0, 3, 3));
        assert_eq!(end.status, ResultStatus::Failure);
        assert_eq!(end.reason, Reason::NodeFailures);
        assert_eq!(end.message, "0 of 3 nodes succeeded, 3 failed");
    }

    #[test]
    fn a_stopped_task_says_what_has_no_outcome() {
        let end = conclude(Action::DeployNode, &Ending::Stopped, tally(1, 1, 12));
        assert_eq!(end.status, ResultStatus::PartialSuccess);
        assert_eq!(end.reason, Reason::Terminated);
        assert_eq!(
            end.message,
            "terminated: 1 of 12 nodes succeeded, 1 failed, 10 without an outcome"
        );
        let nothing = conclude(Action::DeployNode, &Ending::Stopped, tally(0, 0, 12));
        assert_eq!(nothing.status, ResultStatus::Incomplete);
        let late = conclude(Action::DeployNode, &Ending::TimedOut, tally(0, 0, 12));
        assert_eq!(late.status, ResultStatus::Failure);
    }

    #[test]
    fn no_node_in_scope_is_a_success_that_says_so() {
        let end = conclude(Action::DestroyNode, &Ending::Done, tally(0, 0, 0));
        assert_eq!(end.status, ResultStatus::Success);
        assert_eq!(end.reason, Reason::NoNodesInScope);
    }

    #[test]
    fn a_site_action_folds_its_steps() {
        let end = conclude(Action::PrepareSite, &Ending::Done, tally(1, 1, 0));
        assert_eq!(end.status, ResultStatus::PartialSuccess);
        assert_eq!(
            end.message,
            "1 of 3 steps succeeded, 1 failed, 1 without an outcome"
        );
    }
}
