//! The reader: gives a section its keys one by one, and keeps what is wrong for the end.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::duration;
use super::layer::{Layer, Value};
use super::problem::{Origin, Problem, Problems};
use crate::domain::SecretReference;

/// A key that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name, for example `executor.lease`.
    pub name: String,
    /// Its default, as it would be written.
    pub default: String,
    /// What it is for: one sentence.
    pub description: String,
}

/// What is being read. Where a value is wrong, the section gets the default and reading goes on.
pub(super) struct Reader {
    /// The strongest first.
    layers: Vec<Layer>,
    keys: Vec<Key>,
    problems: Vec<Problem>,
    /// Secrets and files that were named: the service's own, which no design is given.
    secrets: Vec<SecretReference>,
    files: Vec<PathBuf>,
}

impl Reader {
    pub(super) fn new(layers: Vec<Layer>, problems: Vec<Problem>) -> Self {
        Self {
            layers,
            keys: Vec::new(),
            problems,
            secrets: Vec::new(),
            files: Vec::new(),
        }
    }

    /// A duration of at least `at_least`.
    pub(super) fn duration(
        &mut self,
        key: &str,
        default: Duration,
        at_least: Duration,
        description: &str,
    ) -> Duration {
        let parse = |value: &Value| {
            let Value::Text(text) = value else {
                return Err(duration::NotADuration.to_string());
            };
            let parsed = duration::parse(text).map_err(|error| error.to_string())?;
            if parsed < at_least {
                return Err(format!("must be at least {}", duration::format(at_least)));
            }
            Ok(parsed)
        };
        self.read(key, &duration::format(default), description, parse)
            .unwrap_or(default)
    }

    /// A number within `range`.
    pub(super) fn count(
        &mut self,
        key: &str,
        default: u32,
        range: RangeInclusive<u32>,
        description: &str,
    ) -> u32 {
        let parse = |value: &Value| {
            let number = match value {
                Value::Integer(number) => u32::try_from(*number).ok(),
                Value::Text(text) => text.parse().ok(),
                Value::Boolean(_) | Value::List(_) | Value::Other(_) => None,
            };
            number
                .filter(|number| range.contains(number))
                .ok_or_else(|| {
                    format!("must be a number from {} to {}", range.start(), range.end())
                })
        };
        self.read(key, &default.to_string(), description, parse)
            .unwrap_or(default)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str, default: bool, description: &str) -> bool {
        let parse = |value: &Value| match value {
            Value::Boolean(value) => Ok(*value),
            Value::Text(text) if text == "true" => Ok(true),
            Value::Text(text) if text == "false" => Ok(false),
            Value::Text(_) | Value::Integer(_) | Value::List(_) | Value::Other(_) => {
                Err("must be `true` or `false`".to_owned())
            }
        };
        self.read(key, &default.to_string(), description, parse)
            .unwrap_or(default)
    }

    /// One of `tokens`, the first of which is the default.
    pub(super) fn token<T: Copy, const N: usize>(
        &mut self,
        key: &str,
        tokens: [(&str, T); N],
        description: &str,
    ) -> T {
        const { assert!(N > 0, "the first token is the default") };
        let (default, value) = tokens[0];
        self.choice(key, default, tokens, description)
            .unwrap_or(value)
    }

