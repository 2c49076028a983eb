//! One process: what it believes of its lease, and what it is doing with the root.

use super::action::Outcome;

/// A process start of a replica: the id that owns roots and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instance {
    pub(crate) replica: usize,
    pub(crate) life: u8,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Replica {
    /// Which of its lives it is in.
    pub(crate) life: u8,
    /// Whether it gets time.
    pub(crate) process: Process,
    /// What is left of the lease on its own clock, counted from before a renewal was sent.
    pub(crate) left: u8,
    /// A renewal that is under way.
    pub(crate) renewal: Renewal,
    /// What it does with the root; none: nothing.
    pub(crate) run: Option<Run>,
}

/// Whether a process gets time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Process {
    Runs,
    /// Everybody takes it for dead, and it does not notice.
    Frozen,
    /// As frozen, between the last check of a driver call and its sending.
    FrozenInCall,
    Dead,
}

/// Where a renewal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Renewal {
    None,
    /// Sent so many ticks ago; the database has not seen it.
    Sent(u8),
    /// Sent so many ticks ago; the database has renewed, the answer is on its way.
    Granted(u8),
    /// The database has refused.
    Refused,
}

/// The runner of the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    /// Under which it writes.
    pub(crate) epoch: u8,
    /// How long it still leaves alone what it found running.
    pub(crate) quarantine: u8,
    /// Whether it knows that the root is to stop.
    pub(crate) stop_known: bool,
    /// By node: what it does there; none: nothing yet, or no more.
    pub(crate) lines: Vec<Option<Line>>,
}

/// What a runner does with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    /// Which step.
    pub(crate) step: usize,
    /// How far it is with it.
    pub(crate) stage: Stage,
    /// Whether a vanished owner left the step running, and nobody has called it since.
    pub(crate) found: bool,
}

/// How far a runner is with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// To be begun.
    Ready,
    /// Its mark is to be looked for.
    Find,
    /// The call to begin it was made so many ticks ago and has sent nothing yet.
    InCall(u8),
    /// The call is on the wire.
    Sent,
    /// It is asked from time to time whether it is done.
    Poll,
    /// It is over; not yet written.
    Ended,
    /// Written, without an answer: the same write is sent again and nothing else is done.
    Unanswered(Write),
    /// It must not be called again; not yet written.
    Lost,
    /// It is recorded as terminating.
    Winding,
}

/// A write whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Write {
    /// The one that begins the node.
    Begin,
    /// The one that ends the step.
    Advance(Outcome),
}

impl Replica {
    /// Whether it is there and gets time.
    pub(crate) fn runs(&self) -> bool {
        self.process == Process::Runs
    }

    /// What it does with a node.
    pub(crate) fn line(&self, node: usize) -> Option<Line> {
        *self.run.as_ref()?.lines.get(node)?
    }

    /// The place of what it does with a node.
    pub(crate) fn line_mut(&mut self, node: usize) -> Option<&mut Option<Line>> {
        self.run.as_mut()?.lines.get_mut(node)
    }

    /// Goes on to another stage with a node.
    pub(crate) fn advance(&mut self, node: usize, stage: Stage) {
        if let Some(Some(line)) = self.line_mut(node) {
            line.stage = stage;
        }
    }
}
