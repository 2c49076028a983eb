//! Faults that can be built into the model, each of which the checker has to find.

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// A write does not compare epochs.
    UnfencedWrite,
    /// A successor does not wait before it calls a node with a step found running.
    SkippedQuarantine,
    /// A lease that ran out can be renewed, and its holder goes on.
    RenewalAfterExpiry,
    /// A driver is called with too little of the lease left.
    CallWithoutTime,
    /// An owner writes back the root as it believes it to be.
    ClearedTerminate,
    /// A root is finished without a look at what is below it.
    ParentClosedEarly,
    /// A child is created again when the answer of its creation was lost.
    DuplicateChild,
    /// A step found running is begun again, whatever it promises.
    RepeatOnRecovery,
    /// The driver is called before the step is committed as running.
    SideEffectBeforeCommit,
    /// Events are written beside the transaction of what they tell.
    EventApart,
    /// A replica that renews its lease does not look what became of its roots.
    NoLook,
}
