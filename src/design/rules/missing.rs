//! References to what the design does not have: what the rules about them share.

use std::collections::HashMap;

use super::super::document::Kind;
use super::super::read::nearest;
use super::{Report, SiteView};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::HostSpec;

/// Names looked for among those that exist. More findings than this are not shown.
const MAX_SUGGESTIONS: usize = 100;

/// Tells what each name that exists nowhere is: the same name is missed by ten thousand nodes.
pub(super) struct Names<'s, 'd> {
    site: &'s SiteView<'d>,
    kind: Kind,
    messages: HashMap<String, Option<String>>,
}

impl<'s, 'd> Names<'s, 'd> {
    pub(super) fn new(site: &'s SiteView<'d>, kind: Kind) -> Self {
        Self {
            site,
            kind,
            messages: HashMap::new(),
        }
    }

    /// What to say of a name; nothing if there is a document of this name, readable or not.
    pub(super) fn missing(&mut self, name: &str) -> Option<String> {
        if let Some(message) = self.messages.get(name) {
            return message.clone();
        }
        let message = (!self.site.exists(self.kind, name)).then(|| {
            let asked = self.messages.values().flatten().count();
            let near = (asked < MAX_SUGGESTIONS)
                .then(|| nearest(name, self.site.names(self.kind)))
                .flatten();
            match near {
                Some(near) => format!("no {} is called `{name}`; is `{near}` meant?", self.kind),
                None => format!("no {} is called `{name}`", self.kind),
            }
        });
        self.messages.insert(name.to_owned(), message.clone());
        message
    }
}

/// Takes a name that a host refers to: how bad it is if there is nothing of this name, the name,
/// and where it stands.
pub(super) type Tell<'t> = dyn FnMut(Severity, &str, &dyn Fn() -> Path) + 't;

/// Tells of each name that a host refers to.
pub(super) type Mentions = fn(&HostSpec, &mut Tell<'_>);

/// Reports what hosts refer to and the design does not have: what nodes have with all they inherit,
/// what nodes say whose profiles do not resolve, and, as a warning, what profiles say that no node
/// has from them.
pub(super) fn report(site: &SiteView<'_>, report: &mut Report<'_>, kind: Kind, mentions: Mentions) {
    let mut names = Names::new(site, kind);
    for node in &site.nodes {
        mentions(&node.spec, &mut |severity, name, path| {
            if let Some(message) = names.missing(name) {
                report.node_as(severity, node, path(), message);
            }
        });
    }
    for node in &site.node_documents {
        mentions(&node.spec, &mut |severity, name, path| {
            if let Some(message) = names.missing(name) {
                report.document_as(severity, node.id, path(), message);
            }
        });
    }
    for profile in &site.host_profiles {
        mentions(&profile.spec, &mut |_severity, name, path| {
            if let Some(message) = names.missing(name) {
                report.document_as(Severity::Warning, profile.id, path(), message);
            }
        });
    }
}
