//! Resume tokens: a position in the journal, bound to what is watched.
//!
//! A token is opaque to clients and carries no authority. It holds a version, the store's epoch,
//! a fingerprint of the scope and a sequence: 26 bytes, in base64 without padding. It is bound to
//! the task or the filter and not to options, so that a client may resume with other ones.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::scope::Scope;
use crate::domain::{TaskFilter, Timestamp};
use crate::store::Clock;

/// The only layout so far.
const VERSION: u8 = 1;

/// 72 bits: far beyond chance, and it makes the part before the sequence 18 bytes, whose base64
/// has whole characters and is formatted once for a stream.
const FINGERPRINT_BYTES: usize = 9;

const PREFIX_BYTES: usize = 1 + size_of::<i64>() + FINGERPRINT_BYTES;
const TOKEN_BYTES: usize = PREFIX_BYTES + size_of::<i64>();

/// Characters of every token.
pub(super) const TOKEN_CHARS: usize = (TOKEN_BYTES * 8).div_ceil(6);

/// Why a token cannot be resumed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of ours.
    #[error("decode the resume token")]
    Undecodable,
    /// It belongs to another task or filter.
    #[error("resume: the token is for another task or filter")]
    ScopeMismatch,
    /// It belongs to another life of the store.
    #[error("resume: the token is of another store")]
    StaleEpoch,
    /// It is ahead of the journal.
    #[error("resume: the token is ahead of the store")]
    Future,
    /// It is older than what the journal still has.
    #[error("resume: the journal begins after the token")]
    Expired {
        /// The oldest position that can be resumed.
        oldest: i64,
        /// The journal's last sequence.
        current: i64,
    },
}

/// A decoded token: everything up to its sequence was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeToken {
    /// The position.
    pub sequence: i64,
}

impl ResumeToken {
    /// Reads a client's token for `scope`, as the store stands at `clock`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, the client's mistakes before the store's state.
    pub fn decode(text: &str, scope: &Scope, clock: &Clock) -> Result<Self, TokenError> {
        let bytes: [u8; TOKEN_BYTES] = decode_exact(text).ok_or(TokenError::Undecodable)?;
        let (prefix, sequence) = bytes.split_at(PREFIX_BYTES);
        let sequence = sequence
            .try_into()
            .map(i64::from_be_bytes)
            .map_err(|_| TokenError::Undecodable)?;
        if prefix[0] != VERSION || sequence < 0 {
            return Err(TokenError::Undecodable);
        }
        let (epoch, fingerprint) = prefix[1..].split_at(size_of::<i64>());
        if fingerprint != self::fingerprint(scope) {
            return Err(TokenError::ScopeMismatch);
        }
        if epoch != clock.epoch.to_be_bytes() {
            return Err(TokenError::StaleEpoch);
        }
        if sequence > clock.last {
            return Err(TokenError::Future);
        }
        // A tree goes whole, so a task that is still there has lost none of its events.
        if matches!(scope, Scope::Fleet(_)) && sequence < clock.floor {
            return Err(TokenError::Expired {
                oldest: clock.floor,
                current: clock.last,
            });
        }
        Ok(Self { sequence })
    }
}

/// Writes the tokens of one scope.
#[derive(Clone, Debug)]
pub struct TokenMint {
    prefix: String,
}

impl TokenMint {
    /// For `scope` in the store's life `epoch`.
    pub fn new(scope: &Scope, epoch: i64) -> Self {
        let mut prefix = [0; PREFIX_BYTES];
        prefix[0] = VERSION;
        prefix[1..=size_of::<i64>()].copy_from_slice(&epoch.to_be_bytes());
        prefix[1 + size_of::<i64>()..].copy_from_slice(&fingerprint(scope));
        Self {
            prefix: URL_SAFE_NO_PAD.encode(prefix),
        }
    }

    /// The token of a position.
    pub fn token(&self, sequence: i64) -> String {
        let mut token = String::with_capacity(TOKEN_CHARS);
        token.push_str(&self.prefix);
        URL_SAFE_NO_PAD.encode_string(sequence.to_be_bytes(), &mut token);
        token
    }
}

fn decode_exact(text: &str) -> Option<[u8; TOKEN_BYTES]> {
    // The length is checked first, so that a hostile token costs nothing.
    if text.len() != TOKEN_CHARS {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn fingerprint(scope: &Scope) -> [u8; FINGERPRINT_BYTES] {
    let mut canon = Canon(Sha256::new());
    match scope {
        Scope::Task { task_id, .. } => {
            canon.text("task");
            canon.text_bytes(task_id.0.as_bytes());
        }
        Scope::Fleet(filter) => {
            canon.text("filter");
            canon.filter(filter);
        }
    }
    let digest = canon.0.finalize();
    let mut fingerprint = [0; FINGERPRINT_BYTES];
    fingerprint.copy_from_slice(&digest[..FINGERPRINT_BYTES]);
    fingerprint
}

/// Hashes values so that no two different lists of values give the same bytes.
struct Canon(Sha256);

impl Canon {
    fn filter(&mut self, filter: &TaskFilter) {
        let TaskFilter {
            status,
            action,
            result_status,
            created_by,
            created_after,
            created_before,
            parent_task_id,
            root_task_id,
            roots_only,
            node_name,
            design_ref,
            labels,
        } = filter;
        self.numbers(status.iter().map(|status| *status as i16));
        self.numbers(action.iter().map(|action| *action as i16));
        self.numbers(result_status.iter().map(|status| *status as i16));
        self.option(created_by.as_ref().map(String::as_bytes));
        self.time(*created_after);
        self.time(*created_before);
        self.option(parent_task_id.as_ref().map(|id| id.0.as_bytes().as_slice()));
        self.option(root_task_id.as_ref().map(|id| id.0.as_bytes().as_slice()));
        self.0.update([u8::from(*roots_only)]);
        self.option(node_name.as_ref().map(String::as_bytes));
        self.option(design_ref.as_ref().map(String::as_bytes));
        self.count(labels.len());
        for (key, value) in labels {
            self.text(key);
            self.text(value);
        }
    }

    /// A list whose order and repetitions say nothing.
    fn numbers(&mut self, numbers: impl Iterator<Item = i16>) {
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        self.count(numbers.len());
        for number in numbers {
            self.0.update(number.to_be_bytes());
        }
    }

    fn time(&mut self, time: Option<Timestamp>) {
        let micros = time.map(|time| time.timestamp_micros().to_be_bytes());
        self.option(micros.as_ref().map(<[u8; 8]>::as_slice));
    }

    fn option(&mut self, value: Option<&[u8]>) {
        self.0.update([u8::from(value.is_some())]);
        self.text_bytes(value.unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        self.text_bytes(text.as_bytes());
    }

    fn text_bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }
}
