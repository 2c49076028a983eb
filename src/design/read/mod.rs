//! From the body of a document to its typed form.
//!
//! A field that has no usable form is reported and left out; the rest of the document is read. A
//! field that no reader asked for is reported as unknown, so that what is known is written once,
//! where it is read. What is found wrong is a [`Misfit`] with its path; its place in the file is
//! looked for only if it is shown.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::document::scalar;
use super::finding::Severity;
use super::path::Path;

mod boot_action;
mod hardware;
pub(super) mod host;
mod link;
mod network;
mod rack;
mod region;
mod storage;

pub(super) use boot_action::boot_action;
pub(super) use hardware::hardware_profile;
pub(super) use link::network_link;
pub(super) use network::network;
pub(super) use rack::rack;
pub(super) use region::region;

/// Misfits kept of one document: nobody repairs more of it at once.
const MAX_MISFITS: usize = 100;

/// In which way a field does not fit the schema of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MisfitKind {
    /// Nothing is called that.
    UnknownField,
    /// It is a list where a text belongs, say.
    WrongType,
    /// It has the right type, but is not a value that the field can have.
    BadValue,
}

/// A field that does not fit the schema of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) kind: MisfitKind,
    /// A warning where the value could be read all the same.
    pub(crate) severity: Severity,
    pub(crate) path: Path,
    pub(crate) message: String,
}

/// Reads `body` with a reader of its kind: the typed form, and what does not fit.
pub(super) fn read<T>(
    body: &Map<String, Value>,
    reader: impl FnOnce(&mut Scope<'_, '_>) -> T,
) -> (T, Vec<Misfit>) {
    let mut notes = Notes {
        trail: Vec::new(),
        misfits: Vec::new(),
    };
    let read = Scope::read(body, &mut notes, reader);
    (read, notes.misfits)
}

/// Where the reader is and what it found.
struct Notes<'v> {
    trail: Vec<Turn<'v>>,
    misfits: Vec<Misfit>,
}

#[derive(Clone, Copy)]
enum Turn<'v> {
    Field(&'v str),
    Index(usize),
}

/// The fields of one mapping while it is read.
pub(super) struct Scope<'v, 'n> {
    fields: &'v Map<String, Value>,
    notes: &'n mut Notes<'v>,
    asked: Vec<&'static str>,
    /// Fields may be of any name.
    open: bool,
}

impl<'v> Notes<'v> {
    fn note(
        &mut self,
        kind: MisfitKind,
        severity: Severity,
        field: Option<&str>,
        message: impl Display,
    ) {
        if self.misfits.len() >= MAX_MISFITS {
            return;
        }
        let path = self
            .trail
            .iter()
            .fold(Path::body(), |path, turn| match turn {
                Turn::Field(name) => path.field(*name),
                Turn::Index(at) => path.index(*at),
            });
        let path = match field {
            Some(field) => path.field(field),
            None => path,
        };
        let message = message.to_string();
        self.misfits.push(Misfit {
            kind,
            severity,
            path,
            message,
        });
    }

    fn wrong_type(&mut self, value: &Value, wanted: &str) {
        let message = format!("{} stands where {wanted} belongs", described(value));
        self.note(MisfitKind::WrongType, Severity::Error, None, message);
    }

    fn bad_value(&mut self, message: impl Display) {
        self.note(MisfitKind::BadValue, Severity::Error, None, message);
    }

    /// A value as a text. Whole numbers are texts as they stand; what YAML may have respelled is
    /// read with a warning.
    fn text(&mut self, value: &Value) -> Option<String> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if !number.is_f64() => Some(number.to_string()),
            Value::Bool(_) | Value::Number(_) => {
                let message = format!("{} stands where a text belongs: quote it", described(value));
                self.note(MisfitKind::WrongType, Severity::Warning, None, message);
                scalar(value)
            }
            Value::Array(_) | Value::Object(_) => {
                self.wrong_type(value, "a text");
                None
            }
        }
    }

    fn choice<T: Copy>(&mut self, value: &Value, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(value)?;
        let chosen = choices.iter().find(|(name, _)| *name == text);
        if chosen.is_none() {
            let names: Vec<String> = choices
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            self.bad_value(format!("the value is none of {}", names.join(", ")));
        }
        chosen.map(|(_, choice)| *choice)
    }

    fn within<T>(&mut self, turn: Turn<'v>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.trail.push(turn);
        let read = read(self);
        self.trail.pop();
        read
    }

    fn object<T>(
        &mut self,
        value: &'v Value,
        read: impl FnOnce(&mut Scope<'v, '_>) -> T,
    ) -> Option<T> {
        match value {
            Value::Null => None,
            Value::Object(fields) => Some(Scope::read(fields, self, read)),
            other => {
                self.wrong_type(other, "a mapping");
                None
            }
        }
    }
}

