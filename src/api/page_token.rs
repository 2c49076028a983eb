//! Page tokens: where the next page of a list begins.
//!
//! A token holds a position and a digest of the arguments it belongs to, so that it cannot continue
//! another list by mistake. It is no secret and carries no authority: whoever makes one up gets a page of
//! what he may list anyway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::status::Failure;
use crate::domain::{TaskId, Timestamp};
use crate::store::ListPosition;
use crate::tasks::canonical::Canonical;

/// The form of the tokens below. A token of another form is refused.
const VERSION: u8 = 1;

/// Bytes of the digest in a token: enough against mistakes.
const BINDING: usize = 8;

/// A position in a list of tasks, and the journal's at the first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskPage {
    /// The last task of the page before.
    pub(super) after: ListPosition,
    /// The last sequence before the first page was read, where a watch can go on.
    pub(super) sequence: i64,
    /// The store that the sequence is of.
    pub(super) epoch: i64,
}

/// The arguments that a token belongs to.
#[derive(Clone, Copy)]
pub(super) struct Arguments([u8; BINDING]);

impl Arguments {
    /// The arguments as they were added to a digest, but for the page's size.
    pub(super) fn new(arguments: Canonical) -> Self {
        let digest = arguments.finish();
        let mut binding = [0; BINDING];
        binding.copy_from_slice(&digest[..BINDING]);
        Self(binding)
    }

    /// The token of a page of tasks.
    pub(super) fn task_page(self, page: TaskPage) -> String {
        let mut position = Vec::with_capacity(40);
        position.extend(page.after.time.timestamp_micros().to_be_bytes());
        position.extend(page.after.task_id.0.as_bytes());
        position.extend(page.sequence.to_be_bytes());
        position.extend(page.epoch.to_be_bytes());
        self.encode(&position)
    }

    /// The page of tasks that a token names; none for the first.
    ///
    /// # Errors
    ///
    /// [`Failure::PageToken`].
    pub(super) fn read_task_page(self, token: &str) -> Result<Option<TaskPage>, Failure> {
        self.read(token, |position| {
            let (time, rest) = position.split_first_chunk()?;
            let (task_id, rest) = rest.split_first_chunk()?;
            let (sequence, rest) = rest.split_first_chunk()?;
            let (epoch, rest) = rest.split_first_chunk()?;
            let time = Timestamp::from_timestamp_micros(i64::from_be_bytes(*time))?;
            rest.is_empty().then_some(TaskPage {
                after: ListPosition {
                    time,
                    task_id: TaskId(uuid::Uuid::from_bytes(*task_id)),
                },
                sequence: i64::from_be_bytes(*sequence),
                epoch: i64::from_be_bytes(*epoch),
            })
        })
    }

    /// The token of a page after a sequence.
    pub(super) fn after_sequence(self, sequence: i64) -> String {
        self.encode(&sequence.to_be_bytes())
    }

    /// The sequence that a token names; none for the first page.
    ///
    /// # Errors
    ///
    /// [`Failure::PageToken`].
    pub(super) fn read_after_sequence(self, token: &str) -> Result<Option<i64>, Failure> {
        self.read(token, |position| {
            Some(i64::from_be_bytes(position.try_into().ok()?))
        })
    }

    /// The token of a page after a name.
    pub(super) fn after_name(self, name: &str) -> String {
        self.encode(name.as_bytes())
    }

    /// The name that a token names; none for the first page.
    ///
    /// # Errors
    ///
    /// [`Failure::PageToken`].
    pub(super) fn read_after_name(self, token: &str) -> Result<Option<String>, Failure> {
        self.read(token, |position| String::from_utf8(position.to_vec()).ok())
    }

    fn encode(self, position: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(1 + BINDING + position.len());
        bytes.push(VERSION);
        bytes.extend(self.0);
        bytes.extend(position);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read<T>(
        self,
        token: &str,
        position: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_not_base64| Failure::PageToken)?;
        bytes
            .strip_prefix(&[VERSION])
            .and_then(|bytes| bytes.strip_prefix(&self.0))
            .and_then(position)
            .map(Some)
            .ok_or(Failure::PageToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(name: &str) -> Arguments {
        Arguments::new(Canonical::new(name))
    }

    fn page() -> TaskPage {
        TaskPage {
            after: ListPosition {
                time: Timestamp::from_timestamp_micros(1_767_323_045_000_006)
                    .expect("a moment that exists"),
                task_id: TaskId(uuid::Uuid::from_u128(5)),
            },
            sequence: 42,
            epoch: -7,
        }
    }

    #[test]
    fn tokens_round_trip() {
        let list = arguments("list");
        let read = list.read_task_page(&list.task_page(page()));
        assert_eq!(read.expect("a token"), Some(page()));
        let read = list.read_after_sequence(&list.after_sequence(9));
        assert_eq!(read.expect("a token"), Some(9));
        let read = list.read_after_name(&list.after_name("nöde"));
        assert_eq!(read.expect("a token").as_deref(), Some("nöde"));
        assert_eq!(list.read_task_page("").expect("the first page"), None);
    }

    #[test]
    fn whatever_is_not_a_token_of_these_arguments_is_refused() {
        let list = arguments("list");
        let good = list.task_page(page());
        let mut other_version = URL_SAFE_NO_PAD.decode(&good).expect("base64");
        other_version[0] = 9;
        let bad = [
            "x".to_owned(),
            "not base64!".to_owned(),
            "\u{0}".to_owned(),
            good[..good.len() - 2].to_owned(),
            format!("{good}AAAA"),
            URL_SAFE_NO_PAD.encode(other_version),
            arguments("other").task_page(page()),
            list.after_sequence(1),
            list.after_name("n"),
        ];
        for token in bad {
            let refused = list.read_task_page(&token);
            assert!(matches!(refused, Err(Failure::PageToken)), "{token:?}");
        }
    }
}
