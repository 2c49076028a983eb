//! What the tests of designs share.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use super::build::build;
use super::deadline::Deadline;
use super::reference::{Reference, ReferencePolicy};
use super::source::SourceFile;
use super::{Code, Design, Finding, LoadError, Loader, LoaderOptions};

pub(super) type TestResult = Result<(), Box<dyn Error>>;

/// A design of one file, `site.yaml`.
pub(super) fn design(text: &str) -> Result<Design, LoadError> {
    build(
        &[file("site.yaml", text)],
        Deadline::after(Duration::from_secs(60)),
    )
}

pub(super) fn file(name: &str, text: &str) -> SourceFile {
    SourceFile {
        name: name.to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

/// The findings of a design that must not load.
pub(super) fn errors(text: &str) -> Vec<Finding> {
    invalid(design(text))
}

/// The findings of an outcome that must be "invalid".
pub(super) fn invalid<T: std::fmt::Debug>(outcome: Result<T, LoadError>) -> Vec<Finding> {
    match outcome {
        Err(LoadError::Invalid(findings)) => findings,
        Err(LoadError::Unavailable(error)) => panic!("the design should be invalid: {error}"),
        Ok(_) => panic!("the design should be invalid"),
    }
}

pub(super) fn codes(findings: &[Finding]) -> Vec<Code> {
    findings.iter().map(|finding| finding.code).collect()
}

pub(super) fn loader(root: &Path) -> Loader {
    Loader::new(LoaderOptions {
        references: policy(root),
        ..LoaderOptions::default()
    })
}

pub(super) fn policy(root: &Path) -> ReferencePolicy {
    ReferencePolicy {
        file_roots: vec![root.to_owned()],
        ..ReferencePolicy::default()
    }
}

pub(super) fn reference(root: &Path, name: &str) -> Result<Reference, Box<dyn Error>> {
    let uri = format!("file://{}/{name}", root.display());
    Ok(Reference::parse(&uri, &policy(root))?)
}
