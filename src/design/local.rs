//! Designs of files that whoever runs the program names: no reference and no allowed directory.

use std::path::PathBuf;
use std::time::Duration;

use super::deadline::Deadline;
use super::error::LoadError;
use super::finding::Finding;
use super::source::{self, MAX_DESIGN_BYTES, SourceFile};

/// The longest that reading or validating may take: the largest design takes a small part of it.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Reads files, and the `*.yaml` and `*.yml` files below directories. Each is named as its path was
/// given, so that an editor finds it.
///
/// # Errors
///
/// As for a reference.
pub fn read_files(paths: &[PathBuf]) -> Result<Vec<SourceFile>, LoadError> {
    let deadline = Deadline::after(TIME_LIMIT);
    let mut files = Vec::new();
    let mut left = MAX_DESIGN_BYTES;
    for path in paths {
        for file in source::read_local(path, left, deadline)? {
            left = left.saturating_sub(file.bytes.len() as u64);
            files.push(file);
        }
    }
    Ok(files)
}

/// Everything that is wrong with the design in these files, errors first.
///
/// # Errors
///
/// It took too long.
pub fn validate(files: &[SourceFile]) -> Result<Vec<Finding>, LoadError> {
    let validation = super::validate::run(files, Deadline::after(TIME_LIMIT))?;
    Ok(validation.findings)
}
