//! What is wrong with a design, and where: one sentence a user can act on.
//!
//! A finding names its document and place. It repeats no text of a document but names, and values
//! that were read as what they are, such as addresses: a text may be a credential, and findings
//! become task messages.

use std::collections::HashMap;
use std::fmt;

/// The most findings one load reports: each becomes a message, so that an operator sees all of a
/// bad night's work at once, but a design in the wrong language has one per document.
pub const MAX_FINDINGS: usize = 1000;

/// Whether a design can be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The design does not load, or would break a deployment.
    Error,
    /// The design can be used; the finding is worth a look.
    Warning,
}

/// What kind of finding it is; stable, so that tests and users can search for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The reference names nothing that exists.
    ReferenceNotFound,
    /// The reference leads, through a symbolic link, a redirect or a name, to where it may not read.
    ReferenceEscapes,
    /// What the reference names is neither a file, a directory nor an answer with a design, or may
    /// not be read.
    ReferenceUnreadable,
    /// A limit on files, bytes, documents or values is exceeded.
    TooLarge,
    /// The text is not UTF-8 or not YAML.
    Syntax,
    /// The document is not a mapping, or its body is not.
    NotADocument,
    /// The document has no usable `metadata.name`.
    Name,
    /// The document is of a kind or schema that is not ours; it is ignored.
    UnknownKind,
    /// Two documents of one kind have one name.
    DuplicateName,
    /// A host profile is named that does not exist.
    MissingProfile,
    /// Host profiles inherit from each other in a circle.
    ProfileCycle,
    /// A value has a form that the inventory cannot use; it is ignored.
    UnusableValue,
    /// More than one Region; the first one names the site.
    SeveralRegions,
    /// The design has no document of ours.
    NoDocuments,
    /// There were more findings than [`MAX_FINDINGS`].
    MoreFindings,
    /// A rule of validation is broken: this one.
    Rule(&'static str),
}

impl Code {
    /// Every code but the rules, which the catalogue lists.
    pub(super) const LOADING: [Self; 15] = [
        Self::ReferenceNotFound,
        Self::ReferenceEscapes,
        Self::ReferenceUnreadable,
        Self::TooLarge,
        Self::Syntax,
        Self::NotADocument,
        Self::Name,
        Self::UnknownKind,
        Self::DuplicateName,
        Self::MissingProfile,
        Self::ProfileCycle,
        Self::UnusableValue,
        Self::SeveralRegions,
        Self::NoDocuments,
        Self::MoreFindings,
    ];

    /// The code as it is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule(code) => code,
            Self::ReferenceNotFound => "reference_not_found",
            Self::ReferenceEscapes => "reference_escapes",
            Self::ReferenceUnreadable => "reference_unreadable",
            Self::TooLarge => "too_large",
            Self::Syntax => "syntax",
            Self::NotADocument => "not_a_document",
            Self::Name => "name",
            Self::UnknownKind => "unknown_kind",
            Self::DuplicateName => "duplicate_name",
            Self::MissingProfile => "missing_profile",
            Self::ProfileCycle => "profile_cycle",
            Self::UnusableValue => "unusable_value",
            Self::SeveralRegions => "several_regions",
            Self::NoDocuments => "no_documents",
            Self::MoreFindings => "more_findings",
        }
    }
}

/// One thing wrong with a design.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it stops the design from loading.
    pub severity: Severity,
    /// What kind of finding it is.
    pub code: Code,
    /// The document as `Kind/name`, when it is known.
    pub document: Option<String>,
    /// The file, relative to what the reference names; never a path of this host.
    pub file: Option<String>,
    /// The line in the file, from 1.
    pub line: Option<u32>,
    /// The column in the line, from 1, in characters.
    pub column: Option<u32>,
    /// The field inside the document, for example `metadata.rack`.
    pub field: Option<String>,
    /// What is wrong: a lowercase fragment without a final dot.
    pub message: String,
    /// The nodes that it is about, by name, if it is about nodes: the first ten.
    pub nodes: Vec<String>,
    /// How many nodes it is about.
    pub node_count: usize,
}

