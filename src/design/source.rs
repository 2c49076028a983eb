//! Reads the files that a reference names, and nothing else.
//!
//! The reference was checked by its text; symbolic links may still lead out of the allowed
//! directory, and the tree may change while it is read. So a file is judged by what was opened:
//! its real path must be below the real root, and it must be a regular file. Links that stay
//! inside are followed: a mounted Kubernetes ConfigMap consists of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::deadline::Deadline;
use super::error::LoadError;
use super::finding::{Code, Finding};
use super::reference::FileTarget;

/// The most bytes one design may have in all its files: 100,000 nodes at 600 bytes each, and a
/// few loads at once still fit in a small server's memory.
pub const MAX_DESIGN_BYTES: u64 = 64 * 1024 * 1024;

/// The most files below a directory reference: a file per node of a large hall.
const MAX_FILES: usize = 20_000;

/// The most directory entries looked at, YAML or not, so that a reference to a huge tree that
/// holds little YAML ends too.
const MAX_ENTRIES: usize = 200_000;

/// The deepest directory below a directory reference; people file sites by region, hall and row.
const MAX_DIRECTORY_DEPTH: usize = 16;

/// Opening a FIFO for reading waits for a writer unless this is set; regular files ignore it.
/// Values from the platforms' `fcntl.h`: the generic Linux one, and that of the BSD family.
const O_NONBLOCK: i32 = if cfg!(target_os = "linux") {
    0o4000
} else {
    0x0004
};

/// `ELOOP`, which `std` has no stable name for, on Linux and on the BSD family.
const TOO_MANY_LINKS: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

/// One file of a design.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its name relative to what the reference names, or as it was given.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Reads the file, or every `*.yaml` and `*.yml` below the directory, sorted by name.
///
/// # Errors
///
/// `Invalid` when what is named does not exist, may not be read or is too large; `Unavailable` for
/// every other failure of the file system.
pub(super) fn read(
    target: &FileTarget,
    max_bytes: u64,
    deadline: Deadline,
) -> Result<Vec<SourceFile>, LoadError> {
    // A root that is missing is a mount that is away, not a fault of the design.
    let root = fs::canonicalize(&target.root).map_err(LoadError::Unavailable)?;
    read_below(&target.path, &root, max_bytes, deadline)
}

/// As [`read`], of a path that whoever runs the program gave, and names each file as they would.
///
/// # Errors
///
/// As for [`read`].
pub(super) fn read_local(
    path: &Path,
    max_bytes: u64,
    deadline: Deadline,
) -> Result<Vec<SourceFile>, LoadError> {
    let given = path.display().to_string();
    let real = fs::canonicalize(path).map_err(|error| failed(error, Some(&given)))?;
    let is_dir = real.is_dir();
    let mut files = read_below(&real, &real, max_bytes, deadline)?;
    for file in &mut files {
        file.name = if is_dir {
            path.join(&file.name).display().to_string()
        } else {
            given.clone()
        };
    }
    Ok(files)
}

fn read_below(
    path: &Path,
    root: &Path,
    max_bytes: u64,
    deadline: Deadline,
) -> Result<Vec<SourceFile>, LoadError> {
    let named = path;
    let path = real_path_below(path, root, None)?;
    let kind = fs::metadata(&path).map_err(|error| failed(error, None))?;

    let names = if kind.is_dir() {
        list(&path, deadline)?
    } else {
        vec![PathBuf::new()]
    };
    let mut files = Vec::with_capacity(names.len());
    let mut left = max_bytes;
    for name in names {
        deadline.check().map_err(LoadError::Unavailable)?;
        let shown = shown_name(if kind.is_dir() { &name } else { named }, kind.is_dir());
        let file = if kind.is_dir() {
            path.join(&name)
        } else {
            path.clone()
        };
        let bytes = read_file(&file, root, &shown, left, max_bytes)?;
        left -= bytes.len() as u64;
        files.push(SourceFile { name: shown, bytes });
    }
    Ok(files)
}

