//! The stored form of events: protobuf messages of our own, compressed a commit at a time.
//!
//! It is not the public contract: the contract may grow while rows written years ago must still
//! be read. Field numbers are never reused; readers skip fields they do not know. The events of a
//! commit repeat their tasks, which compression takes back almost whole.

use std::sync::Arc;

use prost::Message as _;

use self::decode::{Reader, read_action, read_step};
use self::encode::step_number;
use self::stored::{StoredCommit, StoredProgress, StoredTask};
use super::error::Error;
use super::sql::corrupt;
use crate::domain::event::{Commit, Event, RootFacts};
use crate::domain::{Progress, Task, TaskId, Timestamp};

mod decode;
mod encode;
mod stored;
#[cfg(test)]
mod tests;

/// The first byte of a payload: how the rest is stored.
const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// Payloads below this are not worth compressing, bytes.
const COMPRESS_FROM: usize = 512;

/// The most a payload may unfold to, bytes: a commit's writes are bounded, a damaged row is not.
const MAX_PAYLOAD: usize = 256 << 20;

/// The most bytes that one byte of LZ4 unfolds to: a length that goes on adds 255 with each. What
/// claims more is damaged, and no memory is set aside for it.
const MAX_UNFOLDING: usize = 255;

/// The stored form of a commit's events. Sequences are left out: they follow from the row, which
/// is numbered last. A message of this very commit carries -1 - its event's index.
pub(super) fn encode_commit(
    facts: &RootFacts,
    progress: Progress,
    events: &[Event],
) -> Result<Vec<u8>, Error> {
    let stored = StoredCommit {
        action: facts.action as i32,
        design_ref: facts.design_ref.to_string(),
        labels: facts.labels.as_ref().clone(),
        progress: Some(StoredProgress {
            node_count: progress.node_count,
            succeeded: progress.succeeded,
            failed: progress.failed,
            running: progress.running,
            pending: progress.pending,
            current_step: step_number(progress.current_step),
        }),
        events: events.iter().map(encode::event).collect::<Result<_, _>>()?,
    };
    let plain = stored.encode_to_vec();
    let mut payload = Vec::with_capacity(plain.len() + 1);
    if plain.len() < COMPRESS_FROM {
        payload.push(PLAIN);
        payload.extend_from_slice(&plain);
    } else {
        payload.push(LZ4);
        payload.extend_from_slice(&lz4_flex::compress_prepend_size(&plain));
    }
    Ok(payload)
}

/// The commit of a journal row.
pub(crate) fn decode_commit(
    root_task_id: TaskId,
    first_sequence: i64,
    ts: Timestamp,
    payload: &[u8],
) -> Result<Commit, Error> {
    let plain;
    let bytes = match payload.split_first() {
        Some((&PLAIN, rest)) => rest,
        Some((&LZ4, rest)) => {
            let (size, compressed) = lz4_flex::block::uncompressed_size(rest)
                .map_err(|error| damaged("journal row", &error))?;
            if size > MAX_PAYLOAD || size > compressed.len().saturating_mul(MAX_UNFOLDING) {
                return Err(corrupt("journal row", "size"));
            }
            plain = lz4_flex::block::decompress(compressed, size)
                .map_err(|error| damaged("journal row", &error))?;
            plain.as_slice()
        }
        Some(_) | None => return Err(corrupt("journal row", "form")),
    };
    let stored = StoredCommit::decode(bytes).map_err(|error| damaged("journal row", &error))?;
    let facts = Arc::new(RootFacts {
        action: read_action(stored.action)?,
        design_ref: Arc::from(stored.design_ref),
        labels: Arc::new(stored.labels),
    });
    let progress = stored.progress.unwrap_or_default();
    let reader = Reader {
        first_sequence,
        facts: Some(&facts),
    };
    Ok(Commit {
        root_task_id,
        first_sequence,
        ts,
        progress: Progress {
            node_count: progress.node_count,
            succeeded: progress.succeeded,
            failed: progress.failed,
            running: progress.running,
            pending: progress.pending,
            current_step: read_step(progress.current_step)?,
        },
        events: stored
            .events
            .into_iter()
            .map(|stored| reader.event(stored))
            .collect::<Result<_, _>>()?,
        facts: Arc::clone(&facts),
    })
}

/// The stored form of one task, for spools.
pub(crate) fn encode_task(value: &Task) -> Result<Vec<u8>, Error> {
    Ok(encode::task(value)?.encode_to_vec())
}

/// The task of [`encode_task`]'s bytes.
pub(crate) fn decode_task(bytes: &[u8]) -> Result<Task, Error> {
    let stored = StoredTask::decode(bytes).map_err(|error| damaged("task", &error))?;
    Reader {
        first_sequence: 0,
        facts: None,
    }
    .task(stored)
}

/// A message's sequence, from one that may be relative to its commit.
pub(super) const fn absolute(first_sequence: i64, sequence: i64) -> i64 {
    if sequence < 0 {
        first_sequence - 1 - sequence
    } else {
        sequence
    }
}

/// The sequence of a message whose event is at `index` of a commit that has no number yet.
pub(super) const fn relative(index: usize) -> i64 {
    -1 - index as i64
}

fn damaged(what: &'static str, error: &dyn std::fmt::Display) -> Error {
    Error::Corrupt {
        what,
        problem: error.to_string(),
    }
}
