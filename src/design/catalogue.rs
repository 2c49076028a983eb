//! Every code that a finding can have, with its page of the documentation.

use crate::domain::Action;

use super::finding::{Code, Severity};
use super::rules;

/// A code, and what the documentation says of it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The code as findings show it.
    pub code: &'static str,
    /// How bad it is at its worst.
    pub severity: Severity,
    /// What is wrong, as a title: a lowercase fragment.
    pub summary: &'static str,
    /// What it leads to and what to do about it, in Markdown.
    pub explanation: &'static str,
    /// The actions that an error of this code refuses for the nodes it is about. A design that does
    /// not load refuses every one.
    pub needed_by: &'static [Action],
    /// Designs that have the mistake, and do not. Codes of references have none.
    pub examples: &'static [Example],
}

/// A design that has a mistake, and the same without it.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The file `site.yaml` with the mistake. It has one finding of the code.
    pub failing: &'static str,
    /// The file without it. It has no finding of the code.
    pub passing: &'static str,
    /// The finding as it is shown, with line and column.
    pub message: &'static str,
}

/// Every code: those of loading, then the rules of validation in their order.
pub fn catalogue() -> impl Iterator<Item = Entry> {
    let loading = Code::LOADING.into_iter().filter_map(loading);
    let rules = rules::ALL.iter().map(|rule| Entry {
        code: rule.code,
        severity: rule.severity,
        summary: rule.summary,
        explanation: rule.explanation,
        needed_by: rule.needed_by,
        examples: rule.examples,
    });
    loading.chain(rules)
}

/// The page of a code of loading; `None` for a rule, which brings its own.
fn loading(code: Code) -> Option<Entry> {
    let (severity, summary, explanation) = match code {
        Code::ReferenceNotFound => (
            Severity::Error,
            "a reference that names nothing",
            "Nothing exists at the path of the reference. Check it, and that the server sees the \
             same directory as you.",
        ),
        Code::ReferenceEscapes => (
            Severity::Error,
            "a reference that leaves its directory",
            "The reference leads, through a symbolic link, out of the directories that designs may \
             be read from.",
        ),
        Code::ReferenceUnreadable => (
            Severity::Error,
            "a reference that cannot be read",
            "What the reference names is neither a regular file nor a directory, or the server may \
             not read it.",
        ),
        Code::TooLarge => (
            Severity::Error,
            "a limit is exceeded",
            "A design, a document or a node has more bytes, documents, values, levels or entries \
             than the service takes. Limits keep one design from taking the memory of all.",
        ),
        Code::Syntax => (
            Severity::Error,
            "not YAML",
            "The text of the document is not UTF-8 or not YAML. Other documents of the file are \
             read all the same.",
        ),
        Code::NotADocument => (
            Severity::Error,
            "a document that is no mapping",
            "A document is a mapping of fields, and so is its `data` or `spec`.",
        ),
        Code::Name => (
            Severity::Error,
            "a document without a name",
            "Every document has a `metadata.name`, by which others refer to it.",
        ),
        Code::UnknownKind => (
            Severity::Warning,
            "a document of another kind",
            "The `schema`, or `apiVersion` and `kind`, names no kind that a design is made of. The \
             document is ignored; if it should not be, its kind is misspelt.",
        ),
        Code::DuplicateName => (
            Severity::Error,
            "two documents of one kind and name",
            "References to the name would be ambiguous, and a node filter could not tell two nodes \
             apart.",
        ),
        Code::MissingProfile => (
            Severity::Error,
            "a host profile that does not exist",
            "A node or profile inherits from a HostProfile that the design does not have, so \
             nobody knows what the node is.",
        ),
        Code::ProfileCycle => (
            Severity::Error,
            "host profiles that inherit from each other in a circle",
            "Inheritance has to end at a profile that has no `host_profile`.",
        ),
        Code::UnusableValue => (
            Severity::Warning,
            "a value that a node filter cannot ask for",
            "A tag, label, rack or out-of-band type is not a text, or too long. The node goes \
             without it.",
        ),
        Code::SeveralRegions => (
            Severity::Warning,
            "more than one Region",
            "A site is named after its Region; the first one names it, and the others are ignored.",
        ),
        Code::NoDocuments => (
            Severity::Warning,
            "a design without documents",
            "The files have no document of any kind of a design. Most often the reference names the \
             wrong directory.",
        ),
        Code::MoreFindings => (
            Severity::Error,
            "more findings than are shown",
            "There is a most of findings shown, errors before warnings. Repair those, and validate \
             again.",
        ),
        Code::Rule(_) => return None,
    };
    Some(Entry {
        code: code.as_str(),
        severity,
        summary,
        explanation,
        needed_by: &[],
        examples: &[],
    })
}
