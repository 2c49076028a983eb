//! A document of a design: what it is, what it is called, where it stands.
//!
//! Two forms are read. The newer one has `schema: drydock/<Kind>/v1` and its body in `data`, the
//! older one `apiVersion: drydock/v1`, `kind` and `spec`. Both become one form here, and nothing
//! later can tell them apart but by the field names in findings.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::credentials;
use super::finding::{Code, Finding, Findings, Severity};
use super::parse::{self, Place, Step};
use super::path::Path;
use super::split::Chunk;

/// The longest name of anything, in bytes: what a node filter can ask for.
pub(super) const MAX_NAME_BYTES: usize = 253;

/// Where a document has its name.
const NAME: [&str; 2] = ["metadata", "name"];

/// The kinds of documents a design is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The site itself: repositories, keys, tag definitions.
    Region,
    /// A rack, its switches and its labels.
    Rack,
    /// A network: addresses, routes, name service.
    Network,
    /// A physical link and the networks it carries.
    NetworkLink,
    /// What nodes have in common; profiles inherit from each other.
    HostProfile,
    /// What a model of machine is made of.
    HardwareProfile,
    /// A machine.
    BaremetalNode,
    /// Files and packages placed on nodes at their first boot.
    BootAction,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Region,
        Self::Rack,
        Self::Network,
        Self::NetworkLink,
        Self::HostProfile,
        Self::HardwareProfile,
        Self::BaremetalNode,
        Self::BootAction,
    ];

    /// The kind as documents spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Region => "Region",
            Self::Rack => "Rack",
            Self::Network => "Network",
            Self::NetworkLink => "NetworkLink",
            Self::HostProfile => "HostProfile",
            Self::HardwareProfile => "HardwareProfile",
            Self::BaremetalNode => "BaremetalNode",
            Self::BootAction => "BootAction",
        }
    }

    /// Reads a document's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    fn of_schema(schema: &str) -> Option<Self> {
        Self::parse(schema.strip_prefix("drydock/")?.strip_suffix("/v1")?)
    }

    fn of_version_and_kind(version: &str, kind: &str) -> Option<Self> {
        if version == "drydock/v1" {
            Self::parse(kind)
        } else {
            None
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One document, without credentials.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document<'a> {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// What stands in `data` or `spec`.
    pub(super) body: Map<String, Value>,
    /// How many scalars, lists and maps the body consists of.
    pub(super) values: usize,
    /// Where credentials stood; empty for a document read from the store.
    pub(super) credentials: Vec<Path>,
    pub(super) origin: Origin<'a>,
}

/// Where a document stands, to say it in findings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Origin<'a> {
    pub(super) file: Arc<str>,
    /// The line of the file that its first field stands in, from 1.
    pub(super) line: u32,
    /// The line of the file that `text` starts at; comments and the marker come first.
    pub(super) first_line: u32,
    /// Its text, to find the place of a field in; empty for a document read from the store.
    pub(super) text: &'a str,
    /// `data` or `spec`: the field that holds the body.
    pub(super) body_field: &'static str,
}

/// What a text turned out to be.
pub(super) enum Outcome<'a> {
    Document(Document<'a>),
    /// Not a document of ours, and reported as that.
    Foreign,
    /// Broken; what it seems to be, so that others that need it are not reported as well.
    Broken(Option<(Kind, String)>),
}

impl Document<'_> {
    /// `Kind/name`, as findings show it.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// A finding about the field of the body at `path`.
    pub(super) fn finding(
        &self,
        severity: Severity,
        code: Code,
        path: &[&str],
        message: impl Into<String>,
    ) -> Finding {
        let path = path
            .iter()
            .fold(Path::body(), |path, name| path.field(*name));
        self.finding_at(severity, code, &path, message)
    }

    /// A finding about its name.
    pub(super) fn finding_at_name(
        &self,
        severity: Severity,
        code: Code,
        message: impl Into<String>,
    ) -> Finding {
        let place = parse::locate(self.origin.text, &NAME.map(Step::Field));
        Finding {
            severity,
            document: Some(self.title()),
            field: Some(NAME.join(".")),
            ..self.origin.finding(code, place, message)
        }
    }

    /// As [`Self::finding`], for a path through lists.
    pub(super) fn finding_at(
        &self,
        severity: Severity,
        code: Code,
        path: &Path,
        message: impl Into<String>,
    ) -> Finding {
        let mut steps = vec![Step::Field(self.origin.body_field)];
        steps.extend(path.resolve(&self.body));
        // A field that is not there is reported where the part of its path that exists is.
        let place = (1..=steps.len())
            .rev()
            .find_map(|length| parse::locate(self.origin.text, &steps[..length]));
        let field = if path.len() == 0 {
            self.origin.body_field.to_owned()
        } else {
            format!("{}.{path}", self.origin.body_field)
        };
        Finding {
            severity,
            document: Some(self.title()),
            field: Some(field),
            ..self.origin.finding(code, place, message)
        }
    }
}

impl Origin<'_> {
    /// An error at a place counted from the start of the document; by default at its start.
    fn finding(&self, code: Code, place: Option<Place>, message: impl Into<String>) -> Finding {
        Finding {
            file: Some(self.file.to_string()),
            line: Some(place.map_or(self.line, |place| {
                self.first_line.saturating_add(place.line).saturating_sub(1)
            })),
            column: place.map(|place| place.column),
            ..Finding::error(code, message)
        }
    }
}

