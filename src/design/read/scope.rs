//! The fields of a mapping, asked for one by one by whoever knows them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::super::document::scalar;
use super::super::finding::Severity;
use super::nearest::nearest;
use super::notes::{MisfitKind, Notes, Turn};

/// The fields of one mapping while it is read.
pub(in super::super) struct Scope<'v, 'n> {
    pub(super) fields: &'v Map<String, Value>,
    notes: &'n mut Notes<'v>,
    asked: Vec<&'static str>,
    /// Fields may be of any name.
    open: bool,
}

impl<'v, 'n> Scope<'v, 'n> {
    pub(super) fn read<T>(
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
    pub(in super::super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.at(key, |notes, value| notes.text(value))
    }

    /// A text of a form of its own; the error says what the form is.
    pub(in super::super) fn parsed<T>(&mut self, key: &'static str) -> Option<T>
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
    pub(in super::super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        self.at(key, |notes, value| notes.choice(value, choices))
    }

    /// A list of some of a few words.
    pub(in super::super) fn choices<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Vec<T> {
        self.items(key, |notes, item| notes.choice(item, choices))
    }

    /// A whole number in a range; one written as a text is read with a warning.
    pub(in super::super) fn number<T: TryFrom<u64>>(
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
    pub(in super::super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.at(key, |notes, value| match value {
            Value::Bool(value) => Some(*value),
            other => {
                notes.wrong_type(other, "true or false");
                None
            }
        })
    }

    /// A list of texts.
    pub(in super::super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.items(key, Notes::text)
    }

    /// Free metadata: texts by name, every scalar as a text.
    pub(in super::super) fn labels(&mut self, key: &'static str) -> BTreeMap<String, String> {
        self.entries(key, |notes, value| match value {
            Value::Array(_) | Value::Object(_) => {
                notes.wrong_type(value, "a text");
                None
            }
            other => Some(scalar(other).unwrap_or_default()),
        })
    }

    /// A mapping of its own fields.
    pub(in super::super) fn object<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Scope<'v, '_>) -> T,
    ) -> Option<T> {
        self.at(key, |notes, value| notes.object(value, read))
    }

    /// A list of mappings.
    pub(in super::super) fn list<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Scope<'v, '_>) -> T,
    ) -> Vec<T> {
        self.items(key, |notes, item| notes.object(item, &read))
    }

    /// A mapping from names that the author chose to mappings. A name without one is left out: it
    /// removes what is inherited under it.
    pub(in super::super) fn map<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Scope<'v, '_>) -> T,
    ) -> BTreeMap<String, T> {
        self.entries(key, |notes, value| notes.object(value, &read))
    }

    /// As [`Self::map`], for what is read in more than one form.
    pub(in super::super) fn custom<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut FieldValue<'v, '_>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        self.entries(key, |notes, value| read(&mut FieldValue { value, notes }))
    }

    /// A field of more than one form.
    pub(in super::super) fn value<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut FieldValue<'v, '_>) -> Option<T>,
    ) -> Option<T> {
        self.at(key, |notes, value| read(&mut FieldValue { value, notes }))
    }

    /// All fields that were not asked for, with any name, as mappings.
    pub(in super::super) fn others<T>(
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
pub(in super::super) struct FieldValue<'v, 'n> {
    pub(in super::super) value: &'v Value,
    notes: &'n mut Notes<'v>,
}

impl<'v> FieldValue<'v, '_> {
    /// The value as a mapping of fields.
    pub(in super::super) fn object<T>(
        &mut self,
        read: impl FnOnce(&mut Scope<'v, '_>) -> T,
    ) -> Option<T> {
        self.notes.object(self.value, read)
    }

    /// The value as a text.
    pub(in super::super) fn text(&mut self) -> Option<String> {
        self.notes.text(self.value)
    }

    /// It has none of its forms.
    pub(in super::super) fn wrong_type(&mut self, wanted: &str) {
        self.notes.wrong_type(self.value, wanted);
    }

    /// It has the right form, but no value of the field.
    pub(in super::super) fn bad_value(&mut self, message: impl Display) {
        self.notes.bad_value(message);
    }
}
