//! Where a design is read from: a URI, checked against what this server allows.
//!
//! The check is lexical: it looks at the text alone, so that a request gets the same answer
//! whether or not a file exists, and a caller learns nothing about this host's files. It is strict
//! rather than clever: a spelling that two programs could read in two ways (`..`, `//`, encoded
//! slashes and dots) is refused, not normalized. That is also why the `url` crate does not parse
//! it: that crate repairs such spellings. `source` checks again what was really opened, and `fetch`
//! what is really connected to.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::fetch::{Location, WebPolicy};

/// The longest reference, in bytes.
pub const MAX_REFERENCE_BYTES: usize = 2048;

/// What references may name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReferencePolicy {
    /// The only directories below which `file://` references may read: absolute, without `..`.
    /// Without one no `file://` reference is allowed.
    pub file_roots: Vec<PathBuf>,
    /// What references of the web's schemes may name.
    pub web: WebPolicy,
}

/// A reference that the policy allows. Shown, it is without its query, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    uri: String,
    target: Target,
}

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    File(FileTarget),
    Web(Location),
}

/// A file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FileTarget {
    pub(super) path: PathBuf,
    /// The allowed directory that the path is below.
    pub(super) root: PathBuf,
}

/// Why a reference is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Longer than [`MAX_REFERENCE_BYTES`].
    #[error("the reference has {bytes} bytes, more than {MAX_REFERENCE_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not an absolute URI.
    #[error("the reference is not a URI: {why}")]
    NotAUri {
        /// What is missing or wrong.
        why: &'static str,
    },
    /// Control characters, raw or percent-encoded, NUL among them.
    #[error("the reference holds a control character")]
    ControlCharacter,
    /// A URI of a scheme that this server does not read.
    #[error("the scheme `{scheme}` is not enabled")]
    SchemeNotEnabled {
        /// The scheme in lower case.
        scheme: String,
    },
    /// `file://host/...`: only this host's files can be read.
    #[error("a file reference names no host: write file:///path")]
    HostInFileUri,
    /// Escapes that hide a separator, a dot or another escape.
    #[error(
        "the reference has a percent-encoding that is malformed or hides a character of the path"
    )]
    Encoding,
    /// Empty, `.` or `..` segments, backslashes, a fragment, or a query where there is none.
    #[error("the path of the reference is not plain: {why}")]
    PathNotPlain {
        /// What is not plain about it.
        why: &'static str,
    },
    /// Not below an allowed directory.
    #[error("the reference is not below a directory that designs may be read from")]
    OutsideRoots,
    /// A user or a password.
    #[error("the reference holds a user: who we are is configured, not passed")]
    UserInfo,
    /// A host in a spelling other than its plain one.
    #[error("the host of the reference is not plain: {why}")]
    HostNotPlain {
        /// What is not plain about it.
        why: &'static str,
    },
    /// A port that is none.
    #[error("the port of the reference is not a number from 1 to 65535")]
    Port,
    /// Not one of the allowed hosts, or not on its port.
    #[error("the host and port of the reference are not ones that designs may be read from")]
    HostNotAllowed,
    /// An address that no design is read from, whatever is allowed.
    #[error("the reference names {what}, and no design is read from there")]
    AddressNotAllowed {
        /// What kind of address it is.
        what: &'static str,
    },
}

impl Reference {
    /// Checks a URI against `policy` by its text alone.
    ///
    /// # Errors
    ///
    /// The first rule that the text breaks.
    pub fn parse(uri: &str, policy: &ReferencePolicy) -> Result<Self, ReferenceError> {
        if uri.len() > MAX_REFERENCE_BYTES {
            return Err(ReferenceError::TooLong { bytes: uri.len() });
        }
        if uri.chars().any(char::is_control) {
            return Err(ReferenceError::ControlCharacter);
        }
        let (scheme, rest) = split_scheme(uri)?;
        let target = if scheme == "file" {
            let path = file_path(rest)?;
            let root = policy.file_roots.iter().find(|root| is_below(&path, root));
            let root = root.ok_or(ReferenceError::OutsideRoots)?.clone();
            Target::File(FileTarget { path, root })
        } else {
            Target::Web(Location::parse(&scheme, rest, &policy.web)?)
        };
        Ok(Self {
            uri: uri.to_owned(),
            target,
        })
    }

