//! What does not fit, noted with its path while a document is read.

use std::fmt::Display;

use serde_json::Value;

use super::super::document::scalar;
use super::super::finding::Severity;
use super::super::path::Path;
use super::scope::Scope;

/// Misfits kept of one document: nobody repairs more of it at once.
pub(super) const MAX_MISFITS: usize = 100;

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

/// Where the reader is and what it found.
#[derive(Default)]
pub(super) struct Notes<'v> {
    trail: Vec<Turn<'v>>,
    pub(super) misfits: Vec<Misfit>,
}

#[derive(Clone, Copy)]
pub(super) enum Turn<'v> {
    Field(&'v str),
    Index(usize),
}

impl<'v> Notes<'v> {
    pub(super) fn note(
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

    pub(super) fn wrong_type(&mut self, value: &Value, wanted: &str) {
        let message = format!("{} stands where {wanted} belongs", described(value));
        self.note(MisfitKind::WrongType, Severity::Error, None, message);
    }

    pub(super) fn bad_value(&mut self, message: impl Display) {
        self.note(MisfitKind::BadValue, Severity::Error, None, message);
    }

    /// A value as a text. Whole numbers are texts as they stand; what YAML may have respelled is
    /// read with a warning.
    pub(super) fn text(&mut self, value: &Value) -> Option<String> {
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

    pub(super) fn choice<T: Copy>(&mut self, value: &Value, choices: &[(&str, T)]) -> Option<T> {
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

    pub(super) fn within<T>(&mut self, turn: Turn<'v>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.trail.push(turn);
        let read = read(self);
        self.trail.pop();
        read
    }

    pub(super) fn object<T>(
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
