//! The last few designs, so that the requests of one deployment parse its design once.
//!
//! Looked up by what was read, never by a file's time: a file written twice in one tick of the
//! clock would be served stale, and reading and hashing cost little beside parsing.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Design;
use super::stored::Digest;
use super::validate::Validation;

/// Designs kept: a server deploys one site, in a few revisions.
const MAX_DESIGNS: usize = 8;

/// Nodes of all designs kept, which is what their memory grows with: about a kilobyte each.
const MAX_NODES: usize = 200_000;

/// Validations kept, each with its design: the one that an operator works on, and the one before.
const MAX_VALIDATIONS: usize = 2;

/// The hash of the files a design was read from, names included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentHash(pub(super) [u8; 32]);

/// The last few designs, the least recently used one first.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: VecDeque<Entry>,
    /// What validation said of the last designs.
    validations: VecDeque<(ContentHash, Arc<Validation>)>,
}

#[derive(Debug)]
struct Entry {
    /// `None` for a design that came from the store.
    content: Option<ContentHash>,
    design: Design,
}

impl Cache {
    pub(super) fn by_content(&mut self, content: ContentHash) -> Option<Design> {
        self.touch(|entry| entry.content == Some(content))
    }

    pub(super) fn by_digest(&mut self, digest: Digest) -> Option<Design> {
        self.touch(|entry| entry.design.digest == digest)
    }

    /// Keeps a design, at the cost of older ones. The newest is kept whatever its size.
    pub(super) fn insert(&mut self, content: Option<ContentHash>, design: Design) {
        // Two loads of one design may both miss and both come here.
        self.entries
            .retain(|entry| entry.design.digest != design.digest || entry.content != content);
        self.entries.push_back(Entry { content, design });
        while self.entries.len() > 1
            && (self.entries.len() > MAX_DESIGNS || self.nodes() > MAX_NODES)
        {
            self.entries.pop_front();
        }
    }

    pub(super) fn validation(&mut self, content: ContentHash) -> Option<Arc<Validation>> {
        let known = self.validations.iter().find(|(known, _)| *known == content);
        known.map(|(_, validation)| validation.clone())
    }

    /// Keeps what validation said of a design, at the cost of older ones.
    pub(super) fn insert_validation(&mut self, content: ContentHash, validation: Arc<Validation>) {
        self.validations.retain(|(known, _)| *known != content);
        self.validations.push_back((content, validation));
        if self.validations.len() > MAX_VALIDATIONS {
            self.validations.pop_front();
        }
    }

    fn nodes(&self) -> usize {
        self.entries
            .iter()
            .map(|entry| entry.design.inventory.nodes().len())
            .sum()
    }

    fn touch(&mut self, wanted: impl Fn(&Entry) -> bool) -> Option<Design> {
        let at = self.entries.iter().position(wanted)?;
        let entry = self.entries.remove(at)?;
        let design = entry.design.clone();
        self.entries.push_back(entry);
        Some(design)
    }
}
