//! Host profiles: what a node inherits, and from whom.
//!
//! A profile names its parent in `host_profile`, a node its profile. The child's values stand over
//! the parent's: maps merge key by key, lists append what they do not have yet, and everything else
//! replaces. `!value` in a list removes an inherited entry (the string, or the map whose `name` it
//! is), `!key` in a map removes an inherited key; these marks are consumed even where nothing is
//! inherited. `null` means not set, so the parent's value stays.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::document::{Document, Kind, scalar};
use super::finding::{Code, Finding, Findings, Severity};

/// The field that names the profile to inherit from.
const PARENT: &str = "host_profile";

/// The longest chain of profiles. Each level is read by people; nobody follows this many.
const MAX_CHAIN: usize = 64;

/// How much inherited data one design may come to, in values and 64-byte pieces of text: 100,000
/// nodes with eighty each. Profiles multiply: a megabyte inherited by every node must stop here.
const MAX_WEIGHT: usize = 8_000_000;

/// Lays `child` over `parent`.
pub(super) fn merge(parent: Option<&Value>, child: &Value) -> Value {
    match child {
        Value::Object(child) => {
            let none = Map::new();
            let parent = parent.and_then(Value::as_object).unwrap_or(&none);
            Value::Object(merge_maps(parent, child))
        }
        Value::Array(child) => {
            let parent = parent
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            Value::Array(merge_lists(parent, child))
        }
        Value::Null => parent.cloned().unwrap_or(Value::Null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => child.clone(),
    }
}

fn merge_maps(parent: &Map<String, Value>, child: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = parent.clone();
    for key in child.keys() {
        if let Some(removed) = key.strip_prefix('!') {
            merged.remove(removed);
        }
    }
    for (key, value) in child {
        if !key.starts_with('!') {
            let value = merge(merged.get(key), value);
            merged.insert(key.clone(), value);
        }
    }
    merged
}

fn merge_lists(parent: &[Value], child: &[Value]) -> Vec<Value> {
    let removed: HashSet<&str> = child
        .iter()
        .filter_map(|item| item.as_str()?.strip_prefix('!'))
        .collect();
    let inherited = parent.iter().filter(|item| {
        let name = item.get("name").unwrap_or(item);
        removed.is_empty() || scalar(name).is_none_or(|name| !removed.contains(name.as_str()))
    });
    let own = child
        .iter()
        .filter(|item| item.as_str().is_none_or(|text| !text.starts_with('!')));

    let mut seen = HashSet::new();
    let mut merged = Vec::new();
    // Own entries that are maps or lists may hold removal marks too, which end here.
    for item in inherited.cloned().chain(own.map(|item| merge(None, item))) {
        if seen.insert(item.to_string()) {
            merged.push(item);
        }
    }
    merged
}

/// Which part of a document takes part in the inheritance at hand.
pub(super) type Projection = fn(&Map<String, Value>) -> Value;

/// The profiles of a design, each with all it inherits, worked out once.
pub(super) struct Profiles<'d> {
    documents: BTreeMap<&'d str, &'d Document<'d>>,
    /// Names of profiles whose documents are broken: they exist, and were reported.
    broken: &'d BTreeSet<String>,
    projection: Projection,
    /// `None` for a profile that does not resolve, which was reported when that was found.
    effective: HashMap<&'d str, Option<Effective>>,
    weight: usize,
}

