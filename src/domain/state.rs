//! Task states: the one table of legal moves.
//!
//! The store refuses every move that is not in [`MOVES`]; docs/ARCHITECTURE.md draws the same
//! table and a test holds the picture against it.

use std::fmt;

/// Where a task stands in its life. Independent of its outcome: a deployment that failed
/// everywhere is `Complete`. The numbers are stored; those above `Terminating` are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum TaskStatus {
    /// Accepted, not yet queued. Never visible outside an event.
    Requested = 1,
    /// Waits for an executor, a slot or a node's lock.
    Queued = 2,
    /// Its steps are being run.
    Running = 3,
    /// Was asked to stop and has not stopped yet.
    Terminating = 4,
    /// Ran to its end, whatever the outcome. Final.
    Complete = 5,
    /// Was stopped before its end. Final.
    Terminated = 6,
}

impl TaskStatus {
    /// Every status, in the contract's order.
    pub const ALL: [Self; 6] = [
        Self::Requested,
        Self::Queued,
        Self::Running,
        Self::Terminating,
        Self::Complete,
        Self::Terminated,
    ];

    /// The document token, for example `running`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Terminating => "terminating",
            Self::Complete => "complete",
            Self::Terminated => "terminated",
        }
    }

    /// The status of a document token.
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.token() == token)
    }

    /// The status stored under `number`.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| *status as i16 == number)
    }

    /// Whether no move leaves this status.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Complete | Self::Terminated => true,
            Self::Requested | Self::Queued | Self::Running | Self::Terminating => false,
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// What made a task move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Cause {
    /// A caller's request.
    Client = 1,
    /// A replica claimed the root.
    Scheduler = 2,
    /// The owner's work on the tree.
    Executor = 3,
    /// A limit of time passed.
    Timeout = 4,
    /// A successor found a step that may have run and must not be repeated.
    LeaseExpired = 5,
    /// The task above was told to stop.
    Parent = 6,
    /// An operator's intervention.
    Admin = 7,
}

impl Cause {
    /// Every cause, in the contract's order.
    pub const ALL: [Self; 7] = [
        Self::Client,
        Self::Scheduler,
        Self::Executor,
        Self::Timeout,
        Self::LeaseExpired,
        Self::Parent,
        Self::Admin,
    ];

    /// The document token, for example `lease_expired`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Scheduler => "scheduler",
            Self::Executor => "executor",
            Self::Timeout => "timeout",
            Self::LeaseExpired => "lease_expired",
            Self::Parent => "parent",
            Self::Admin => "admin",
        }
    }

    /// The cause stored under `number`.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| *cause as i16 == number)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// Which tasks a move is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Tasks that a caller created.
    Root,
    /// Tasks that the executor created below one.
    Subtask,
}

/// One row of the table: from, to, for what reasons, for which tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The status left.
    pub from: TaskStatus,
    /// The status reached.
    pub to: TaskStatus,
    /// What may make a root move so; empty: a root never does.
    pub root_causes: &'static [Cause],
    /// What may make a subtask move so; empty: a subtask never does.
    pub subtask_causes: &'static [Cause],
}

/// The legal moves. Everything else is refused by the store.
pub const MOVES: &[Move] = &[
    Move {
        from: TaskStatus::Requested,
        to: TaskStatus::Queued,
        root_causes: &[Cause::Client],
        subtask_causes: &[Cause::Executor],
    },
    Move {
        from: TaskStatus::Requested,
        to: TaskStatus::Terminated,
        root_causes: &[Cause::Client],
        subtask_causes: &[Cause::Parent],
    },
    Move {
        from: TaskStatus::Queued,
        to: TaskStatus::Terminated,
        root_causes: &[Cause::Client],
        subtask_causes: &[Cause::Parent],
    },
    Move {
        from: TaskStatus::Queued,
        to: TaskStatus::Running,
        root_causes: &[Cause::Scheduler],
        subtask_causes: &[Cause::Executor],
    },
    Move {
        from: TaskStatus::Queued,
        to: TaskStatus::Complete,
        root_causes: &[Cause::Timeout],
        subtask_causes: &[],
    },
    Move {
        from: TaskStatus::Running,
        to: TaskStatus::Complete,
        root_causes: &[Cause::Executor],
        subtask_causes: &[Cause::Executor, Cause::LeaseExpired],
    },
    Move {
        from: TaskStatus::Running,
        to: TaskStatus::Terminating,
        root_causes: &[Cause::Client, Cause::Timeout],
        subtask_causes: &[Cause::Parent],
    },
    Move {
        from: TaskStatus::Terminating,
        to: TaskStatus::Terminated,
        root_causes: &[Cause::Executor],
        subtask_causes: &[Cause::Executor],
    },
    Move {
        from: TaskStatus::Terminating,
        to: TaskStatus::Complete,
        root_causes: &[Cause::Executor],
        subtask_causes: &[Cause::Executor, Cause::LeaseExpired],
    },
];

