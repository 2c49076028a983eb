//! Results: how the outcomes of parts fold into the outcome of the whole.

use std::fmt;

/// The outcome of a task, independent of where it stands in its life. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum ResultStatus {
    /// Nothing is known yet.
    Incomplete = 1,
    /// Everything known succeeded.
    Success = 2,
    /// Some of it succeeded.
    PartialSuccess = 3,
    /// Nothing of it succeeded.
    Failure = 4,
}

impl ResultStatus {
    /// Every outcome, in the contract's order.
    pub const ALL: [Self; 4] = [
        Self::Incomplete,
        Self::Success,
        Self::PartialSuccess,
        Self::Failure,
    ];

    /// The document token, for example `partial_success`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Success => "success",
            Self::PartialSuccess => "partial_success",
            Self::Failure => "failure",
        }
    }

    /// The outcome of a document token.
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.token() == token)
    }

    /// The outcome stored under `number`.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| *status as i16 == number)
    }

    /// Joins two outcomes. Commutative and associative, with `Incomplete` as the identity, so
    /// that parts may end in any order.
    pub const fn fold(self, other: Self) -> Self {
        match (self, other) {
            (Self::Incomplete, outcome) | (outcome, Self::Incomplete) => outcome,
            (Self::Success, Self::Success) => Self::Success,
            (Self::Failure, Self::Failure) => Self::Failure,
            (Self::Success, Self::Failure)
            | (Self::Failure, Self::Success)
            | (Self::PartialSuccess, _)
            | (_, Self::PartialSuccess) => Self::PartialSuccess,
        }
    }

    /// The fold of `succeeded` successes and `failed` failures.
    pub const fn of_counts(succeeded: u64, failed: u64) -> Self {
        match (succeeded > 0, failed > 0) {
            (false, false) => Self::Incomplete,
            (true, false) => Self::Success,
            (false, true) => Self::Failure,
            (true, true) => Self::PartialSuccess,
        }
    }

    /// The final outcome of a task with `total` parts of which `succeeded` and `failed` have an
    /// outcome. Parts without one cap it: never a success that left something undone.
    pub const fn of_final_counts(
        succeeded: u64,
        failed: u64,
        total: u64,
        terminated: bool,
    ) -> Self {
        if succeeded + failed >= total {
            return Self::of_counts(succeeded, failed);
        }
        match (succeeded > 0, failed > 0, terminated) {
            (true, _, _) => Self::PartialSuccess,
            (false, false, true) => Self::Incomplete,
            (false, true, _) | (false, false, false) => Self::Failure,
        }
    }
}

impl fmt::Display for ResultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// Why a result is what it is; empty where nothing needs a reason. The numbers are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Reason {
    /// Nothing needs saying.
    #[default]
    None = 0,
    /// The filter selected no node of the design.
    NoNodesInScope = 1,
    /// The service is not configured for what the design asks.
    BadConfiguration = 2,
    /// The design does not load, or lacks what the action needs.
    DesignInvalid = 3,
    /// At least one node (or step of the site) failed.
    NodeFailures = 4,
    /// A limit of time passed.
    Timeout = 5,
    /// Stopped on request.
    Terminated = 6,
    /// The executor vanished while a step that must not be repeated was running.
    ExecutorLost = 7,
    /// Ended without running anything.
    NothingExecuted = 8,
    /// A defect of the service.
    Internal = 9,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::NoNodesInScope,
        Self::BadConfiguration,
        Self::DesignInvalid,
        Self::NodeFailures,
        Self::Timeout,
        Self::Terminated,
        Self::ExecutorLost,
        Self::NothingExecuted,
        Self::Internal,
    ];

    /// The word in documents and messages, for example `NodeFailures`; empty for none.
    pub const fn token(self) -> &'static str {
        match self {
            Self::None => "",
            Self::NoNodesInScope => "NoNodesInScope",
            Self::BadConfiguration => "BadConfiguration",
            Self::DesignInvalid => "DesignInvalid",
            Self::NodeFailures => "NodeFailures",
            Self::Timeout => "Timeout",
            Self::Terminated => "Terminated",
            Self::ExecutorLost => "ExecutorLost",
            Self::NothingExecuted => "NothingExecuted",
            Self::Internal => "Internal",
        }
    }

    /// The reason stored under `number`.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| *reason as i16 == number)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_round_trip() {
        for status in ResultStatus::ALL {
            assert_eq!(ResultStatus::from_number(status as i16), Some(status));
            assert_eq!(ResultStatus::parse(status.token()), Some(status));
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(reason as i16), Some(reason));
        }
    }

    #[test]
    fn the_fold_is_commutative_associative_and_idempotent() {
        for a in ResultStatus::ALL {
            assert_eq!(a.fold(a), a);
            assert_eq!(a.fold(ResultStatus::Incomplete), a);
            for b in ResultStatus::ALL {
                assert_eq!(a.fold(b), b.fold(a));
                for c in ResultStatus::ALL {
                    assert_eq!(a.fold(b).fold(c), a.fold(b.fold(c)));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn counting_and_folding_agree(outcomes in prop::collection::vec(any::<bool>(), 0..50)) {
            let folded = outcomes
                .iter()
                .map(|ok| if *ok { ResultStatus::Success } else { ResultStatus::Failure })
                .fold(ResultStatus::Incomplete, ResultStatus::fold);
            let succeeded = outcomes.iter().filter(|ok| **ok).count() as u64;
            let failed = outcomes.len() as u64 - succeeded;
            prop_assert_eq!(ResultStatus::of_counts(succeeded, failed), folded);
        }

        #[test]
        fn what_was_left_undone_is_never_a_success(
            succeeded in 0u64..5, failed in 0u64..5, missing in 1u64..5, terminated in any::<bool>(),
        ) {
            let outcome = ResultStatus::of_final_counts(
                succeeded, failed, succeeded + failed + missing, terminated,
            );
            prop_assert_ne!(outcome, ResultStatus::Success);
            if outcome == ResultStatus::Incomplete {
                prop_assert!(terminated && succeeded + failed == 0);
            }
        }
    }
}
