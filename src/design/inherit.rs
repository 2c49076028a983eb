//! Host profiles: what a node inherits, and from whom.
//!
//! A profile names its parent in `host_profile`, a node its profile. The child's values stand over
//! the parent's: maps merge key by key, lists append what they do not have yet, and everything else
//! replaces. Entries of a list that have one `name` (or `network`, as addresses do) are one entry, and
//! merge. `!value` in a list removes an inherited entry (the string, or the map whose `name` it
//! is), `!key` in a map removes an inherited key; these marks are consumed even where nothing is
//! inherited. `null` means not set, so the parent's value stays.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::document::{Document, Kind, scalar};
use super::finding::{Code, Finding, Findings, Severity};
use super::read;
use crate::domain::site::HostSpec;

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

/// The names by which the entries of a list are the same entry: partitions and volumes have the
/// one, addresses the other.
pub(super) const NAME: &str = "name";
pub(super) const NETWORK: &str = "network";

/// What an entry is called in its list, by which a child's entry changes or removes its parent's.
fn key(item: &Value) -> Option<String> {
    match item {
        Value::Object(fields) => scalar(fields.get(NAME).or_else(|| fields.get(NETWORK))?),
        other => scalar(other),
    }
}

fn merge_lists(parent: &[Value], child: &[Value]) -> Vec<Value> {
    let removed: HashSet<&str> = child
        .iter()
        .filter_map(|item| item.as_str()?.strip_prefix('!'))
        .collect();
    let mut merged: Vec<Value> = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut named: HashMap<String, usize> = HashMap::new();
    for item in parent {
        let key = key(item);
        if key.as_deref().is_some_and(|key| removed.contains(key)) {
            continue;
        }
        if seen.insert(item.to_string()) {
            if let Some(key) = key.filter(|_| item.is_object()) {
                named.entry(key).or_insert(merged.len());
            }
            merged.push(item.clone());
        }
    }
    for item in child {
        if item.as_str().is_some_and(|text| text.starts_with('!')) {
            continue;
        }
        let known = key(item).filter(|_| item.is_object());
        // Each entry of the parent is changed once: a child that says two things of one name has
        // two entries, as it would without a parent.
        if let Some(at) = known.and_then(|key| named.remove(&key)) {
            merged[at] = merge(Some(&merged[at]), item);
            continue;
        }
        // Own entries that are maps or lists may hold removal marks too, which end here.
        let item = merge(None, item);
        if seen.insert(item.to_string()) {
            merged.push(item);
        }
    }
    merged
}

/// A section of a HostProfile or BaremetalNode, which is inherited by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Oob,
    Storage,
    Platform,
    Interfaces,
    Addressing,
    Metadata,
}

impl Section {
    pub(super) const ALL: [Self; 6] = [
        Self::Oob,
        Self::Storage,
        Self::Platform,
        Self::Interfaces,
        Self::Addressing,
        Self::Metadata,
    ];

    /// The field that holds it.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Oob => "oob",
            Self::Storage => "storage",
            Self::Platform => "platform",
            Self::Interfaces => "interfaces",
            Self::Addressing => "addressing",
            Self::Metadata => "metadata",
        }
    }

    fn merge(self, parent: Option<&Value>, child: &Value) -> Value {
        let mut merged = merge(parent, child);
        // Of an interface, null does not mean that nothing is said of it but that it is not there.
        if self == Self::Interfaces
            && let (Value::Object(merged), Value::Object(child)) = (&mut merged, child)
        {
            merged.retain(|name, _| child.get(name).is_none_or(|own| !own.is_null()));
        }
        merged
    }
}

/// A profile or node with all it inherits. Sections it says nothing in are its parent's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Effective {
    /// What it says, typed.
    pub(super) spec: HostSpec,
    /// The positions of the documents it is made of, its own first and its last ancestor's last.
    pub(super) lineage: Arc<[usize]>,
    sections: [Option<Arc<Value>>; Section::ALL.len()],
}

impl Effective {
    /// What it says in a section, as it is written.
    pub(super) fn section(&self, section: Section) -> Option<&Value> {
        self.sections[section as usize].as_deref()
    }