/// Whether a task of `level` may go `from` -> `to` for `cause`.
pub fn may_move(level: Level, from: TaskStatus, to: TaskStatus, cause: Cause) -> bool {
    MOVES.iter().any(|entry| {
        entry.from == from
            && entry.to == to
            && match level {
                Level::Root => entry.root_causes,
                Level::Subtask => entry.subtask_causes,
            }
            .contains(&cause)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_and_numbers_round_trip() {
        for status in TaskStatus::ALL {
            assert_eq!(TaskStatus::parse(status.token()), Some(status));
            assert_eq!(TaskStatus::from_number(status as i16), Some(status));
        }
        for cause in Cause::ALL {
            assert_eq!(Cause::from_number(cause as i16), Some(cause));
        }
    }

    #[test]
    fn nothing_leaves_a_terminal_status_and_everything_else_can_end() {
        for status in TaskStatus::ALL {
            let leaves = MOVES.iter().any(|entry| entry.from == status);
            assert_eq!(leaves, !status.is_terminal(), "{status}");
        }
    }

    #[test]
    fn a_pair_of_states_stands_in_the_table_once() {
        for (index, entry) in MOVES.iter().enumerate() {
            assert!(
                !MOVES[index + 1..]
                    .iter()
                    .any(|other| other.from == entry.from && other.to == entry.to)
            );
        }
    }

    #[test]
    fn the_documented_diagram_is_this_table() {
        let drawn: Vec<&str> = include_str!("../../docs/ARCHITECTURE.md")
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != "stateDiagram-v2")
            .skip(1)
            .take_while(|line| *line != "```")
            .filter(|line| !line.contains("[*]"))
            .collect();
        let words = |level: &str, causes: &[Cause]| {
            let causes: Vec<String> = causes
                .iter()
                .map(|cause| cause.token().to_uppercase())
                .collect();
            (!causes.is_empty()).then(|| format!("{level} {}", causes.join(" ")))
        };
        let table: Vec<String> = MOVES
            .iter()
            .map(|entry| {
                let causes: Vec<String> = [
                    words("root", entry.root_causes),
                    words("subtask", entry.subtask_causes),
                ]
                .into_iter()
                .flatten()
                .collect();
                format!("{} --> {}: {}", entry.from, entry.to, causes.join(", "))
            })
            .collect();
        assert_eq!(drawn, table);
    }

    proptest! {
        /// Any sequence of triggers, applied where legal, only moves forward in the order of
        /// life, visits `Terminating` at most once and stops at a terminal status.
        #[test]
        fn a_life_only_goes_forward(
            root in any::<bool>(),
            triggers in prop::collection::vec((0usize..6, 0usize..7), 0..64),
        ) {
            let level = if root { Level::Root } else { Level::Subtask };
            let mut status = TaskStatus::Requested;
            for (to, cause) in triggers {
                let (to, cause) = (TaskStatus::ALL[to], Cause::ALL[cause]);
                if may_move(level, status, to, cause) {
                    prop_assert!(to > status);
                    prop_assert!(!status.is_terminal());
                    status = to;
                }
            }
        }
    }
}