impl<'v, 'n> Scope<'v, 'n> {
    fn read<T>(
        fields: &'v Map<String, Value>,
        notes: &'n mut Notes<'v>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut scope = Self {
            fields,
            notes,
            asked: Vec::new(),
            open: false,
        };
        let value = read(&mut scope);
        scope.close();
        value
    }

    fn close(self) {
        if self.open {
            return;
        }
        for name in self.fields.keys() {
            let plain = name.strip_prefix('!').unwrap_or(name);
            if !self.asked.contains(&plain) {
                let near = nearest(plain, self.asked.iter().copied());
                let message = match near {
                    Some(near) => format!("no field is called this; is `{near}` meant?"),
                    None => "no field is called this, and it is ignored".to_owned(),
                };
                self.notes.note(
                    MisfitKind::UnknownField,
                    Severity::Warning,
                    Some(name),
                    message,
                );
            }
        }
    }

    fn at<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Notes<'v>, &'v Value) -> Option<T>,
    ) -> Option<T> {
        self.asked.push(key);
        let value = self.fields.get(key).filter(|value| !value.is_null())?;
        self.notes
            .within(Turn::Field(key), |notes| read(notes, value))
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.at(key, |notes, value| notes.text(value))
    }

    /// A text of a form of its own; the error says what the form is.
    pub(super) fn parsed<T>(&mut self, key: &'static str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.at(key, |notes, value| {
            let text = notes.text(value)?;
            let parsed = text.parse();
            parsed.map_err(|error| notes.bad_value(error)).ok()
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        self.at(key, |notes, value| notes.choice(value, choices))
    }

    /// A list of some of a few words.
    pub(super) fn choices<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Vec<T> {
        self.items(key, |notes, item| notes.choice(item, choices))
    }

    /// A whole number in a range; one written as a text is read with a warning.
    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<T> {
        self.at(key, |notes, value| {
            let number = match value {
                Value::Number(number) => number.as_u64(),
                Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    if let Ok(number) = text.parse() {
                        let message = "a text stands where a number belongs: do not quote it";
                        notes.note(MisfitKind::WrongType, Severity::Warning, None, message);
                        Some(number)
                    } else {
                        None
                    }
                }
                other => {
                    notes.wrong_type(other, "a number");
                    return None;
                }
            };
            let number = number.filter(|number| range.contains(number));
            let number = number.and_then(|number| T::try_from(number).ok());
            if number.is_none() {
                let (least, most) = (range.start(), range.end());
                notes.bad_value(format!(
                    "the value is no whole number from {least} to {most}"
                ));
            }
            number
        })
    }

    /// True or false.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.at(key, |notes, value| match value {
            Value::Bool(value) => Some(*value),
            other => {
                notes.wrong_type(other, "true or false");
                None
            }
        })
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.items(key, Notes::text)
    }

    /// Free metadata: texts by name, every scalar as a text.
    pub(super) fn labels(&mut self, key: &'static str) -> BTreeMap<String, String> {
        self.entries(key, |notes, value| match value {
            Value::Array(_) | Value::Object(_) => {
                notes.wrong_type(value, "a text");
                None
            }
            other => Some(scalar(other).unwrap_or_default()),
        })
    }

    /// A mapping of its own fields.
    pub(super) fn object<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Scope<'v, '_>) -> T,
    ) -> Option<T> {
        self.at(key, |notes, value| notes.object(value, read))
    }

    /// A list of mappings.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Scope<'v, '_>) -> T,
    ) -> Vec<T> {
        self.items(key, |notes, item| notes.object(item, &read))
    }

    /// A mapping from names that the author chose to mappings. A name without one is left out: it
    /// removes what is inherited under it.
    pub(super) fn map<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Scope<'v, '_>) -> T,
    ) -> BTreeMap<String, T> {
        self.entries(key, |notes, value| notes.object(value, &read))
    }

    /// As [`Self::map`], for what is read in more than one form.
    pub(super) fn custom<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut FieldValue<'v, '_>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        self.entries(key, |notes, value| read(&mut FieldValue { value, notes }))
    }

    /// A field of more than one form.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut FieldValue<'v, '_>) -> Option<T>,
    ) -> Option<T> {
        self.at(key, |notes, value| read(&mut FieldValue { value, notes }))
    }

    /// All fields that were not asked for, with any name, as mappings.
    pub(super) fn others<T>(
        &mut self,
        read: impl Fn(&mut FieldValue<'v, '_>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        self.open = true;
        let fields = self.fields;
        let mut others = BTreeMap::new();
        for (name, value) in fields {
            if self.asked.contains(&name.as_str()) || name.starts_with('!') || value.is_null() {
                continue;
            }
            let other = self.notes.within(Turn::Field(name), |notes| {
                read(&mut FieldValue { value, notes })
            });
            others.extend(other.map(|other| (name.clone(), other)));
        }
        others
    }

    fn items<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Notes<'v>, &'v Value) -> Option<T>,
    ) -> Vec<T> {
        let items = self.at(key, |notes, value| {
            let Value::Array(items) = value else {
                notes.wrong_type(value, "a list");
                return None;
            };
            // An entry `!name` is no item: it removes one that is inherited.
            let own = items
                .iter()
                .enumerate()
                .filter(|(_, item)| item.as_str().is_none_or(|text| !text.starts_with('!')));
            let own = own
                .filter_map(|(at, item)| notes.within(Turn::Index(at), |notes| read(notes, item)));
            Some(own.collect())
        });
        items.unwrap_or_default()
    }

    fn entries<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Notes<'v>, &'v Value) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let entries = self.at(key, |notes, value| {
            let Value::Object(fields) = value else {
                notes.wrong_type(value, "a mapping");
                return None;
            };
            let own = fields.iter().filter(|(name, _)| !name.starts_with('!'));
            let own = own.filter_map(|(name, value)| {
                let read = notes.within(Turn::Field(name), |notes| read(notes, value));
                Some((name.clone(), read?))
            });
            Some(own.collect())
        });
        entries.unwrap_or_default()
    }
}

