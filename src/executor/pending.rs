//! Nodes that have not begun: a number, however many there are.

/// The nodes that have no subtask yet.
#[derive(Debug)]
pub(super) struct Pending {
    next: u32,
    end: u32,
    /// By place: whether the subtask exists. Empty: none does.
    present: Vec<bool>,
}

impl Pending {
    /// All of `targets` nodes but those that are present.
    pub(super) fn new(targets: usize, present: Vec<bool>) -> Self {
        let mut pending = Self {
            next: 0,
            end: u32::try_from(targets).unwrap_or(u32::MAX),
            present,
        };
        pending.skip();
        pending
    }

    /// Whether every node has one.
    pub(super) fn is_empty(&self) -> bool {
        self.next >= self.end
    }

    /// The place of the next node to begin.
    pub(super) fn take(&mut self) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        let index = self.next;
        self.next += 1;
        self.skip();
        Some(index)
    }

    fn skip(&mut self) {
        while self.next < self.end
            && self
                .present
                .get(self.next as usize)
                .copied()
                .unwrap_or(false)
        {
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_that_a_crash_left_are_filled() {
        let mut pending = Pending::new(5, vec![true, false, true, false, true]);
        assert_eq!(pending.take(), Some(1));
        assert_eq!(pending.take(), Some(3));
        assert_eq!(pending.take(), None);
        let mut pending = Pending::new(2, Vec::new());
        assert_eq!(pending.take(), Some(0));
        assert_eq!(pending.take(), Some(1));
        assert!(pending.is_empty());
    }
}
