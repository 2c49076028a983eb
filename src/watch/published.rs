//! A commit as watchers share it: with room for the encoded form of each event.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::weight;
use crate::domain::{Commit, Event};

/// A commit on its way to watchers.
#[derive(Debug)]
pub struct Published {
    /// What was committed.
    pub commit: Arc<Commit>,
    /// One for each event; none at all where only one watcher has this copy, for which keeping
    /// the encoded form would cost memory and save nothing.
    frames: Box<[OnceLock<Bytes>]>,
    weight: usize,
}

impl Published {
    /// For the ring, where every watcher finds the same copy.
    pub(crate) fn shared(commit: Arc<Commit>) -> Arc<Self> {
        let frames = commit.events.iter().map(|_| OnceLock::new()).collect();
        // The frames that will fill up weigh about as much as the events themselves.
        let weight = 2 * weight::of_commit(&commit);
        Arc::new(Self {
            commit,
            frames,
            weight,
        })
    }

    /// For one watcher that is behind the ring.
    pub(super) fn private(commit: Arc<Commit>) -> Arc<Self> {
        let weight = weight::of_commit(&commit);
        Arc::new(Self {
            commit,
            frames: Box::default(),
            weight,
        })
    }

    /// The event at `index`.
    pub fn event(&self, index: usize) -> &Event {
        &self.commit.events[index]
    }

    /// The sequence of the event at `index`.
    pub fn sequence(&self, index: usize) -> i64 {
        self.commit.first_sequence + index as i64
    }

    /// The event's encoded form: `encode` runs at most once per replica for commits that watchers
    /// share, so it must depend on nothing but the event.
    pub fn frame(&self, index: usize, encode: impl FnOnce() -> Bytes) -> Bytes {
        match self.frames.get(index) {
            Some(frame) => frame.get_or_init(encode).clone(),
            None => encode(),
        }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}
