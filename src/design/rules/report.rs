//! Collects what rules find, once each and within bounds, and finds its places at the end.

use std::collections::{BTreeSet, HashMap};

use super::super::finding::{Code, Finding, Findings, Severity};
use super::super::path::Path;
use super::Rule;
use super::view::{DocumentId, Node, SiteView};

/// Findings kept of one rule and severity: ten such rules are not hidden behind each other, and
/// who has repaired a hundred looks for more.
const MAX_PER_RULE: usize = 100;

/// Names of nodes kept with a finding; the number of all is kept as well.
const MAX_NODES_NAMED: usize = 10;

/// What one rule finds.
pub(crate) struct Report<'s> {
    site: &'s SiteView<'s>,
    rule: &'static Rule,
    found: Vec<Found>,
    /// By document, path and message: ten thousand nodes inherit one mistake of a profile.
    seen: HashMap<(DocumentId, Place, String), usize>,
    errors: Hidden,
    warnings: Hidden,
}

/// What was found beyond [`MAX_PER_RULE`].
#[derive(Default)]
struct Hidden {
    count: usize,
    nodes: BTreeSet<u32>,
    documents: BTreeSet<DocumentId>,
}

/// An error, for the gate before actions.
pub(in crate::design) struct Fault {
    pub(in crate::design) rule: &'static Rule,
    pub(in crate::design) finding: Finding,
    /// Nodes that it is about, by their position in the view.
    pub(in crate::design) nodes: BTreeSet<u32>,
    /// Documents that it is about: it concerns the nodes that use them.
    pub(in crate::design) documents: BTreeSet<DocumentId>,
}

struct Found {
    severity: Severity,
    document: DocumentId,
    place: Place,
    message: String,
    /// Positions in the view; empty if it is about a document.
    nodes: BTreeSet<u32>,
}

/// Where in a document it is.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    /// Its name.
    Name,
    /// A field of its body.
    Field(Path),
}

impl<'s> Report<'s> {
    pub(in crate::design) fn new(site: &'s SiteView<'s>, rule: &'static Rule) -> Self {
        Self {
            site,
            rule,
            found: Vec::new(),
            seen: HashMap::new(),
            errors: Hidden::default(),
            warnings: Hidden::default(),
        }
    }

    /// Something wrong in a document, as bad as the rule is.
    pub(crate) fn document(&mut self, id: DocumentId, path: Path, message: impl Into<String>) {
        self.document_as(self.rule.severity, id, path, message);
    }

    /// Something wrong with what a document is called.
    pub(crate) fn name(&mut self, id: DocumentId, message: impl Into<String>) {
        self.add(self.rule.severity, id, Place::Name, message.into(), &[]);
    }

    /// Something wrong in a document.
    pub(crate) fn document_as(
        &mut self,
        severity: Severity,
        id: DocumentId,
        path: Path,
        message: impl Into<String>,
    ) {
        self.add(severity, id, Place::Field(path), message.into(), &[]);
    }

    /// Something wrong with a node, as bad as the rule is. It is reported where the value stands:
    /// in the node's document or the profile that it inherits it from. A message that does not name
    /// the node is reported once for all who inherit the value.
    pub(crate) fn node(&mut self, node: &Node<'_>, path: Path, message: impl Into<String>) {
        self.node_as(self.rule.severity, node, path, message);
    }

    /// Something wrong with a node.
    pub(crate) fn node_as(
        &mut self,
        severity: Severity,
        node: &Node<'_>,
        path: Path,
        message: impl Into<String>,
    ) {
        if let Some(id) = self.origin(node, &path) {
            let place = Place::Field(path);
            self.add(severity, id, place, message.into(), &[node.position]);
        }
    }

    /// Something wrong with a node that is as bad for another one: an address that both have.
    pub(crate) fn nodes(
        &mut self,
        node: &Node<'_>,
        other: &Node<'_>,
        path: Path,
        message: impl Into<String>,
    ) {
        if let Some(id) = self.origin(node, &path) {
            let nodes = [node.position, other.position];
            let place = Place::Field(path);
            self.add(self.rule.severity, id, place, message.into(), &nodes);
        }
    }

    /// The document that a node has the value at a path from: the nearest that has it, or else
    /// the nearest that has most of its path.
    fn origin(&self, node: &Node<'_>, path: &Path) -> Option<DocumentId> {
        let mut best = (0, *node.lineage.first()?);
        for id in node.lineage.iter() {
            let steps = path.resolve(&self.site.documents.get(*id)?.body).len();
            if steps > best.0 {
                best = (steps, *id);
            }
            if steps == path.len() {
                break;
            }
        }
        Some(best.1)
    }

    fn add(
        &mut self,
        severity: Severity,
        document: DocumentId,
        place: Place,
        message: String,
        nodes: &[u32],
    ) {
        let key = (document, place, message);
        if let Some(at) = self.seen.get(&key) {
            self.found[*at].nodes.extend(nodes);
            return;
        }
        let kept = self.found.iter().filter(|found| found.severity == severity);
        if kept.count() >= MAX_PER_RULE {
            let hidden = match severity {
                Severity::Error => &mut self.errors,
                Severity::Warning => &mut self.warnings,
            };
            hidden.count += 1;
            hidden.nodes.extend(nodes);
            if nodes.is_empty() {
                hidden.documents.insert(document);
            }
            return;
        }
        self.found.push(Found {
            severity,
            document,
            place: key.1.clone(),
            message: key.2.clone(),
            nodes: nodes.iter().copied().collect(),
        });
        self.seen.insert(key, self.found.len() - 1);
    }

    /// Looks for the places of what was found. Errors are told to `faults`, too.
    pub(in crate::design) fn finish(self, findings: &mut Findings, faults: &mut Vec<Fault>) {
        let rule = self.rule;
        let code = Code::Rule(rule.code);
        let mut tell = |finding: Finding, nodes: BTreeSet<u32>, documents| {
            if finding.severity == Severity::Error {
                faults.push(Fault {
                    rule,
                    finding: finding.clone(),
                    nodes,
                    documents,
                });
            }
            findings.push(finding);
        };
        for found in self.found {
            let document = &self.site.documents[found.document];
            let place = match &found.place {
                Place::Name => document.finding_at_name(found.severity, code, found.message),
                Place::Field(path) => {
                    document.finding_at(found.severity, code, path, found.message)
                }
            };
            let names = found.nodes.iter().take(MAX_NODES_NAMED);
            let names = names.filter_map(|at| self.site.nodes.get(*at as usize));
            let finding = Finding {
                nodes: names.map(|node| node.name.to_owned()).collect(),
                node_count: found.nodes.len(),
                ..place
            };
            let documents = match found.nodes.is_empty() {
                true => BTreeSet::from([found.document]),
                false => BTreeSet::new(),
            };
            tell(finding, found.nodes, documents);
        }
        for (severity, hidden) in [
            (Severity::Error, self.errors),
            (Severity::Warning, self.warnings),
        ] {
            if hidden.count > 0 {
                let count = hidden.count;
                let message = format!("{count} more findings of this rule are not shown");
                let finding = Finding {
                    severity,
                    ..Finding::error(code, message)
                };
                tell(finding, hidden.nodes, hidden.documents);
            }
        }
    }
}