impl Finding {
    /// An error without a place.
    pub(super) fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            document: None,
            file: None,
            line: None,
            column: None,
            field: None,
            message: message.into(),
            nodes: Vec::new(),
            node_count: 0,
        }
    }

    /// A warning without a place.
    pub(super) fn warning(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            f.write_str(file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
                if let Some(column) = self.column {
                    write!(f, ":{column}")?;
                }
            }
            f.write_str(": ")?;
        }
        if let Some(document) = &self.document {
            write!(f, "{document}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Collects at most [`MAX_FINDINGS`], errors before warnings when it overflows.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    error_count: usize,
    warning_count: usize,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        self.push_with(finding.severity, || finding);
    }

    /// Makes the finding only if it is kept: finding a field's place reads its document again.
    pub(super) fn push_with(&mut self, severity: Severity, finding: impl FnOnce() -> Finding) {
        let (kept, count) = match severity {
            Severity::Error => (&mut self.errors, &mut self.error_count),
            Severity::Warning => (&mut self.warnings, &mut self.warning_count),
        };
        *count += 1;
        if kept.len() < MAX_FINDINGS {
            kept.push(finding());
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.error_count > 0
    }

    /// As [`Self::finish`], each in the order of the files, lines and columns.
    pub(super) fn finish_in_order<'f>(
        mut self,
        files: impl Iterator<Item = &'f str>,
    ) -> Vec<Finding> {
        let order: HashMap<&str, usize> = files.zip(1..).collect();
        for findings in [&mut self.errors, &mut self.warnings] {
            // What is of no file is about the design as a whole, and comes first.
            findings.sort_by_key(|found| {
                let file = found.file.as_deref();
                let file = file.map_or(0, |file| order.get(file).copied().unwrap_or(usize::MAX));
                (file, found.line, found.column)
            });
        }
        self.finish()
    }

    /// Errors first, each in the order of the documents, then one that says what was left out.
    pub(super) fn finish(self) -> Vec<Finding> {
        let total = self.error_count + self.warning_count;
        // Errors come first, so that what is hidden is a warning unless there are too many of them.
        let severity = if self.error_count > MAX_FINDINGS {
            Severity::Error
        } else {
            Severity::Warning
        };
        let mut all = self.errors;
        all.extend(self.warnings);
        all.truncate(MAX_FINDINGS);
        let hidden = total - all.len();
        if hidden > 0 {
            let message = format!("{hidden} more findings are not shown");
            all.push(Finding {
                severity,
                ..Finding::error(Code::MoreFindings, message)
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_one_sentence() {
        let finding = Finding {
            document: Some("BaremetalNode/n1".to_owned()),
            file: Some("site.yaml".to_owned()),
            line: Some(12),
            column: Some(17),
            field: Some("host_profile".to_owned()),
            ..Finding::error(Code::MissingProfile, "no HostProfile is named `x`")
        };

        assert_eq!(
            finding.to_string(),
            "site.yaml:12:17: BaremetalNode/n1: host_profile: no HostProfile is named `x`"
        );
    }

    #[test]
    fn errors_are_kept_when_warnings_overflow() {
        let mut findings = Findings::default();
        for _ in 0..MAX_FINDINGS * 3 {
            findings.push(Finding::warning(Code::UnknownKind, "unknown"));
        }
        findings.push(Finding::error(Code::Syntax, "broken"));

        let all = findings.finish();

        assert_eq!(all.len(), MAX_FINDINGS + 1);
        assert_eq!(all[0].code, Code::Syntax);
        let hidden = MAX_FINDINGS * 3 + 1 - MAX_FINDINGS;
        assert_eq!(
            all[MAX_FINDINGS].message,
            format!("{hidden} more findings are not shown")
        );
        assert_eq!(all[MAX_FINDINGS].severity, Severity::Warning);
    }
}
