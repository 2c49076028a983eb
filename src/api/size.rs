//! No message exceeds 1 MiB: what is cut, and where.
//!
//! A task has lists that grow. Each has a share of the megabyte, and the node filter has what they leave.
//! Answers with several tasks end early instead.

/// The largest message that is sent.
pub(super) const MAX_MESSAGE: usize = 1024 * 1024;

/// What of it is kept free for tokens, ids and the frame around the parts.
const RESERVE: usize = 64 * 1024;

/// The most bytes of a task's messages (api contract, "Sizes").
pub(super) const MESSAGE_LIST_BYTES: usize = 256 * 1024;

/// The most bytes of a list of node names: of its 1,000 names it shows all, unless they are longer than
/// 128 bytes on average.
pub(super) const NAME_LIST_BYTES: usize = 128 * 1024;

/// The most bytes of the matches of a node filter, which every page of nodes has.
pub(super) const FILTER_MATCH_BYTES: usize = 256 * 1024;

/// The most bytes of what is left of a task: 1,000 ids, 32 labels, a design reference and a reason are
/// some 60 KB.
const OTHER_TASK_BYTES: usize = 96 * 1024;

/// The bytes of the first entry of each criterion of 100 filters: these are shown in any case, as a filter
/// without one of its criteria would read as a wider filter than it is.
pub(super) const FIRST_ENTRIES_BYTES: usize = 100 * 5 * (63 + 253 + LABEL_OVERHEAD);

const _: () = assert!(
    MESSAGE_LIST_BYTES + 3 * NAME_LIST_BYTES + OTHER_TASK_BYTES + FIRST_ENTRIES_BYTES <= TASK_BYTES,
    "a task with every part at its limit fits"
);

/// The most bytes of a task, and of all entries of a page.
pub(super) const TASK_BYTES: usize = MAX_MESSAGE - RESERVE;

/// What a name takes in a message beside its own bytes: a tag and a length.
pub(super) const NAME_OVERHEAD: usize = 4;

/// What a label takes beside its key and value: the tags and lengths of an entry and of its parts.
pub(super) const LABEL_OVERHEAD: usize = 10;

/// What a message takes in another beside its own bytes: a tag and a length; in a map, those of its key
/// and the key, an id, too.
pub(super) const ENTRY_OVERHEAD: usize = 64;

/// The bytes that are left in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: usize,
    used: bool,
}

impl Budget {
    /// The room for the entries of a message.
    pub(super) const fn message() -> Self {
        Self::of(TASK_BYTES)
    }

    /// A room of `bytes`.
    pub(super) const fn of(bytes: usize) -> Self {
        Self {
            left: bytes,
            used: false,
        }
    }

    /// What is left after some of it is given away beforehand.
    pub(super) const fn without(self, bytes: usize) -> Self {
        Self {
            left: self.left.saturating_sub(bytes),
            used: self.used,
        }
    }

    /// Takes the room for `bytes`, if there is enough.
    pub(super) const fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left;
        if fits {
            self.left -= bytes;
            self.used = true;
        }
        fits
    }

    /// Like [`Self::take`], but the first entry always fits: a page without any would never end.
    pub(super) const fn take_or_first(&mut self, bytes: usize) -> bool {
        if self.used || bytes <= self.left {
            return self.take(bytes);
        }
        self.left = 0;
        self.used = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_and_stays_ended() {
        let mut budget = Budget::of(100);
        assert!(budget.take(80));
        assert!(!budget.take(30));
        let mut budget = Budget::of(100);
        assert!(budget.take_or_first(1_000));
        assert!(!budget.take_or_first(1));
    }
}
