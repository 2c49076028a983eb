//! Layers: what one source says, key by key, before anyone looks at what it means.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Flag;
use super::problem::{Origin, Problem};
use crate::secret::VARIABLE_PREFIX;

/// Prefix of our environment variables.
const PREFIX: &str = "DRYDOCK_";

/// Variables with a name of their own, beside the one made from their key.
const SHORT_NAMES: [(&str, &str); 2] = [
    ("DRYDOCK_LISTEN", "server.listen"),
    ("DRYDOCK_DATABASE_URL", "database.url"),
];

/// A value as its source can tell it; the environment and flags only know texts and lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<String>),
    /// Something no key takes, by what it is called.
    Other(&'static str),
}

#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What one source says.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(pub(super) BTreeMap<String, Setting>);

impl Layer {
    pub(super) fn of_flags(flags: &[Flag]) -> Self {
        let settings = flags.iter().map(|flag| {
            let value = match flag.values.as_slice() {
                [one] => Value::Text(one.clone()),
                many => Value::List(many.to_vec()),
            };
            let origin = Origin::Flag(flag.name);
            (flag.key.to_owned(), Setting { value, origin })
        });
        Self(settings.collect())
    }

    /// Variables of our prefix without a double underscore are left alone: a cluster sets such variables
    /// for every service it runs (`DRYDOCK_SERVICE_HOST`), and they are none of ours. Nor are secrets
    /// settings, whatever their names.
    pub(super) fn of_environment(
        environment: &[(OsString, OsString)],
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut layer = Self::default();
        for (name, value) in environment {
            let Some(name) = name.to_str() else { continue };
            let Some(key) = key_of_variable(name) else {
                continue;
            };
            let origin = Origin::Environment(name.to_owned());
            let mut refuse = |message: String| {
                problems.push(Problem {
                    key: Some(key.clone()),
                    origin: origin.clone(),
                    message,
                });
            };
            let Some(value) = value.to_str() else {
                refuse("is not UTF-8".to_owned());
                continue;
            };
            if let Some(other) = layer.0.get(&key) {
                refuse(format!("is set by {} too", other.origin));
                continue;
            }
            let value = Value::Text(value.to_owned());
            layer.0.insert(key, Setting { value, origin });
        }
        layer
    }

    pub(super) fn of_file(path: &Path, problems: &mut Vec<Problem>) -> Self {
        let mut layer = Self::default();
        let mut refuse = |line, message: String| {
            problems.push(Problem {
                key: None,
                origin: Origin::File {
                    path: path.to_owned(),
                    line,
                },
                message,
            });
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                refuse(None, format!("cannot be read: {error}"));
                return layer;
            }
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        for error in errors {
            let line = error.span().map(|span| line_at(&text, span.start));
            refuse(line, error.message().to_owned());
        }
        let source = Source { path, text: &text };
        source.flatten("", table.get_ref(), &mut layer);
        layer
    }
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// Depth is bounded by the parser, which refuses deeply nested documents.
    fn flatten(&self, prefix: &str, table: &DeTable<'_>, layer: &mut Layer) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let origin = Origin::File {
                path: self.path.to_owned(),
                line: Some(line_at(self.text, name.span().start)),
            };
            let value = match value.get_ref() {
                DeValue::Table(inner) => {
                    self.flatten(&key, inner, layer);
                    continue;
                }
                DeValue::String(text) => Value::Text(text.to_string()),
                DeValue::Boolean(value) => Value::Boolean(*value),
                DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                    .map_or(Value::Other("an integer beyond 64 bits"), Value::Integer),
                DeValue::Array(array) => array
                    .iter()
                    .map(|entry| entry.get_ref().as_str().map(str::to_owned))
                    .collect::<Option<Vec<String>>>()
                    .map_or(Value::Other("an array of other than texts"), Value::List),
                DeValue::Float(_) => Value::Other("a float"),
                DeValue::Datetime(_) => Value::Other("a date"),
            };
            layer.0.insert(key, Setting { value, origin });
        }
    }
}

fn key_of_variable(name: &str) -> Option<String> {
    if let Some((_, key)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
        return Some((*key).to_owned());
    }
    if name.starts_with(VARIABLE_PREFIX) {
        return None;
    }
    let rest = name.strip_prefix(PREFIX)?;
    rest.contains("__")
        .then(|| rest.to_ascii_lowercase().replace("__", "."))
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}
