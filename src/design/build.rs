//! From the bytes of a design's files to a design.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::deadline::Deadline;
use super::document::{self, Document, Kind, Outcome};
use super::error::LoadError;
use super::finding::{Code, Finding, Findings, Severity};
use super::source::SourceFile;
use super::split::{Chunk, split};
use super::stored::{self, StoredError};
use super::{Design, site};
use crate::domain::inventory::Inventory;

/// Documents in one design: a site of the largest size and its profiles and networks.
const MAX_DOCUMENTS: usize = 250_000;

/// Scalars, lists and maps in all documents: 100,000 nodes of eighty. At up to a hundred bytes
/// each they bound what one load holds in memory.
const MAX_DESIGN_VALUES: usize = 8_000_000;

/// Parses files into a design.
///
/// # Errors
///
/// `Invalid` with every finding, `Unavailable` when the deadline passes.
pub(super) fn build(files: &[SourceFile], deadline: Deadline) -> Result<Design, LoadError> {
    let mut findings = Findings::default();
    let read = read(files, deadline, &mut findings)?;
    let inventory = site::inventory(&read.documents, &read.broken, &mut findings, drop);
    deadline.check().map_err(LoadError::Unavailable)?;
    match inventory {
        Some(inventory) => design(&read, inventory, findings.finish()),
        None => Err(LoadError::Invalid(findings.finish())),
    }
}

/// Parses files into their documents; what is wrong with one of them is in `findings`.
///
/// # Errors
///
/// `Invalid` when there is too much of them, `Unavailable` when the deadline passes.
pub(super) fn read<'a>(
    files: &'a [SourceFile],
    deadline: Deadline,
    findings: &mut Findings,
) -> Result<Documents<'a>, LoadError> {
    let mut read = Documents::default();
    for file in files {
        let name = Arc::from(file.name.as_str());
        let text = match std::str::from_utf8(&file.bytes) {
            Ok(text) => text,
            Err(error) => {
                findings.push(not_utf8(file, error.valid_up_to()));
                continue;
            }
        };
        for chunk in split(text) {
            deadline.check().map_err(LoadError::Unavailable)?;
            read.add(&name, chunk, findings)?;
        }
    }
    if read.documents.is_empty() {
        findings.push(Finding::warning(
            Code::NoDocuments,
            "the design has no documents",
        ));
    }
    Ok(read)
}

/// A design that loads.
///
/// # Errors
///
/// `Invalid` when its stored form would be too large, `Unavailable` when it cannot be made.
pub(super) fn design(
    read: &Documents<'_>,
    inventory: Inventory,
    findings: Vec<Finding>,
) -> Result<Design, LoadError> {
    let (digest, stored) = stored::encode(&read.documents).map_err(|error| {
        if error.kind() == io::ErrorKind::FileTooLarge {
            LoadError::refused(Code::TooLarge, error.to_string())
        } else {
            LoadError::Unavailable(error)
        }
    })?;
    Ok(Design {
        digest,
        stored: Bytes::from(stored),
        inventory: Arc::new(inventory),
        findings,
    })
}

/// Builds a design from its stored form. Its warnings were given when it was loaded.
pub(super) fn rebuild(stored: Bytes) -> Result<Design, StoredError> {
    let (digest, documents) = stored::decode(&stored)?;
    let mut findings = Findings::default();
    let inventory = site::inventory(&documents, &BTreeSet::new(), &mut findings, drop);
    let inventory = inventory.ok_or_else(|| {
        let first = findings.finish().first().map(Finding::to_string);
        StoredError::Inventory(first.unwrap_or_default())
    })?;
    Ok(Design {
        digest,
        stored,
        inventory: Arc::new(inventory),
        findings: Vec::new(),
    })
}

/// The documents of a design as they were read.
#[derive(Default)]
pub(super) struct Documents<'a> {
    pub(super) documents: Vec<Document<'a>>,
    /// Those that could not be read but say what they are.
    pub(super) broken: BTreeSet<(Kind, String)>,
    seen: usize,
    values: usize,
}

impl<'a> Documents<'a> {
    fn add(
        &mut self,
        file: &Arc<str>,
        chunk: Chunk<'a>,
        findings: &mut Findings,
    ) -> Result<(), LoadError> {
        self.seen += 1;
        if self.seen > MAX_DOCUMENTS {
            let message = format!("the design has more than {MAX_DOCUMENTS} documents");
            return Err(LoadError::refused(Code::TooLarge, message));
        }
        match document::read(file, chunk, findings) {
            Outcome::Document(document) => {
                self.values += document.values;
                self.documents.push(document);
            }
            Outcome::Broken(Some(known)) => {
                self.broken.insert(known);
            }
            Outcome::Broken(None) | Outcome::Foreign => {}
        }
        if self.values > MAX_DESIGN_VALUES {
            let message = format!("the design has more than {MAX_DESIGN_VALUES} values");
            return Err(LoadError::refused(Code::TooLarge, message));
        }
        Ok(())
    }
}

fn not_utf8(file: &SourceFile, valid_bytes: usize) -> Finding {
    let lines = file.bytes[..valid_bytes]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    Finding {
        severity: Severity::Error,
        file: Some(file.name.clone()),
        line: u32::try_from(lines + 1).ok(),
        ..Finding::error(Code::Syntax, "the file is not UTF-8 from here on")
    }
}
