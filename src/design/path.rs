//! Paths of fields inside a document's body: how rules say where something is.

use std::fmt;

use serde_json::{Map, Value};

use super::parse;

/// Where a field is, from the body of a document down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    steps: Vec<Step>,
}

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The field of a mapping.
    Field(String),
    /// An item of a list by its position in this very document, from 0.
    Index(usize),
    /// An item of a list by what it is: the text itself, or the mapping whose `name` or `network`
    /// it is. It finds the item in whichever document an inherited list has it from.
    Entry(String),
}

impl Path {
    /// The body itself, for what is missing from it.
    pub(crate) fn body() -> Self {
        Self::default()
    }

    /// The path of one of the body's fields.
    pub(crate) fn of(field: impl Into<String>) -> Self {
        Self::body().field(field)
    }

    /// The path of a field of what is at this path.
    pub(crate) fn field(self, name: impl Into<String>) -> Self {
        self.with(Step::Field(name.into()))
    }

    /// The path of the item at a position. Only for the document that the list was read from;
    /// what a node inherited is found by [`Self::entry`].
    pub(crate) fn index(self, position: usize) -> Self {
        self.with(Step::Index(position))
    }

    /// The path of the item that is this text, or has it as its `name` or `network`.
    pub(crate) fn entry(self, name: impl Into<String>) -> Self {
        self.with(Step::Entry(name.into()))
    }

    fn with(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.steps.pop();
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// How many steps of the path a body has, and those steps with entries as positions. A field
    /// that is null is not set, so it is not there.
    pub(super) fn resolve<'p>(&'p self, body: &Map<String, Value>) -> Vec<parse::Step<'p>> {
        let mut found = Vec::new();
        let mut here: Option<&Value> = None;
        for step in &self.steps {
            let (step, next) = match (step, here) {
                (Step::Field(name) | Step::Entry(name), None) => {
                    (parse::Step::Field(name), body.get(name))
                }
                (Step::Field(name) | Step::Entry(name), Some(Value::Object(fields))) => {
                    (parse::Step::Field(name), fields.get(name))
                }
                (Step::Index(at), Some(Value::Array(items))) => {
                    (parse::Step::Index(*at), items.get(*at))
                }
                (Step::Entry(name), Some(Value::Array(items))) => {
                    let Some(at) = items.iter().position(|item| is_called(item, name)) else {
                        break;
                    };
                    (parse::Step::Index(at), items.get(at))
                }
                _no_such_step => break,
            };
            match next {
                None | Some(Value::Null) => break,
                Some(value) => here = Some(value),
            }
            found.push(step);
        }
        found
    }
}

fn is_called(item: &Value, name: &str) -> bool {
    let is = |value: &Value| super::document::scalar(value).is_some_and(|text| text == name);
    match item {
        Value::Object(fields) => [super::inherit::NAME, super::inherit::NETWORK]
            .iter()
            .any(|key| fields.get(*key).is_some_and(is)),
        other => is(other),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Step::Field(name) | Step::Entry(name) if at == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(position) => write!(f, "[{position}]")?,
                Step::Entry(name) => write!(f, "[{name}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_found_by_what_they_are() {
        let Value::Object(body) = json!({
            "addressing": [{"network": "pxe"}, {"network": "oob", "address": "10.0.0.1"}],
            "tags": ["a", "b"],
            "none": null,
        }) else {
            panic!("a map is a map");
        };
        let found = |path: &Path| path.resolve(&body).len();
        let address = Path::of("addressing").entry("oob").field("address");
        assert_eq!(found(&address), 3);
        assert_eq!(address.to_string(), "addressing[oob].address");
        assert_eq!(address.resolve(&body)[1], parse::Step::Index(1));
        assert_eq!(
            found(&Path::of("addressing").entry("pxe").field("address")),
            2
        );
        assert_eq!(found(&Path::of("tags").entry("b")), 2);
        assert_eq!(found(&Path::of("tags").entry("c")), 1);
        assert_eq!(found(&Path::of("tags").index(2)), 1);
        assert_eq!(found(&Path::of("none")), 0);
        assert_eq!(found(&Path::of("tags").field("a")), 1);
    }
}
