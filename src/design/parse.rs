//! One YAML document as a value, within limits, and the place of a field in it.
//!
//! Values are plain JSON values without positions: ten thousand nodes have a few hundred thousand
//! of them and need a position for hardly any. When a finding does, its document is read once more.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Error as YamlError, Options, Spanned};

/// The longest document, in bytes: a boot action with a large file inside it, as large as the
/// largest request that the server takes.
pub(super) const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;

/// The text of all scalars of a document once its aliases are expanded.
const MAX_SCALAR_BYTES: usize = 2 * MAX_DOCUMENT_BYTES;

/// Scalars, lists and maps in one document once its aliases are expanded; a node has about fifty.
const MAX_VALUES: usize = 250_000;

/// Anchors, aliases and merge keys in one document. People use a few to avoid repetition; bombs
/// are built of nothing else.
const MAX_ALIASES: usize = 1_000;

/// Events that aliases may add to a document.
const MAX_REPLAYED_EVENTS: usize = 100_000;

/// Lists and maps inside each other; the deepest field of a design is ten down.
const MAX_DEPTH: usize = 32;

/// The longest document that a field is looked for in, in bytes. Each look parses it again, for up
/// to a hundred findings; in a longer one, which has a file inside, its first line must do.
const MAX_LOCATED_BYTES: usize = 256 * 1024;

/// What is wrong with the text of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) place: Option<Place>,
    pub(super) message: String,
    /// Whether a limit was exceeded, rather than the syntax broken.
    pub(super) too_large: bool,
}

/// A place in a document, line and column from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Parses one document.
///
/// # Errors
///
/// The text is not YAML, or exceeds a limit. The message never repeats a value.
pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        let message = format!("the document has more than {MAX_DOCUMENT_BYTES} bytes");
        return Err(SyntaxError {
            place: None,
            message,
            too_large: true,
        });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| described(&error))
}

/// One step from a value down to one inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'p> {
    /// The field of a mapping.
    Field(&'p str),
    /// The item of a list, from 0.
    Index(usize),
}

/// Where the value at `path` is, if the document has it and is not too long to look.
pub(super) fn locate(text: &str, path: &[Step<'_>]) -> Option<Place> {
    if text.is_empty() || text.len() > MAX_LOCATED_BYTES {
        return None;
    }
    let found =
        serde_saphyr::with_deserializer_from_str_with_options(text, options(), |document| {
            Locate { path }.deserialize(document)
        });
    found.ok().flatten()
}

fn options() -> Options {
    let mut aliases = serde_saphyr::options::AliasLimits::default();
    aliases.max_total_replayed_events = MAX_REPLAYED_EVENTS;
    aliases.max_replay_stack_depth = MAX_DEPTH;
    aliases.max_alias_expansions_per_anchor = MAX_ALIASES;
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 2 * MAX_VALUES,
            max_nodes: MAX_VALUES,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_merge_keys: MAX_ALIASES,
            max_recorded_anchor_events: MAX_REPLAYED_EVENTS,
            max_recorded_anchor_bytes: MAX_SCALAR_BYTES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            max_total_scalar_bytes: MAX_SCALAR_BYTES,
        },
        alias_limits: aliases,
        // YAML 1.2 read narrowly: `on`, `0755` and `1_000` keep the spelling they were written
        // in, so that a label is what its author sees.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
        // A snippet would repeat the text around the mistake, which may be a password.
        with_snippet: false,
    }
}

fn described(error: &YamlError) -> SyntaxError {
    let error = error.without_snippet();
    let place = error.location().and_then(place);
    let limit = |message: &str| SyntaxError {
        place,
        message: message.to_owned(),
        too_large: true,
    };
    match error {
        YamlError::Budget { .. } => {
            limit("the document exceeds a limit on depth, values or aliases")
        }
        YamlError::AliasReplayCounterOverflow { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => {
            limit("the aliases of the document expand to too much")
        }
        // The parser would repeat the key, which in `{a, a}` is what the author meant as a value.
        YamlError::DuplicateMappingKey { .. } => {
            let message = "not valid YAML: a key occurs twice in one mapping".to_owned();
            SyntaxError {
                place,
                message,
                too_large: false,
            }
        }
        // Any other text of the parser describes syntax, without the scalars around it.
        other => {
            let message = format!("not valid YAML: {}", without_place(&other.to_string()));
            SyntaxError {
                place,
                message,
                too_large: false,
            }
        }
    }
}

/// The parser's sentence without the place, which is counted from the start of the document and
/// would contradict the place in the file.
fn without_place(text: &str) -> &str {
    /// Longer texts list every word that could have stood there.
    const LONGEST: usize = 160;
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or_default();
    let line = line
        .rsplit_once(": line ")
        .map_or(line, |(before, _)| before);
    &line[..line.floor_char_boundary(LONGEST)]
}

fn place(location: serde_saphyr::Location) -> Option<Place> {
    let line = u32::try_from(location.line())
        .ok()
        .filter(|line| *line > 0)?;
    let column = u32::try_from(location.column())
        .ok()
        .filter(|column| *column > 0)?;
    Some(Place { line, column })
}

/// A field is where its value is, but one whose value begins on a line of its own is where it is
/// named: that is the line that people look for.
fn where_it_begins(key: Option<Place>, value: Place) -> Place {
    key.filter(|key| key.line < value.line).unwrap_or(value)
}

/// Walks down to the field and answers its place; whatever is not on the way is skipped.
#[derive(Clone, Copy)]
struct Locate<'p> {
    path: &'p [Step<'p>],
}

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = Option<Place>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.path.is_empty() {
            let here = Spanned::<IgnoredAny>::deserialize(deserializer)?;
            return Ok(place(here.referenced));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Locate<'_> {
    type Value = Option<Place>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            match self.path.split_first() {
                Some((Step::Field(wanted), path)) if *wanted == key.value => {
                    found = map.next_value_seed(Locate { path })?;
                    if path.is_empty() {
                        found = found.map(|value| where_it_begins(place(key.referenced), value));
                    }
                }
                Some(_) | None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        if let Some((Step::Index(wanted), path)) = self.path.split_first() {
            for _before in 0..*wanted {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            let found = items.next_element_seed(Locate { path })?.flatten();
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(found);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
#[path = "tests/parse.rs"]
mod tests;