    /// One of `tokens`; none if it is not set, whatever that means: `default` says it in words.
    pub(super) fn choice<T: Copy, const N: usize>(
        &mut self,
        key: &str,
        default: &str,
        tokens: [(&str, T); N],
        description: &str,
    ) -> Option<T> {
        let parse = |value: &Value| {
            let text = match value {
                Value::Text(text) => text.clone(),
                // A token may be a number.
                Value::Integer(number) => number.to_string(),
                Value::Boolean(_) | Value::List(_) | Value::Other(_) => String::new(),
            };
            let found = tokens.iter().find(|(token, _)| *token == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let names: Vec<String> =
                    tokens.iter().map(|(name, _)| format!("`{name}`")).collect();
                format!("must be {}", names.join(" or "))
            })
        };
        self.read(key, default, description, parse)
    }

    /// Any of `tokens`, each at most once; none if it is not set. An array in a file, separated by
    /// commas elsewhere.
    pub(super) fn tokens<T: Clone + PartialEq>(
        &mut self,
        key: &str,
        tokens: &[(&str, T)],
        description: &str,
    ) -> Option<Vec<T>> {
        let parse = |value: &Value| {
            let given: Vec<&str> = match value {
                Value::List(texts) => texts.iter().map(String::as_str).collect(),
                Value::Text(text) if text.trim().is_empty() => Vec::new(),
                Value::Text(text) => text.split(',').map(str::trim).collect(),
                Value::Integer(_) | Value::Boolean(_) | Value::Other(_) => {
                    return Err("must be an array of texts".to_owned());
                }
            };
            let mut found = Vec::new();
            for text in given {
                let known = tokens.iter().find(|(token, _)| *token == text);
                let Some((_, value)) = known else {
                    let names: Vec<String> =
                        tokens.iter().map(|(name, _)| format!("`{name}`")).collect();
                    return Err(format!("must hold nothing but {}", names.join(" and ")));
                };
                if !found.contains(value) {
                    found.push(value.clone());
                }
            }
            Ok(found)
        };
        self.read(key, "none", description, parse)
    }

    /// What stands between `prefix` and one of `suffixes` in the keys that are set.
    pub(super) fn names_between(&self, prefix: &str, suffixes: &[&str]) -> BTreeSet<String> {
        let keys = self.layers.iter().flat_map(|layer| layer.0.keys());
        keys.filter_map(|key| {
            let rest = key.strip_prefix(prefix)?;
            let name = suffixes
                .iter()
                .find_map(|suffix| rest.strip_suffix(suffix))?;
            (!name.is_empty()).then(|| name.to_owned())
        })
        .collect()
    }

    /// A path; none if it is not set, whatever that means: `default` says it in words.
    pub(super) fn path(&mut self, key: &str, default: &str, description: &str) -> Option<PathBuf> {
        let path = self.text(key, default, description, |text| {
            if text.is_empty() {
                Err("must not be empty")
            } else {
                Ok(PathBuf::from(text))
            }
        });
        self.files.extend(path.clone());
        path
    }

    /// A secret of the service itself, by reference; none if it is not set.
    pub(super) fn secret(&mut self, key: &str, description: &str) -> Option<SecretReference> {
        let secret = self.text(key, "none", description, str::parse::<SecretReference>);
        self.secrets.extend(secret.clone());
        secret
    }

    /// Keeps a secret from designs that a setting of another form names.
    pub(super) fn reserve(&mut self, secret: &SecretReference) {
        self.secrets.push(secret.clone());
    }

    /// What was named so far: the service's own secrets and files.
    pub(super) fn reserved(&self) -> (Vec<SecretReference>, Vec<PathBuf>) {
        (self.secrets.clone(), self.files.clone())
    }

    /// Paths: an array in a file, separated as in `PATH` elsewhere.
    pub(super) fn paths(&mut self, key: &str, description: &str) -> Vec<PathBuf> {
        let parse = |value: &Value| {
            let paths: Vec<PathBuf> = match value {
                Value::List(paths) => paths.iter().map(PathBuf::from).collect(),
                Value::Text(text) => std::env::split_paths(text).collect(),
                Value::Integer(_) | Value::Boolean(_) | Value::Other(_) => {
                    return Err("must be an array of paths".to_owned());
                }
            };
            if paths.iter().any(|path| path.as_os_str().is_empty()) {
                return Err("must not hold an empty path".to_owned());
            }
            Ok(paths)
        };
        self.read(key, "none", description, parse)
            .unwrap_or_default()
    }

    /// Texts that `parse` understands: an array in a file, separated by commas elsewhere. They are not
    /// repeated in a problem, as one may be a secret.
    pub(super) fn texts<T, E: Display>(
        &mut self,
        key: &str,
        description: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let parse_all = |value: &Value| {
            let texts: Vec<&str> = match value {
                Value::List(texts) => texts.iter().map(String::as_str).collect(),
                Value::Text(text) if text.is_empty() => Vec::new(),
                Value::Text(text) => text.split(',').map(str::trim).collect(),
                Value::Integer(_) | Value::Boolean(_) | Value::Other(_) => {
                    return Err("must be an array of texts".to_owned());
                }
            };
            let parsed = texts.iter().enumerate().map(|(at, text)| {
                let place = at + 1;
                parse(text).map_err(|error| format!("entry {place} {error}"))
            });
            parsed.collect::<Result<Vec<T>, String>>()
        };
        self.read(key, "none", description, parse_all)
            .unwrap_or_default()
    }

    /// A text that `parse` understands; none if it is not set. The text is not repeated in a problem, as it
    /// may be a secret.
    pub(super) fn text<T, E: Display>(
        &mut self,
        key: &str,
        default: &str,
        description: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.read(key, default, description, |value| match value {
            Value::Text(text) => parse(text).map_err(|error| error.to_string()),
            Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Other(_) => {
                Err("must be a text".to_owned())
            }
        })
    }

    /// Refuses `key` with `message` unless `holds`. Nothing is said of keys that have a problem already,
    /// here or in `others`: the values at hand are then defaults that nobody chose.
    pub(super) fn check(&mut self, key: &str, others: &[&str], holds: bool, message: String) {
        let known_bad = self.problems.iter().any(|problem| {
            problem
                .key
                .as_deref()
                .is_some_and(|bad| bad == key || others.contains(&bad))
        });
        if holds || known_bad {
            return;
        }
        // Where the key itself is a default, the setting that does not go with it is the one to look at.
        let origin = std::iter::once(key)
            .chain(others.iter().copied())
            .find_map(|key| self.origin(key))
            .unwrap_or(Origin::Default);
        self.problems.push(Problem {
            key: Some(key.to_owned()),
            origin,
            message,
        });
    }

    /// Ends reading: what was set but never asked for is unknown.
    pub(super) fn finish(mut self) -> Result<(), Problems> {
        for layer in &self.layers {
            for (key, setting) in &layer.0 {
                if !self.keys.iter().any(|known| known.name == *key) {
                    self.problems.push(Problem {
                        key: Some(key.clone()),
                        origin: setting.origin.clone(),
                        message: "is no known key".to_owned(),
                    });
                }
            }
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(self.problems))
        }
    }

    pub(super) fn into_keys(mut self) -> Vec<Key> {
        self.keys.sort_by(|left, right| left.name.cmp(&right.name));
        self.keys
    }

    /// The value of the strongest layer that sets `key`. The others are looked at too, as a mistake in a
    /// file is one even while a flag hides it.
    fn read<T>(
        &mut self,
        key: &str,
        default: &str,
        description: &str,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> Option<T> {
        self.keys.push(Key {
            name: key.to_owned(),
            default: default.to_owned(),
            description: description.to_owned(),
        });
        let mut found = None;
        for setting in self.layers.iter().filter_map(|layer| layer.0.get(key)) {
            match parse(&setting.value) {
                Ok(value) => found = found.or(Some(value)),
                Err(message) => self.problems.push(Problem {
                    key: Some(key.to_owned()),
                    origin: setting.origin.clone(),
                    message: match setting.value {
                        Value::Other(what) => format!("{message}, not {what}"),
                        Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::List(_) => {
                            message
                        }
                    },
                }),
            }
        }
        found
    }

    fn origin(&self, key: &str) -> Option<Origin> {
        self.layers
            .iter()
            .find_map(|layer| layer.0.get(key))
            .map(|setting| setting.origin.clone())
    }
}