fn read_file(
    path: &Path,
    root: &Path,
    shown: &str,
    left: u64,
    max_bytes: u64,
) -> Result<Vec<u8>, LoadError> {
    // Looked at before it is opened, because opening a device can already do something.
    let path = real_path_below(path, root, Some(shown))?;
    let before = fs::metadata(&path).map_err(|error| failed(error, Some(shown)))?;
    if !before.is_file() {
        return Err(refused(
            Code::ReferenceUnreadable,
            "is not a regular file",
            Some(shown),
        ));
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(&path);
    let file = file.map_err(|error| failed(error, Some(shown)))?;

    // And judged after it was opened: what lies at the path may have been exchanged meanwhile.
    let opened = opened_path(&file, &path).map_err(|error| failed(error, Some(shown)))?;
    if !opened.starts_with(root) {
        return Err(escapes(Some(shown)));
    }
    let metadata = file
        .metadata()
        .map_err(|error| failed(error, Some(shown)))?;
    if !metadata.is_file() {
        return Err(refused(
            Code::ReferenceUnreadable,
            "is not a regular file",
            Some(shown),
        ));
    }

    let too_large = || {
        let message = format!("the design has more than {max_bytes} bytes");
        refused(Code::TooLarge, &message, Some(shown))
    };
    if metadata.len() > left {
        return Err(too_large());
    }
    // The size is a hint only: the file may grow while it is read.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    let read = file.take(left.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| failed(error, Some(shown)))?;
    if bytes.len() as u64 > left {
        return Err(too_large());
    }
    Ok(bytes)
}

/// The YAML files below `top`, relative to it and sorted.
fn list(top: &Path, deadline: Deadline) -> Result<Vec<PathBuf>, LoadError> {
    let mut files = Vec::new();
    let mut entries_seen = 0;
    let mut directories = vec![(PathBuf::new(), 1)];
    while let Some((directory, depth)) = directories.pop() {
        deadline.check().map_err(LoadError::Unavailable)?;
        let entries = fs::read_dir(top.join(&directory)).map_err(|error| failed(error, None))?;
        for entry in entries {
            let entry = entry.map_err(|error| failed(error, None))?;
            entries_seen += 1;
            if entries_seen > MAX_ENTRIES {
                let message = format!("the directory holds more than {MAX_ENTRIES} entries");
                return Err(LoadError::refused(Code::TooLarge, message));
            }
            // Hidden names are an editor's, git's, or the real directory behind the links of a
            // ConfigMap, whose files would be read twice.
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let name = directory.join(entry.file_name());
            let kind = entry.file_type().map_err(|error| failed(error, None))?;
            // Links to directories are not entered, so that no walk goes in circles.
            if kind.is_dir() {
                if depth >= MAX_DIRECTORY_DEPTH {
                    let message =
                        format!("directories are nested deeper than {MAX_DIRECTORY_DEPTH}");
                    return Err(LoadError::refused(Code::TooLarge, message));
                }
                directories.push((name, depth + 1));
            } else if is_yaml(&name) {
                files.push(name);
            }
            if files.len() > MAX_FILES {
                let message = format!("the directory holds more than {MAX_FILES} YAML files");
                return Err(LoadError::refused(Code::TooLarge, message));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_yaml(name: &Path) -> bool {
    name.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The real path of `path`, which must be below `root`, itself a real path.
fn real_path_below(path: &Path, root: &Path, shown: Option<&str>) -> Result<PathBuf, LoadError> {
    let real = fs::canonicalize(path).map_err(|error| failed(error, shown))?;
    if real.starts_with(root) {
        Ok(real)
    } else {
        Err(escapes(shown))
    }
}

/// Where an open file really is: on Linux the kernel says it, which leaves no moment in which a
/// directory on the way could be exchanged for a link.
#[cfg(target_os = "linux")]
fn opened_path(file: &File, _asked: &Path) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Where an open file really is, elsewhere: the path asked for, if it still is the same file.
#[cfg(not(target_os = "linux"))]
fn opened_path(file: &File, asked: &Path) -> io::Result<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let real = fs::canonicalize(asked)?;
    let (there, opened) = (fs::symlink_metadata(&real)?, file.metadata()?);
    if (there.dev(), there.ino()) == (opened.dev(), opened.ino()) {
        Ok(real)
    } else {
        Err(io::Error::new(
            io::ErrorKind::Interrupted,
            "the file was exchanged while it was opened",
        ))
    }
}

/// A name for findings: relative, and without characters that could forge a line of a log.
fn shown_name(path: &Path, whole: bool) -> String {
    let name = if whole {
        path.as_os_str()
    } else {
        path.file_name().unwrap_or_default()
    };
    let name = name.to_string_lossy();
    name.chars()
        .map(|each| if each.is_control() { '?' } else { each })
        .collect()
}

fn escapes(shown: Option<&str>) -> LoadError {
    let message = "leads out of the directories that designs may be read from";
    refused(Code::ReferenceEscapes, message, shown)
}

fn refused(code: Code, what: &str, shown: Option<&str>) -> LoadError {
    let message = match shown {
        Some(_) => what.to_owned(),
        None => format!("the reference {what}"),
    };
    let file = shown.map(str::to_owned);
    LoadError::Invalid(vec![Finding {
        file,
        ..Finding::error(code, message)
    }])
}

/// What stays wrong until someone changes a file is a finding; the rest may pass by itself.
fn failed(error: io::Error, shown: Option<&str>) -> LoadError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            refused(Code::ReferenceNotFound, "names nothing that exists", shown)
        }
        io::ErrorKind::PermissionDenied => refused(
            Code::ReferenceUnreadable,
            "names what this server may not read",
            shown,
        ),
        _ if error.raw_os_error() == Some(TOO_MANY_LINKS) => refused(
            Code::ReferenceUnreadable,
            "leads through too many symbolic links",
            shown,
        ),
        _ => LoadError::Unavailable(error),
    }
}

#[cfg(test)]
#[path = "tests/source.rs"]
mod tests;
