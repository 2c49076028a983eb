//! `key=value`, as labels are typed.

use std::collections::BTreeMap;

/// One label.
pub(super) type Pair = (String, String);

pub(super) fn argument(text: &str) -> Result<Pair, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("give it as KEY=VALUE".to_owned()),
    }
}

/// The pairs as a map.
///
/// # Errors
///
/// A key given twice: one of its values would be dropped without a word.
pub(super) fn map(pairs: &[Pair], flag: &str) -> Result<BTreeMap<String, String>, super::Error> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        if map.insert(key.clone(), value.clone()).is_some() {
            return Err(super::Error::Usage(format!("{flag} has `{key}` twice")));
        }
    }
    Ok(map)
}

/// The labels for people: `a=1,b=2`, `-` if there are none.
pub(super) fn text(map: &BTreeMap<String, String>) -> String {
    if map.is_empty() {
        return "-".to_owned();
    }
    let pairs: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}