/// Reads one document. What is wrong with it goes to `findings`.
pub(super) fn read<'a>(file: &Arc<str>, chunk: Chunk<'a>, findings: &mut Findings) -> Outcome<'a> {
    let mut origin = Origin {
        file: file.clone(),
        line: chunk.first_line.saturating_add(leading_lines(chunk.text)),
        first_line: chunk.first_line,
        text: chunk.text,
        body_field: "data",
    };
    let place_of = |path: &[&str]| {
        let steps: Vec<_> = path.iter().map(|name| Step::Field(name)).collect();
        parse::locate(chunk.text, &steps)
    };

    let mut parsed = match parse::parse(chunk.text) {
        Ok(Value::Object(parsed)) => parsed,
        Ok(Value::Null) => return Outcome::Foreign,
        Ok(_) => {
            let message = "a document is a mapping of fields";
            findings.push(origin.finding(Code::NotADocument, place_of(&[]), message));
            return Outcome::Broken(None);
        }
        Err(error) => {
            let code = if error.too_large {
                Code::TooLarge
            } else {
                Code::Syntax
            };
            let guess = guess(chunk.text);
            let document = guess.as_ref().map(|(kind, name)| format!("{kind}/{name}"));
            let found = origin.finding(code, error.place, error.message);
            findings.push(Finding { document, ..found });
            return Outcome::Broken(guess);
        }
    };

    let text = |key: &str| parsed.get(key).and_then(Value::as_str);
    let (kind, head) = if parsed.contains_key("schema") {
        (text("schema").and_then(Kind::of_schema), "schema")
    } else {
        origin.body_field = "spec";
        let kind = text("apiVersion").zip(text("kind"));
        (
            kind.and_then(|(version, kind)| Kind::of_version_and_kind(version, kind)),
            "kind",
        )
    };
    let Some(kind) = kind else {
        findings.push_with(Severity::Warning, || {
            let message = "the document is of no kind that a design is made of, and is ignored";
            let found = origin.finding(Code::UnknownKind, place_of(&[head]), message);
            let field = Some(head.to_owned());
            Finding {
                severity: Severity::Warning,
                field,
                ..found
            }
        });
        return Outcome::Foreign;
    };

    let name = parsed
        .get("metadata")
        .and_then(|metadata| metadata.get("name"));
    let name = match name.and_then(scalar) {
        Some(name) if is_name(&name) => name,
        Some(_) | None => {
            let message = format!(
                "a document has a name of 1 to {MAX_NAME_BYTES} bytes without control characters"
            );
            let path = NAME;
            let place = place_of(&path).or_else(|| place_of(&path[..1]));
            findings.push(Finding {
                document: Some(kind.to_string()),
                field: Some(NAME.join(".")),
                ..origin.finding(Code::Name, place, message)
            });
            return Outcome::Broken(None);
        }
    };

    let mut body = match parsed.remove(origin.body_field) {
        Some(Value::Object(body)) => body,
        // A rack that is only a name, say.
        Some(Value::Null) | None => Map::new(),
        Some(_) => {
            let path = [origin.body_field];
            let found = origin.finding(
                Code::NotADocument,
                place_of(&path),
                "the body is a mapping of fields",
            );
            findings.push(Finding {
                document: Some(format!("{kind}/{name}")),
                field: Some(origin.body_field.to_owned()),
                ..found
            });
            return Outcome::Broken(Some((kind, name)));
        }
    };
    let removal = credentials::remove(&mut body);
    Outcome::Document(Document {
        kind,
        name,
        body,
        values: removal.values,
        credentials: removal.places,
        origin,
    })
}

/// A scalar as text: what a name, tag or label written as a number or boolean means.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a text can be the name of something.
pub(super) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.contains(char::is_control)
}

/// Lines before the first field.
fn leading_lines(text: &str) -> u32 {
    let first = text.lines().position(|line| {
        let line = line.trim();
        !(line.is_empty() || line == "---" || line.starts_with(['#', '%']))
    });
    first
        .and_then(|lines| u32::try_from(lines).ok())
        .unwrap_or(0)
}

/// What a document that does not parse seems to be, read from its unindented lines.
fn guess(text: &str) -> Option<(Kind, String)> {
    let mut kind = None;
    let mut name = None;
    let mut in_metadata = false;
    for line in text.lines() {
        let indented = line.starts_with([' ', '\t']);
        let Some((key, value)) = line.trim().split_once(':') else {
            continue;
        };
        let value = value.trim().trim_matches(['\'', '"']);
        match (indented, key) {
            (false, "schema") => kind = kind.or_else(|| Kind::of_schema(value)),
            (false, "kind") => kind = kind.or_else(|| Kind::parse(value)),
            (true, "name") if in_metadata => {
                name = name.or_else(|| is_name(value).then(|| value.to_owned()));
            }
            (false, "metadata") => {
                // `metadata: {name: x}` on one line.
                let after = value.split_once("name:").map(|(_, after)| after);
                let flow = after.and_then(|after| after.split([',', '}']).next());
                let flow = flow.map(|flow| flow.trim().trim_matches(['\'', '"']));
                name = name.or_else(|| flow.filter(|flow| is_name(flow)).map(str::to_owned));
            }
            (true | false, _) => {}
        }
        if !indented {
            in_metadata = key == "metadata";
        }
    }
    kind.zip(name)
}

#[cfg(test)]
#[path = "tests/document.rs"]
mod tests;