    /// The URI as it was given, its query included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.uri.find('?').unwrap_or(self.uri.len());
        f.write_str(&self.uri[..end])
    }
}

fn split_scheme(uri: &str) -> Result<(String, &str), ReferenceError> {
    let why = "it starts with a scheme, for example file:///path";
    let (scheme, rest) = uri.split_once(':').ok_or(ReferenceError::NotAUri { why })?;
    let mut letters = scheme.chars();
    let starts_well = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic());
    let goes_on_well =
        letters.all(|each| each.is_ascii_alphanumeric() || matches!(each, '+' | '-' | '.'));
    if !starts_well || !goes_on_well {
        return Err(ReferenceError::NotAUri { why });
    }
    if !uri.chars().all(|each| each.is_ascii_graphic()) {
        let why = "spaces and letters beyond ASCII are percent-encoded";
        return Err(ReferenceError::NotAUri { why });
    }
    Ok((scheme.to_ascii_lowercase(), rest))
}

/// The path of what follows `file:`.
fn file_path(rest: &str) -> Result<PathBuf, ReferenceError> {
    let why = "a file reference is written file:///path";
    let after = rest
        .strip_prefix("//")
        .ok_or(ReferenceError::NotAUri { why })?;
    if !after.starts_with('/') {
        return Err(ReferenceError::HostInFileUri);
    }
    if after.contains(['?', '#']) {
        return Err(ReferenceError::PathNotPlain {
            why: "it has a query or a fragment",
        });
    }

    // A directory may be written with a slash at its end.
    let inner = after.strip_suffix('/').unwrap_or(after);
    let mut path = PathBuf::from("/");
    for segment in inner.split('/').skip(1) {
        let segment = decode(segment)?;
        match segment.as_str() {
            "" => {
                return Err(ReferenceError::PathNotPlain {
                    why: "it has an empty segment",
                });
            }
            "." | ".." => {
                return Err(ReferenceError::PathNotPlain {
                    why: "it has a dot segment",
                });
            }
            plain if plain.contains('\\') => {
                return Err(ReferenceError::PathNotPlain {
                    why: "it has a backslash",
                });
            }
            plain => path.push(plain),
        }
    }
    Ok(path)
}

/// Decodes one segment. No escape may stand for a character that means something in a path, nor
/// for `%`, which would make a second decoding elsewhere read another path than this one.
pub(super) fn decode(segment: &str) -> Result<String, ReferenceError> {
    for (at, _) in segment.match_indices('%') {
        let digits = segment
            .as_bytes()
            .get(at + 1..at + 3)
            .ok_or(ReferenceError::Encoding)?;
        let byte = std::str::from_utf8(digits).ok();
        let byte = byte.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.ok_or(ReferenceError::Encoding)? {
            b'/' | b'\\' | b'.' | b'%' => return Err(ReferenceError::Encoding),
            byte if byte.is_ascii_control() => return Err(ReferenceError::ControlCharacter),
            _plain => {}
        }
    }
    let decoded = percent_decode_str(segment).decode_utf8();
    let decoded = decoded.map_err(|_not_utf8| ReferenceError::Encoding)?;
    if decoded.chars().any(char::is_control) {
        return Err(ReferenceError::ControlCharacter);
    }
    Ok(decoded.into_owned())
}

/// Whether `path` is `root` or below it, component by component: `/srv/sites2` is not below
/// `/srv/sites`. A root that is relative or has `..` allows nothing.
fn is_below(path: &Path, root: &Path) -> bool {
    let plain = root.components().all(|part| match part {
        Component::RootDir | Component::Normal(_) => true,
        Component::Prefix(_) | Component::CurDir | Component::ParentDir => false,
    });
    root.is_absolute() && plain && path.starts_with(root)
}

#[cfg(test)]
#[path = "tests/reference.rs"]
mod tests;