/// One value of a field that has several forms.
pub(super) struct FieldValue<'v, 'n> {
    pub(super) value: &'v Value,
    notes: &'n mut Notes<'v>,
}

impl<'v> FieldValue<'v, '_> {
    /// The value as a mapping of fields.
    pub(super) fn object<T>(&mut self, read: impl FnOnce(&mut Scope<'v, '_>) -> T) -> Option<T> {
        self.notes.object(self.value, read)
    }

    /// The value as a text.
    pub(super) fn text(&mut self) -> Option<String> {
        self.notes.text(self.value)
    }

    /// It has none of its forms.
    pub(super) fn wrong_type(&mut self, wanted: &str) {
        self.notes.wrong_type(self.value, wanted);
    }

    /// It has the right form, but no value of the field.
    pub(super) fn bad_value(&mut self, message: impl Display) {
        self.notes.bad_value(message);
    }
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// The known name that an unknown one is most likely a slip of the pen for.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    /// Longer names are not compared: no field has one.
    const LONGEST: usize = 40;
    if name.len() > LONGEST {
        return None;
    }
    let known = known.filter(|known| known.len() <= LONGEST);
    let near = known.map(|known| (edits(name, known), known));
    let near = near.filter(|(edits, known)| edits * 2 <= known.len());
    near.min().map(|(_, known)| known)
}

/// How many characters have to be inserted, removed or replaced to get from one to the other.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, left) in left.chars().enumerate() {
        let mut diagonal = at;
        row[0] = at + 1;
        for (position, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *other);
            diagonal = row[position + 1];
            row[position + 1] = replaced.min(row[position] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
#[path = "../tests/read.rs"]
mod tests;
