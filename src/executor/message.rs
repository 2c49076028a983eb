//! What the executor says about tasks.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::Timestamp;
use crate::store::NewMessage;

/// The longest text of one message; what devices say beyond it is cut (api contract, "Sizes").
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// What a message is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) context_type: &'static str,
    pub(super) context: &'a str,
}

impl<'a> About<'a> {
    pub(super) const fn site(site: &'a str) -> Self {
        Self {
            context_type: "site",
            context: site,
        }
    }

    pub(super) const fn node(node: &'a str) -> Self {
        Self {
            context_type: "node",
            context: node,
        }
    }

    pub(super) const fn document(document: &'a str) -> Self {
        Self {
            context_type: "document",
            context: document,
        }
    }

    /// A message that tells of no error.
    pub(super) fn note(self, ts: Timestamp, text: impl Into<String>) -> NewMessage {
        self.say(ts, text.into(), false, Map::new())
    }

    /// A message that tells of an error.
    pub(super) fn error(self, ts: Timestamp, text: impl Into<String>) -> NewMessage {
        self.say(ts, text.into(), true, Map::new())
    }

    /// A message, its text cut at the limit.
    pub(super) fn say(
        self,
        ts: Timestamp,
        mut text: String,
        error: bool,
        mut extra: Map<String, Value>,
    ) -> NewMessage {
        let cut = cut(&mut text);
        if cut > 0 {
            extra.insert("truncated_bytes".to_owned(), Value::from(cut));
        }
        NewMessage {
            ts,
            message: text,
            error,
            context_type: self.context_type,
            context: self.context.to_owned(),
            extra,
        }
    }
}

/// The text, cut at the limit.
pub(super) fn shortened(text: Arc<str>) -> Arc<str> {
    if text.len() <= MAX_TEXT_BYTES {
        return text;
    }
    Arc::from(&text[..text.floor_char_boundary(MAX_TEXT_BYTES)])
}

/// Cuts `text` at a character border; how many bytes went.
fn cut(text: &mut String) -> usize {
    let before = text.len();
    if before > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    }
    before - text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character_and_says_so() {
        let text = "ä".repeat(5000);
        let message = About::node("n").error(crate::clock::now(), format!("x{text}"));
        assert_eq!(message.message.len(), MAX_TEXT_BYTES - 1);
        assert_eq!(
            message.extra.get("truncated_bytes"),
            Some(&Value::from(10_001 - (MAX_TEXT_BYTES - 1)))
        );
        let result = shortened(Arc::from(format!("x{text}")));
        assert_eq!(result.len(), MAX_TEXT_BYTES - 1);
    }
}
