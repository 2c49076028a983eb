//! Removes credentials from documents before anything else sees them.
//!
//! What is kept of a design, and everything computed from it, is without credentials; a driver
//! that needs one reads it from the reference again. What counts as a credential is decided by
//! the name of its key, by user information in a URI, and by the header of a private key. The
//! rule is one for all kinds of documents, so that a field added later is covered too.

use serde_json::{Map, Value};

/// Stands where a credential was, so that later rules still see that one was given.
pub(super) const REMOVED: &str = "";

/// Keys that end in one of these words hold a credential: `password`, `ipmi_credential`,
/// `bmcPassword`, but not `password_policy`.
const WORDS: [&str; 12] = [
    "credential",
    "credentials",
    "passphrase",
    "passphrases",
    "passwd",
    "password",
    "passwords",
    "privatekey",
    "secret",
    "secrets",
    "secretkey",
    "sshkey",
];

/// Keys that end in these two words do too.
const PAIRS: [[&str; 2]; 4] = [
    ["private", "key"],
    ["secret", "key"],
    ["access", "token"],
    ["api", "key"],
];

/// How a PEM block with a private key begins, after the algorithm.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// Removes every credential in `body`, at any depth, and answers how many values it now has.
///
/// Recursion is as deep as the parser lets documents be.
pub(super) fn remove(body: &mut Map<String, Value>) -> usize {
    let mut values = 1;
    let mut renamed = Vec::new();
    for (key, value) in body.iter_mut() {
        if names_a_credential(key) {
            // What was never set stays visibly so.
            if !value.is_null() {
                *value = Value::String(REMOVED.to_owned());
            }
            values += 1;
        } else {
            values += remove_from(value);
        }
        if let Some(clean) = without_userinfo(key) {
            renamed.push((key.clone(), clean));
        }
    }
    for (key, clean) in renamed {
        if let Some(value) = body.remove(&key) {
            body.insert(clean, value);
        }
    }
    values
}

fn remove_from(value: &mut Value) -> usize {
    match value {
        Value::Object(map) => remove(map),
        Value::Array(items) => 1 + items.iter_mut().map(remove_from).sum::<usize>(),
        Value::String(text) => {
            if text.contains(PRIVATE_KEY) {
                REMOVED.clone_into(text);
            } else if let Some(clean) = without_userinfo(text) {
                *text = clean;
            }
            1
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// Whether a field of this name holds a credential.
#[must_use]
pub fn names_a_credential(key: &str) -> bool {
    let words = words(key);
    let last = words
        .last()
        .is_some_and(|last| WORDS.contains(&last.as_str()));
    let pair = words.last_chunk::<2>();
    last || pair.is_some_and(|[first, second]| PAIRS.contains(&[first.as_str(), second.as_str()]))
}

/// The words of a key, in lower case: `bmcPassword`, `BMC_PASSWORD` and `bmc-password` are alike.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for each in key.chars() {
        let new_word = !each.is_alphanumeric() || (each.is_uppercase() && after_lower);
        if new_word && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if each.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(each.to_lowercase());
        }
        after_lower = each.is_lowercase() || each.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The text without the user information of the URIs in it; `None` when there is none.
fn without_userinfo(text: &str) -> Option<String> {
    let mut clean = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(|each: char| each.is_whitespace() || "/?#\"'<>`".contains(each));
        let authority = &after[..end.unwrap_or(after.len())];
        let host = authority.rfind('@').map_or(0, |at| at + 1);
        found |= host > 0;
        rest = &after[host..];
    }
    clean.push_str(rest);
    found.then_some(clean)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cleaned(value: Value) -> Value {
        let mut value = value;
        remove_from(&mut value);
        value
    }

    #[test]
    fn keys_that_name_a_credential_lose_their_value() {
        for key in [
            "credential",
            "Credential",
            "PASSWORD",
            "password",
            "secret",
            "passphrase",
            "private_key",
            "privateKey",
            "PRIVATE-KEY",
            "ipmi_credential",
            "bmcPassword",
            "BMC_PASSWORD",
            "root-password",
            "client_secret",
            "secretKey",
            "api_key",
        ] {
            assert_eq!(cleaned(json!({key: "canary"})), json!({key: ""}), "{key}");
            assert_eq!(
                cleaned(json!({key: ["canary", {"a": "canary"}]})),
                json!({key: ""}),
                "{key}"
            );
            assert_eq!(cleaned(json!({key: 12345})), json!({key: ""}), "{key}");
            assert_eq!(cleaned(json!({key: null})), json!({key: null}), "{key}");
        }
    }

    #[test]
    fn other_keys_keep_their_value() {
        for key in [
            "account",
            "password_policy",
            "secretary",
            "key",
            "gpgkey",
            "authorized_keys",
        ] {
            assert_eq!(
                cleaned(json!({key: "value"})),
                json!({key: "value"}),
                "{key}"
            );
        }
    }

    #[test]
    fn credentials_are_removed_at_any_depth() {
        let value = json!({"a": [{"b": {"oob": {"type": "ipmi", "credential": "canary"}}}]});
        let clean = json!({"a": [{"b": {"oob": {"type": "ipmi", "credential": ""}}}]});
        assert_eq!(cleaned(value), clean);
    }

    #[test]
    fn uris_lose_their_user_information() {
        for (dirty, clean) in [
            ("https://user:canary@host/path", "https://host/path"),
            (
                "qemu+ssh://root:canary@host:22/system",
                "qemu+ssh://host:22/system",
            ),
            ("https://canary@host", "https://host"),
            ("https://user:can@ary@host/a@b", "https://host/a@b"),
            (
                "a https://u:canary@h and http://u:canary@i/",
                "a https://h and http://i/",
            ),
            (
                "proxy=\"http://u:canary@h:3128\"",
                "proxy=\"http://h:3128\"",
            ),
        ] {
            assert_eq!(cleaned(json!(dirty)), json!(clean));
            assert_eq!(cleaned(json!({dirty: 1})), json!({clean: 1}));
        }
        for plain in ["https://host/a@b", "mail@host", "a:b@c", "://", "x://?@y"] {
            assert_eq!(cleaned(json!(plain)), json!(plain));
        }
    }

    #[test]
    fn private_keys_are_removed_wherever_they_are() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n";
        assert_eq!(
            cleaned(json!({"assets": [{"data": key}]})),
            json!({"assets": [{"data": ""}]})
        );
    }

    #[test]
    fn values_are_counted() {
        let Value::Object(mut body) = json!({"a": [1, 2], "b": {"c": null}, "secret": "x"}) else {
            panic!("a map is a map");
        };
        assert_eq!(remove(&mut body), 7);
    }
}
