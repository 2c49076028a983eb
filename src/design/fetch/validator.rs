//! What is known of answers: the entity tag of a URL, and the content that went with it.

use std::collections::VecDeque;

use reqwest::header::HeaderValue;

use super::super::cache::ContentHash;

/// URLs remembered: a few revisions of a few sites.
const MAX_URLS: usize = 32;

/// The longest tag: longer ones are somebody's way to have memory filled.
const MAX_TAG: usize = 256;

/// The tags of the URLs that were asked last.
#[derive(Debug, Default)]
pub(in crate::design) struct Validators {
    entries: VecDeque<(String, Validator)>,
}

/// A tag, and the content that went with it.
#[derive(Debug, Clone)]
pub(in crate::design) struct Validator {
    pub(super) tag: HeaderValue,
    pub(in crate::design) content: ContentHash,
}

impl Validators {
    pub(in crate::design) fn get(&self, url: &str) -> Option<Validator> {
        let found = self.entries.iter().find(|(known, _)| known == url);
        found.map(|(_, validator)| validator.clone())
    }

    /// Remembers what `url` answered; an answer without a tag makes the former one worthless.
    pub(in crate::design) fn insert(
        &mut self,
        url: String,
        tag: Option<HeaderValue>,
        content: ContentHash,
    ) {
        self.entries.retain(|(known, _)| *known != url);
        let Some(tag) = tag else { return };
        self.entries.push_back((url, Validator { tag, content }));
        if self.entries.len() > MAX_URLS {
            self.entries.pop_front();
        }
    }
}

/// The tag, if it is a strong one: a weak one says that two answers mean the same, and a design is
/// its bytes.
pub(super) fn strong(tag: Option<&HeaderValue>) -> Option<HeaderValue> {
    let tag = tag?;
    let text = tag.as_bytes();
    let quoted = text.len() >= 2 && text.starts_with(b"\"") && text.ends_with(b"\"");
    (quoted && text.len() <= MAX_TAG).then(|| tag.clone())
}
