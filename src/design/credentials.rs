//! Removes credentials from documents before anything else sees them.
//!
//! What is kept of a design, and everything computed from it, is without credentials; where one is
//! needed, the design names it, `secret://NAME`, and it is looked up when it is used. What counts as a credential is decided by
//! the name of its key, by user information in a URI, and by the header of a private key. The
//! rule is one for all kinds of documents, so that a field added later is covered too.

use serde_json::{Map, Value};

use super::path::{Path, Step};
use crate::domain::SecretReference;

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

/// Places of removed credentials kept of one document: nobody mends more of it at once.
const MAX_PLACES: usize = 100;

/// What came of removing the credentials of a document.
#[derive(Debug, Default)]
pub(super) struct Removal {
    /// How many scalars, lists and maps the body consists of now.
    pub(super) values: usize,
    /// Where credentials stood, the first hundred.
    pub(super) places: Vec<Path>,
    here: Path,
}

/// Removes every credential in `body`, at any depth, but references to secrets.
pub(super) fn remove(body: &mut Map<String, Value>) -> Removal {
    let mut removal = Removal::default();
    removal.remove(body);
    removal
}

impl Removal {
    /// Recursion is as deep as the parser lets documents be.
    fn remove(&mut self, fields: &mut Map<String, Value>) {
        self.values += 1;
        let mut renamed = Vec::new();
        for (key, value) in fields.iter_mut() {
            self.here.push(Step::Field(key.clone()));
            if !names_a_credential(key) {
                self.remove_from(value);
            } else if is_reference(value) {
                self.values += 1;
            } else {
                self.values += 1;
                // What was never set stays visibly so.
                if !value.is_null() {
                    self.removed(value);
                }
            }
            self.here.pop();
            if let Some(clean) = without_userinfo(key) {
                renamed.push((key.clone(), clean));
            }
        }
        for (key, clean) in renamed {
            if let Some(value) = fields.remove(&key) {
                fields.insert(clean, value);
            }
        }
    }

    fn remove_from(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => self.remove(fields),
            Value::Array(items) => {
                self.values += 1;
                for (at, item) in items.iter_mut().enumerate() {
                    self.here.push(Step::Index(at));
                    self.remove_from(item);
                    self.here.pop();
                }
            }
            Value::String(text) => {
                self.values += 1;
                if text.contains(PRIVATE_KEY) {
                    self.removed(value);
                } else if let Some(clean) = without_userinfo(text) {
                    self.note();
                    *text = clean;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => self.values += 1,
        }
    }

    fn removed(&mut self, value: &mut Value) {
        // An empty one is none.
        if value.as_str() != Some(REMOVED) {
            self.note();
        }
        *value = Value::String(REMOVED.to_owned());
    }

    fn note(&mut self) {
        if self.places.len() < MAX_PLACES {
            self.places.push(self.here.clone());
        }
    }
}

/// Whether a value is of exactly the form `secret://NAME`, which is no secret itself.
fn is_reference(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.parse::<SecretReference>().is_ok())
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
        Removal::default().remove_from(&mut value);
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
        assert_eq!(remove(&mut body).values, 7);
    }

    #[test]
    fn references_to_secrets_are_kept_and_nothing_that_only_looks_like_one() {
        for reference in ["secret://bmc-1", "secret://a.b_c"] {
            let oob = json!({"credential": reference});
            assert_eq!(cleaned(oob.clone()), oob);
        }
        for credential in [
            "secret://",
            "secret://a b",
            "secret://a/../b",
            " secret://a",
            "Secret://a",
        ] {
            assert_eq!(
                cleaned(json!({"credential": credential})),
                json!({"credential": ""})
            );
        }
        let list = json!({"passwords": ["secret://a"]});
        assert_eq!(cleaned(list), json!({"passwords": ""}));
    }

    #[test]
    fn places_of_credentials_are_told() {
        let Value::Object(mut body) = json!({
            "oob": {"credential": "canary", "password": null, "passphrase": ""},
            "assets": [{"data": "-----BEGIN PRIVATE KEY-----"}, {"location": "http://u:canary@h/"}],
            "kept": {"credential": "secret://a"},
        }) else {
            panic!("a map is a map");
        };
        let places = remove(&mut body).places;
        let places: Vec<_> = places.iter().map(ToString::to_string).collect();
        assert_eq!(
            places,
            ["assets[0].data", "assets[1].location", "oob.credential"]
        );
    }
}
