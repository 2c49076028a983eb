//! Bugs that the tests must notice: `scripts/prove-tests` seeds one after the other and fails when a
//! test that ought to catch it passes.
//!
//! Each breaks one protection at the place where it is. Without the feature `seeded-bugs` the
//! question whether one is seeded has a constant answer, and nothing of it is in what is shipped.

/// A known way to break a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A write of an owner that is none any more is not refused.
    UnfencedWrite,
    /// A lease that has run out is renewed.
    RenewalAfterExpiry,
    /// The journal's clock is held while something else is waited for.
    ClockBeforeWrites,
    /// What other replicas commit is read when they ring, and not otherwise.
    DoorbellAlone,
    /// Whoever takes over a root that is to stop lets it run on.
    ClearedTerminate,
    /// A task ends while something below it is open.
    ParentClosedEarly,
    /// A subtask that exists is created again.
    DuplicateChild,
    /// A successor calls at once what an expired owner may still be calling.
    SkippedQuarantine,
    /// A watch goes live where the journal is and not where its snapshot ended.
    GapBeforeLive,
    /// A watcher asks to be woken after it has looked.
    LostWakeUp,
    /// A transaction goes with the caller who began it.
    CancelledBegin,
    /// A commit that failed is answered as one that did not.
    SwallowedStoreError,
    /// A recovery begins again whatever it finds running.
    RepeatOnRecovery,
    /// Whoever is known may do everything.
    IgnoredRole,
    /// A stream goes on although its caller was struck off the roster.
    KeptStream,
}

/// Whether `bug` is the one that was asked for.
#[cfg(not(feature = "seeded-bugs"))]
pub(crate) const fn seeded(_bug: Bug) -> bool {
    false
}

/// Whether `bug` is the one that was asked for. A name that is none seeds nothing, so that whoever
/// misspells it finds the bug unnoticed.
#[cfg(feature = "seeded-bugs")]
pub(crate) fn seeded(bug: Bug) -> bool {
    use std::sync::LazyLock;
    static ASKED: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("DRYDOCK_SEEDED_BUG").ok());
    ASKED.as_deref() == Some(bug.name())
}

#[cfg(any(test, feature = "seeded-bugs"))]
impl Bug {
    fn name(self) -> &'static str {
        match self {
            Self::UnfencedWrite => "unfenced_write",
            Self::RenewalAfterExpiry => "renewal_after_expiry",
            Self::ClockBeforeWrites => "clock_before_writes",
            Self::DoorbellAlone => "doorbell_alone",
            Self::ClearedTerminate => "cleared_terminate",
            Self::ParentClosedEarly => "parent_closed_early",
            Self::DuplicateChild => "duplicate_child",
            Self::SkippedQuarantine => "skipped_quarantine",
            Self::GapBeforeLive => "gap_before_live",
            Self::LostWakeUp => "lost_wake_up",
            Self::CancelledBegin => "cancelled_begin",
            Self::SwallowedStoreError => "swallowed_store_error",
            Self::RepeatOnRecovery => "repeat_on_recovery",
            Self::IgnoredRole => "ignored_role",
            Self::KeptStream => "kept_stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Bug; 15] = [
        Bug::UnfencedWrite,
        Bug::RenewalAfterExpiry,
        Bug::ClockBeforeWrites,
        Bug::DoorbellAlone,
        Bug::ClearedTerminate,
        Bug::ParentClosedEarly,
        Bug::DuplicateChild,
        Bug::SkippedQuarantine,
        Bug::GapBeforeLive,
        Bug::LostWakeUp,
        Bug::CancelledBegin,
        Bug::SwallowedStoreError,
        Bug::RepeatOnRecovery,
        Bug::IgnoredRole,
        Bug::KeptStream,
    ];

    /// The names in the table of `scripts/prove-tests`, each once.
    fn proven() -> Vec<&'static str> {
        let script = include_str!("../scripts/prove-tests");
        let table = script.split_once("<<'TABLE'\n").expect("a table").1;
        let table = table.split_once("\nTABLE\n").expect("its end").0;
        let mut names: Vec<_> = table
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    #[test]
    fn every_bug_is_proven_to_be_noticed_and_told_of() {
        let mut names = ALL.map(Bug::name);
        names.sort_unstable();
        assert_eq!(proven(), names);
        let told = include_str!("../docs/RELIABILITY.md");
        for name in names {
            assert!(told.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}