    /// The typed form alone, once nothing inherits from it any more.
    pub(super) fn without_sections(self) -> Self {
        Self {
            sections: Default::default(),
            ..self
        }
    }

    /// How many documents it is made of, itself included.
    fn level(&self) -> usize {
        self.lineage.len()
    }
}

/// The profiles of a design, each with all it inherits, worked out once.
pub(super) struct Profiles<'d> {
    documents: &'d [Document<'d>],
    by_name: BTreeMap<&'d str, usize>,
    /// Documents that are broken: they exist, and were reported.
    broken: &'d BTreeSet<(Kind, String)>,
    /// `None` for a profile that does not resolve, which was reported when that was found.
    effective: HashMap<&'d str, Option<Arc<Effective>>>,
    weight: usize,
    limit: usize,
}

impl<'d> Profiles<'d> {
    pub(super) fn new(documents: &'d [Document<'d>], broken: &'d BTreeSet<(Kind, String)>) -> Self {
        let profiles = documents.iter().enumerate();
        let profiles = profiles.filter(|(_, document)| document.kind == Kind::HostProfile);
        Self {
            documents,
            by_name: profiles
                .map(|(at, document)| (document.name.as_str(), at))
                .collect(),
            broken,
            effective: HashMap::new(),
            weight: 0,
            limit: MAX_WEIGHT,
        }
    }

    /// Resolves every profile, also those that no node uses.
    pub(super) fn resolve_all(&mut self, findings: &mut Findings) {
        let names: Vec<&'d str> = self.by_name.keys().copied().collect();
        for name in names {
            self.resolve(name, findings);
        }
    }

    /// What the document at `at` is with all it inherits; `None` when that does not resolve, which is in
    /// `findings` then, here or at the profile that is to blame.
    pub(super) fn effective(&mut self, at: usize, findings: &mut Findings) -> Option<Effective> {
        let parent = match self.parent(self.documents.get(at)?, findings) {
            Parent::None => None,
            Parent::Profile(profile) => {
                let name = self.documents[profile].name.as_str();
                self.resolve(name, findings);
                Some(self.effective.get(name)?.clone()?)
            }
            Parent::Unusable => return None,
        };
        self.lay_over(parent.as_deref(), at, findings)
    }

    /// Walks from the profile to its last ancestor, then merges on the way back. No recursion: a
    /// chain may be as long as there are profiles until it is found to be too long.
    fn resolve(&mut self, name: &str, findings: &mut Findings) {
        let mut chain: Vec<usize> = Vec::new();
        let mut met = HashSet::new();
        let mut next = self.by_name.get(name).copied();
        let mut ancestor = Ancestor::None;
        while let Some(at) = next {
            let profile = &self.documents[at];
            if let Some(known) = self.effective.get(profile.name.as_str()) {
                ancestor = known.clone().map_or(Ancestor::Unusable, Ancestor::Profile);
                break;
            }
            if !met.insert(profile.name.as_str()) {
                let chain = chain.iter().map(|at| &self.documents[*at]);
                let circle: Vec<_> = chain.skip_while(|each| each.name != profile.name).collect();
                findings.push_with(Severity::Error, || cycle(&circle));
                ancestor = Ancestor::Unusable;
                break;
            }
            chain.push(at);
            next = match self.parent(profile, findings) {
                Parent::None => None,
                Parent::Profile(parent) => Some(parent),
                Parent::Unusable => {
                    ancestor = Ancestor::Unusable;
                    None
                }
            };
        }
        while let Some(at) = chain.pop() {
            ancestor = self.descend(&ancestor, at, findings);
            let known = match &ancestor {
                Ancestor::Profile(effective) => Some(effective.clone()),
                Ancestor::None | Ancestor::Unusable => None,
            };
            self.effective.insert(&self.documents[at].name, known);
        }
    }

    /// One step down: the profile at `at` with all that its parent is.
    fn descend(&mut self, parent: &Ancestor, at: usize, findings: &mut Findings) -> Ancestor {
        let inherited = match parent {
            Ancestor::None => None,
            Ancestor::Profile(parent) => Some(&**parent),
            Ancestor::Unusable => return Ancestor::Unusable,
        };
        let profile = &self.documents[at];
        if inherited.is_some_and(|parent| parent.level() >= MAX_CHAIN) {
            findings.push_with(Severity::Error, || {
                let message = format!("profiles inherit through more than {MAX_CHAIN} levels");
                profile.finding(Severity::Error, Code::TooLarge, &[PARENT], message)
            });
            return Ancestor::Unusable;
        }
        match self.lay_over(inherited, at, findings) {
            Some(merged) => Ancestor::Profile(Arc::new(merged)),
            None => Ancestor::Unusable,
        }
    }

    fn lay_over(
        &mut self,
        parent: Option<&Effective>,
        at: usize,
        findings: &mut Findings,
    ) -> Option<Effective> {
        if self.weight > self.limit {
            // Said already.
            return None;
        }
        let documents = self.documents;
        let document = &documents[at];
        let mut sections = Vec::new();
        for section in Section::ALL {
            let key = section.key();
            let removed = document.body.contains_key(&format!("!{key}"));
            let own = document.body.get(key).filter(|own| !own.is_null());
            let parent = parent.and_then(|parent| parent.section(section));
            if own.is_none() && !removed {
                // Shared, but for the tags and labels, which the inventory holds for each node.
                let copied = parent.filter(|_| section == Section::Metadata);
                if !self.take(copied.map_or(0, weight), document, key, findings) {
                    return None;
                }
                continue;
            }
            let parent = parent.filter(|_| !removed);
            let merged = own.map_or(Value::Null, |own| section.merge(parent, own));
            if !self.take(weight(&merged), document, key, findings) {
                return None;
            }
            sections.push((section, merged));
        }

        // Not before: what there is too much of must not be copied for each heir that comes after.
        let mut effective = parent.cloned().unwrap_or_default();
        let inherited = parent.map_or(&[][..], |parent| &parent.lineage);
        effective.lineage = [at].iter().chain(inherited).copied().collect();

        let spec = &mut effective.spec;
        spec.host_profile = named(document, PARENT);
        for (key, field) in [
            ("hardware_profile", &mut spec.hardware_profile),
            ("primary_network", &mut spec.primary_network),
        ] {
            if document.body.contains_key(&format!("!{key}")) {
                *field = None;
            }
            *field = named(document, key).or_else(|| field.take());
        }
        for (section, merged) in sections {
            let merged = read::host::replace(&mut effective.spec, section, merged);
            effective.sections[section as usize] = Some(Arc::new(merged));
        }
        Some(effective)
    }

    /// Takes from what the design may come to; false when there is no more, which is reported once.
    fn take(
        &mut self,
        weight: usize,
        document: &Document<'_>,
        key: &str,
        findings: &mut Findings,
    ) -> bool {
        let had = self.weight <= self.limit;
        self.weight = self.weight.saturating_add(weight);
        let has = self.weight <= self.limit;
        if had && !has {
            let message = "the design inherits more than a site may have";
            findings.push(document.finding(Severity::Error, Code::TooLarge, &[key], message));
        }
        has
    }

    fn parent(&self, document: &Document<'_>, findings: &mut Findings) -> Parent {
        let named = match document.body.get(PARENT) {
            None | Some(Value::Null) => return Parent::None,
            Some(named) => scalar(named),
        };
        let known = named.as_deref().and_then(|name| self.by_name.get(name));
        if let Some(profile) = known {
            return Parent::Profile(*profile);
        }
        let broken = |name: &String| self.broken.contains(&(Kind::HostProfile, name.clone()));
        if !named.as_ref().is_some_and(broken) {
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

/// What the next profile down a chain inherits from.
enum Ancestor {
    None,
    Profile(Arc<Effective>),
    Unusable,
}

/// What a document inherits from.
enum Parent {
    None,
    /// The profile at this position.
    Profile(usize),
    /// It names a profile that cannot be had.
    Unusable,
}

/// What a document names in a field, in its own right.
fn named(document: &Document<'_>, key: &str) -> Option<Arc<str>> {
    scalar(document.body.get(key)?).map(Arc::from)
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