impl<'d> Profiles<'d> {
    pub(super) fn new(
        documents: &'d [Document<'d>],
        broken: &'d BTreeSet<String>,
        projection: Projection,
    ) -> Self {
        let profiles = documents
            .iter()
            .filter(|document| document.kind == Kind::HostProfile);
        Self {
            documents: profiles
                .map(|document| (document.name.as_str(), document))
                .collect(),
            broken,
            projection,
            effective: HashMap::new(),
            weight: 0,
        }
    }

    /// Resolves every profile, also those that no node uses.
    pub(super) fn resolve_all(&mut self, findings: &mut Findings) {
        let names: Vec<&'d str> = self.documents.keys().copied().collect();
        for name in names {
            self.resolve(name, findings);
        }
    }

    /// What `document` is with all it inherits; `None` when that does not resolve, which is in
    /// `findings` then, here or at the profile that is to blame.
    pub(super) fn effective(
        &mut self,
        document: &'d Document<'d>,
        findings: &mut Findings,
    ) -> Option<Value> {
        let parent = match self.parent(document, findings) {
            Parent::None => None,
            Parent::Profile(profile) => {
                self.resolve(&profile.name, findings);
                Some(self.effective.get(profile.name.as_str())?.clone()?.value)
            }
            Parent::Unusable => return None,
        };
        self.lay_over(parent.as_deref(), document, findings)
    }

    /// Walks from the profile to its last ancestor, then merges on the way back. No recursion: a
    /// chain may be as long as there are profiles until it is found to be too long.
    fn resolve(&mut self, name: &str, findings: &mut Findings) {
        let mut chain: Vec<&'d Document<'d>> = Vec::new();
        let mut met = HashSet::new();
        let mut next = self.documents.get(name).copied();
        let mut ancestor = Ancestor::None;
        while let Some(profile) = next {
            if let Some(known) = self.effective.get(profile.name.as_str()) {
                ancestor = known.clone().map_or(Ancestor::Unusable, Ancestor::Profile);
                break;
            }
            if !met.insert(profile.name.as_str()) {
                let circle = chain.iter().skip_while(|each| each.name != profile.name);
                let circle: Vec<_> = circle.copied().collect();
                findings.push_with(Severity::Error, || cycle(&circle));
                ancestor = Ancestor::Unusable;
                break;
            }
            chain.push(profile);
            next = match self.parent(profile, findings) {
                Parent::None => None,
                Parent::Profile(parent) => Some(parent),
                Parent::Unusable => {
                    ancestor = Ancestor::Unusable;
                    None
                }
            };
        }
        while let Some(profile) = chain.pop() {
            ancestor = self.descend(&ancestor, profile, findings);
            let known = match &ancestor {
                Ancestor::Profile(effective) => Some(effective.clone()),
                Ancestor::None | Ancestor::Unusable => None,
            };
            self.effective.insert(&profile.name, known);
        }
    }

    /// One step down: `profile` with all that its parent is.
    fn descend(
        &mut self,
        parent: &Ancestor,
        profile: &Document<'_>,
        findings: &mut Findings,
    ) -> Ancestor {
        let (inherited, level) = match parent {
            Ancestor::None => (None, 1),
            Ancestor::Profile(parent) => (Some(&*parent.value), parent.level + 1),
            Ancestor::Unusable => return Ancestor::Unusable,
        };
        if level > MAX_CHAIN {
            findings.push_with(Severity::Error, || {
                let message = format!("profiles inherit through more than {MAX_CHAIN} levels");
                profile.finding(Severity::Error, Code::TooLarge, &[PARENT], message)
            });
            return Ancestor::Unusable;
        }
        match self.lay_over(inherited, profile, findings) {
            Some(merged) => Ancestor::Profile(Effective {
                value: Arc::new(merged),
                level,
            }),
            None => Ancestor::Unusable,
        }
    }

    fn lay_over(
        &mut self,
        parent: Option<&Value>,
        document: &Document<'_>,
        findings: &mut Findings,
    ) -> Option<Value> {
        if self.weight > MAX_WEIGHT {
            return None;
        }
        let merged = merge(parent, &(self.projection)(&document.body));
        self.weight = self.weight.saturating_add(weight(&merged));
        if self.weight > MAX_WEIGHT {
            let message = "the design inherits more tags and labels than a site may have";
            let path = ["metadata"];
            findings.push(document.finding(Severity::Error, Code::TooLarge, &path, message));
            return None;
        }
        Some(merged)
    }

    fn parent(&self, document: &'d Document<'d>, findings: &mut Findings) -> Parent<'d> {
        let named = match document.body.get(PARENT) {
            None | Some(Value::Null) => return Parent::None,
            Some(named) => scalar(named),
        };
        let known = named.as_deref().and_then(|name| self.documents.get(name));
        if let Some(profile) = known {
            return Parent::Profile(profile);
        }
        if named
            .as_ref()
            .is_none_or(|name| !self.broken.contains(name))
        {
            findings.push_with(Severity::Error, || {
                let message = match &named {
                    Some(name) => format!("no HostProfile is named `{}`", shortened(name)),
                    None => "the name of a HostProfile is a text".to_owned(),
                };
                let path = [PARENT];
                document.finding(Severity::Error, Code::MissingProfile, &path, message)
            });
        }
        Parent::Unusable
    }
}

/// A profile with all it inherits.
#[derive(Clone)]
struct Effective {
    value: Arc<Value>,
    /// How many profiles it is made of, itself included.
    level: usize,
}

/// What the next profile down a chain inherits from.
enum Ancestor {
    None,
    Profile(Effective),
    Unusable,
}

/// What a document inherits from.
enum Parent<'d> {
    None,
    Profile(&'d Document<'d>),
    /// It names a profile that cannot be had.
    Unusable,
}

fn cycle(profiles: &[&Document<'_>]) -> Finding {
    /// Names shown of a circle; longer ones are as clear.
    const SHOWN: usize = 8;
    let names = profiles.iter().chain(profiles.first()).take(SHOWN);
    let names: Vec<String> = names.map(|profile| format!("`{}`", profile.name)).collect();
    let message = format!(
        "profiles inherit from each other in a circle: {}",
        names.join(" from ")
    );
    let path = [PARENT];
    match profiles.first() {
        Some(first) => first.finding(Severity::Error, Code::ProfileCycle, &path, message),
        None => Finding::error(Code::ProfileCycle, message),
    }
}

fn weight(value: &Value) -> usize {
    let text = |text: &str| 1 + text.len() / 64;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(value) => text(value),
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(map) => {
            1 + map
                .iter()
                .map(|(key, value)| text(key) + weight(value))
                .sum::<usize>()
        }
    }
}

/// A name for a message: what is named in a document may be of any length.
fn shortened(name: &str) -> String {
    let name = &name[..name.floor_char_boundary(super::document::MAX_NAME_BYTES)];
    name.chars()
        .map(|each| if each.is_control() { '?' } else { each })
        .collect()
}

#[cfg(test)]
#[path = "tests/inherit.rs"]
mod tests;
