//! The line of a file that a finding is about, and which part of it to point at.
//!
//! The output of a pipeline is read by more people than a design is: what stands behind a key that
//! names a credential is not shown, whatever the finding is about.

use std::ops::Range;

use crate::design::names_a_credential;

/// Stands where a credential was.
const HIDDEN: &str = "[hidden]";

/// The most characters of a line that are shown: the rest of a file inside of a flow mapping says little.
const MAX_CHARACTERS: usize = 240;

/// A line, and the bytes of it to point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// The excerpt for a place in a text, both from 1; none where the text has no such line.
pub(super) fn excerpt(text: &str, line: u32, column: Option<u32>) -> Option<Excerpt> {
    let line = text
        .lines()
        .nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let shown: String = without_credentials(line)
        .chars()
        .take(MAX_CHARACTERS)
        .map(|each| if each.is_control() { ' ' } else { each })
        .collect();
    let column = column.and_then(|column| usize::try_from(column).ok());
    let start = match column {
        // A column counts characters of the line as it was; one behind what is hidden points at its end.
        Some(column) => shown
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(shown.len(), |(start, _)| start),
        None => shown.len() - shown.trim_start().len(),
    };
    let span = start..start + length(&shown[start..]);
    Some(Excerpt { text: shown, span })
}

/// How many bytes of `rest` are the token that it begins with: a quoted scalar, a word of a flow
/// collection, a key up to its colon, or everything up to a comment.
fn length(rest: &str) -> usize {
    if let Some(quote) = rest.chars().next().filter(|first| "'\"".contains(*first))
        && let Some(end) = rest[1..].find(quote)
    {
        return end + 2;
    }
    let end = rest
        .find(" #")
        .into_iter()
        .chain(rest.find(": "))
        .chain(rest.find([',', ']', '}']))
        .min()
        .unwrap_or(rest.len());
    rest[..end].trim_end().trim_end_matches(':').len()
}

/// The line without what follows a key that names a credential. All of the rest goes: where a value
/// ends in a flow mapping takes a parser to say.
fn without_credentials(line: &str) -> String {
    let mut from = 0;
    while let Some(at) = line[from..].find(':') {
        let colon = from + at;
        if let Some(authority) = line[colon..].strip_prefix("://") {
            let end = authority.find(['/', '?', '#', ' ', '\'', '"']);
            if authority[..end.unwrap_or(authority.len())].contains('@') {
                return format!("{}://{HIDDEN}", &line[..colon]);
            }
            from = colon + 1;
            continue;
        }
        let key = line[..colon]
            .rsplit(|each: char| each.is_whitespace() || "{,[".contains(each))
            .next()
            .unwrap_or_default()
            .trim_matches(['\'', '"']);
        let value = line[colon + 1..].trim();
        if names_a_credential(key) && !value.is_empty() && !value.starts_with("secret://") {
            return format!("{}: {HIDDEN}", &line[..colon]);
        }
        from = colon + 1;
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointed(line: &str, column: Option<u32>) -> (String, String) {
        let found = excerpt(line, 1, column).expect("the line is there");
        (found.text[found.span.clone()].to_owned(), found.text)
    }

    #[test]
    fn a_place_is_a_token() {
        let at = |line: &str, column| pointed(line, Some(column)).0;
        assert_eq!(at("  address: 10.0.0.1  # here", 12), "10.0.0.1");
        assert_eq!(at("  rack: 'a b' # c", 9), "'a b'");
        assert_eq!(at("  tags: [a, bb, c]", 13), "bb");
        assert_eq!(at("  mtu: 9000", 3), "mtu");
        assert_eq!(at("networks:", 1), "networks");
        assert_eq!(at("  näme: ö x", 9), "ö x");
        assert_eq!(pointed("    name: x", None).0, "name");
    }

    #[test]
    fn a_place_behind_the_line_points_at_its_end() {
        assert_eq!(pointed("ab", Some(90)).0, "");
        assert_eq!(excerpt("ab", 2, None), None);
        assert_eq!(excerpt("ab", 0, None), None);
    }

    #[test]
    fn credentials_are_not_shown() {
        for line in [
            "  credential: canary",
            "  credential: 'ca: nary'",
            "oob: {type: ipmi, credential: canary, account: a}",
            "  bmcPassword:canary",
            "  url: https://user:canary@host/path",
        ] {
            let (_, shown) = pointed(line, Some(3));
            assert!(!shown.contains("nary"), "{shown}");
            assert!(shown.contains(HIDDEN), "{shown}");
        }
        let (_, shown) = pointed("  credential: secret://rack-1", Some(3));
        assert!(shown.contains("rack-1"), "a reference is no secret");
    }
}
