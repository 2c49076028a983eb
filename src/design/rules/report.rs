//! Collects what rules find, once each and within bounds, and finds its places at the end.

use std::collections::HashMap;

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
    hidden: [usize; 2],
}

struct Found {
    severity: Severity,
    document: DocumentId,
    place: Place,
    message: String,
    nodes: Vec<String>,
    node_count: usize,
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
            hidden: [0; 2],
        }
    }

    /// Something wrong in a document, as bad as the rule is.
    pub(crate) fn document(&mut self, id: DocumentId, path: Path, message: impl Into<String>) {
        self.document_as(self.rule.severity, id, path, message);
    }

    /// Something wrong with what a document is called.
    pub(crate) fn name(&mut self, id: DocumentId, message: impl Into<String>) {
        self.add(self.rule.severity, id, Place::Name, message.into(), None);
    }

    /// Something wrong in a document.
    pub(crate) fn document_as(
        &mut self,
        severity: Severity,
        id: DocumentId,
        path: Path,
        message: impl Into<String>,
    ) {
        self.add(severity, id, Place::Field(path), message.into(), None);
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
        let Some(id) = self.origin(node, &path) else {
            return;
        };
        let place = Place::Field(path);
        self.add(severity, id, place, message.into(), Some(node.name));
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
        node: Option<&str>,
    ) {
        let key = (document, place, message);
        if let Some(at) = self.seen.get(&key) {
            let found = &mut self.found[*at];
            if let Some(node) = node
                && found.nodes.last().is_none_or(|last| last != node)
            {
                found.node_count += 1;
                if found.nodes.len() < MAX_NODES_NAMED {
                    found.nodes.push(node.to_owned());
                }
            }
            return;
        }
        let kept = self.found.iter().filter(|found| found.severity == severity);
        if kept.count() >= MAX_PER_RULE {
            self.hidden[severity as usize] += 1;
            return;
        }
        self.found.push(Found {
            severity,
            document,
            place: key.1.clone(),
            message: key.2.clone(),
            nodes: node.map(str::to_owned).into_iter().collect(),
            node_count: node.iter().count(),
        });
        self.seen.insert(key, self.found.len() - 1);
    }

    /// Looks for the places of what was found.
    pub(in crate::design) fn finish(self, findings: &mut Findings) {
        let code = Code::Rule(self.rule.code);
        for found in self.found {
            findings.push_with(found.severity, || {
                let document = &self.site.documents[found.document];
                let place = match &found.place {
                    Place::Name => document.finding_at_name(found.severity, code, found.message),
                    Place::Field(path) => {
                        document.finding_at(found.severity, code, path, found.message)
                    }
                };
                Finding {
                    nodes: found.nodes,
                    node_count: found.node_count,
                    ..place
                }
            });
        }
        for severity in [Severity::Error, Severity::Warning] {
            let hidden = self.hidden[severity as usize];
            if hidden > 0 {
                let message = format!("{hidden} more findings of this rule are not shown");
                findings.push(Finding {
                    severity,
                    ..Finding::error(code, message)
                });
            }
        }
    }
}
