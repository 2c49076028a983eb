//! Splits a YAML stream into its documents before any of it is parsed.
//!
//! A parser that meets a broken document cannot be trusted with what follows; parsed one by one,
//! each document has its own findings. Splitting by lines is exact: YAML forbids a line that
//! starts with a document marker inside any scalar, block scalars included.

/// The text of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    pub(super) text: &'a str,
    /// The line of the file that the text starts at, from 1.
    pub(super) first_line: u32,
}

/// The documents of `text` that have content, in order. Directives stay with their document.
pub(super) fn split(text: &str) -> Vec<Chunk<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut chunks = Vec::new();
    let mut open = Open {
        start: 0,
        first_line: 1,
        marked: false,
        content: false,
    };
    let mut offset = 0;
    let mut line_number: u32 = 1;
    for line in text.split_inclusive('\n') {
        let end = offset + line.len();
        if let Some(rest) = after_marker(line, "---") {
            if open.marked || open.content {
                open.close(text, offset, &mut chunks);
                open = Open {
                    start: offset,
                    first_line: line_number,
                    marked: false,
                    content: false,
                };
            }
            open.marked = true;
            open.content = !is_blank(rest);
        } else if after_marker(line, "...").is_some() {
            open.close(text, end, &mut chunks);
            open = Open {
                start: end,
                first_line: line_number + 1,
                marked: false,
                content: false,
            };
        } else if !is_blank(line) {
            let directive = line.starts_with('%') && !open.marked && !open.content;
            open.content |= !directive;
        }
        offset = end;
        line_number = line_number.saturating_add(1);
    }
    open.close(text, text.len(), &mut chunks);
    chunks
}

/// The document being collected.
struct Open {
    start: usize,
    first_line: u32,
    marked: bool,
    content: bool,
}

impl Open {
    fn close<'a>(&self, text: &'a str, end: usize, chunks: &mut Vec<Chunk<'a>>) {
        if self.content {
            chunks.push(Chunk {
                text: &text[self.start..end],
                first_line: self.first_line,
            });
        }
    }
}

fn after_marker<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(marker)?;
    (rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])).then_some(rest)
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(u32, &str)> {
        split(text)
            .into_iter()
            .map(|chunk| (chunk.first_line, chunk.text))
            .collect()
    }

    #[test]
    fn documents_are_split_at_markers_and_keep_their_lines() {
        let text = "# head\n---\na: 1\n---\n# only a comment\n--- {b: 2}\n...\n\nc: 3\n";

        assert_eq!(
            texts(text),
            [
                (1, "# head\n---\na: 1\n"),
                (6, "--- {b: 2}\n...\n"),
                (8, "\nc: 3\n"),
            ]
        );
    }

    #[test]
    fn directives_stay_with_the_document_they_are_for() {
        let text = "%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n";

        assert_eq!(
            texts(text),
            [
                (1, "%YAML 1.2\n---\na: 1\n...\n"),
                (5, "%YAML 1.2\n---\nb: 2\n")
            ]
        );
    }

    #[test]
    fn what_only_looks_like_a_marker_splits_nothing() {
        for text in [
            "a: |\n  ---\n  ...\nb: 1\n",
            "a: ---\n",
            "---a: 1\n",
            "....: 1\n",
            " --- \n",
        ] {
            assert_eq!(texts(text).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn empty_streams_have_no_documents() {
        for text in [
            "",
            "\n",
            "---\n",
            "---\n---\n...\n",
            "# a\n--- # b\n",
            "\u{feff}---\r\n",
        ] {
            assert!(texts(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn carriage_returns_do_not_hide_markers() {
        assert_eq!(texts("a: 1\r\n---\r\nb: 2\r\n").len(), 2);
    }
}
