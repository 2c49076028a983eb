//! Secrets: passwords and tokens, looked up by reference at the moment of their use.
//!
//! Designs and configuration hold references (`secret://NAME`); what they stand for is read from a
//! directory or from the environment, used, and wiped. Nothing here can be printed: neither the
//! value, nor an error that was met on the way to it.
//!
//! Whoever writes a design also writes the address that its secrets are sent to. So a design's
//! reference is read by [`SecretSource::read_for_design`], which never gives out what the
//! configuration names for the service itself.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::{Zeroize as _, Zeroizing};

pub use crate::domain::SecretReference;

/// The longest secret: private keys are a tenth of it. A greater file is no secret, but a mistake.
const MAX_BYTES: u64 = 64 * 1024;

/// What is taken for a secret while it is read: as much, and a byte to see that it is too long.
const ROOM: usize = 64 * 1024 + 1;

/// How the environment variables of secrets begin.
pub const VARIABLE_PREFIX: &str = "DRYDOCK_SECRET_";

/// The value of a secret. It is wiped from memory when it is dropped, and cannot be printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value over.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value, for whoever sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a secret cannot be had. It names the reference and never holds the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Neither the directory nor the environment has it.
    #[error("find {reference}: {}", places(reference, directory.as_deref()))]
    Missing {
        /// What was asked for.
        reference: SecretReference,
        /// Where it was looked for, beside the environment.
        directory: Option<PathBuf>,
    },
    /// Its file cannot be read.
    #[error("read {reference}")]
    Unreadable {
        /// What was asked for.
        reference: SecretReference,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is empty, longer than 64 KiB, or no UTF-8.
    #[error("read {reference}: it is {what}")]
    Unusable {
        /// What was asked for.
        reference: SecretReference,
        /// What is wrong, as in "empty".
        what: &'static str,
    },
    /// A design names what the configuration names for the service itself.
    #[error("node {node} may not use {reference}: it is the service's own")]
    Own {
        /// The node whose design names it.
        node: String,
        /// What was asked for.
        reference: SecretReference,
    },
    /// A design names what no design may name.
    #[error(
        "node {node} may not use {reference}: names for designs begin with `{prefix}` (`secrets.design_prefix`)"
    )]
    NotForDesigns {
        /// The node whose design names it.
        node: String,
        /// What was asked for.
        reference: SecretReference,
        /// How the names begin that designs may use.
        prefix: String,
    },
}

/// What the service keeps from designs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// Secrets that the configuration names: tokens and passwords of the service itself.
    pub names: Vec<SecretReference>,
    /// Files that the configuration names: keys and the like may lie where secrets do.
    pub files: Vec<PathBuf>,
    /// How the names begin that designs may use; none: all but these.
    pub design_prefix: Option<String>,
}

/// Where secrets are read from: a directory with one file per name, and, for names that it does not
/// have, the environment of the process. A file wins over a variable.
#[derive(Clone, Debug, Default)]
pub struct SecretSource {
    directory: Option<PathBuf>,
    /// The names of the service's own secrets, in the form that their variables have: names that
    /// differ in nothing but that share a variable, and a file where case does not count.
    own: Arc<BTreeSet<String>>,
    own_files: Arc<[PathBuf]>,
    design_prefix: Option<Arc<str>>,
}

impl SecretSource {
    /// Reads from `directory`, if there is one, and from the environment.
    #[must_use]
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self {
            directory,
            ..Self::default()
        }
    }

    /// The same, and keeps from designs what is reserved.
    #[must_use]
    pub fn reserving(self, reservation: Reservation) -> Self {
        Self {
            own: Arc::new(reservation.names.iter().map(variable).collect()),
            own_files: reservation.files.into(),
            design_prefix: reservation.design_prefix.map(Arc::from),
            ..self
        }
    }

    /// Reads a secret anew, so that one that was changed is used from the next time on. A line feed
    /// at its end is not part of it.
    ///
    /// # Errors
    ///
    /// It is not there, cannot be read, or is no text that could be sent.
    pub async fn read(&self, reference: &SecretReference) -> Result<Secret, SecretError> {
        let source = self.clone();
        let wanted = reference.clone();
        blocking(reference, move || source.look_up(&wanted)).await
    }

    /// The same for a reference that the design of `node` holds. What is the service's own, or not
    /// among the names that are for designs, is not even looked for.
    ///
    /// # Errors
    ///
    /// It is not for designs; besides, those of [`SecretSource::read`].
    pub async fn read_for_design(
        &self,
        reference: &SecretReference,
        node: &str,
    ) -> Result<Secret, SecretError> {
        if self.own.contains(&variable(reference)) {
            return Err(own(reference, node));
        }
        if let Some(prefix) = &self.design_prefix
            && !reference.name().starts_with(&**prefix)
        {
            return Err(SecretError::NotForDesigns {
                node: node.to_owned(),
                reference: reference.clone(),
                prefix: prefix.to_string(),
            });
        }
        let source = self.clone();
        let wanted = reference.clone();
        let node = node.to_owned();
        blocking(reference, move || {
            if source.is_own_file(&wanted) {
                return Err(own(&wanted, &node));
            }
            source.look_up(&wanted)
        })
        .await
    }

    /// Whether its file is one that the configuration names, by whatever path.
    fn is_own_file(&self, reference: &SecretReference) -> bool {
        let file = self
            .directory
            .as_ref()
            .and_then(|directory| directory.join(reference.name()).canonicalize().ok());
        // What cannot be followed to its end is not there, or cannot be read either.
        let is_it = |own: &PathBuf| own.canonicalize().ok() == file;
        file.is_some() && self.own_files.iter().any(is_it)
    }

    fn look_up(&self, reference: &SecretReference) -> Result<Secret, SecretError> {
        if let Some(directory) = &self.directory {
            match read_file(&directory.join(reference.name())) {
                Ok(bytes) => return usable(reference, bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(SecretError::Unreadable {
                        reference: reference.clone(),
                        source,
                    });
                }
            }
        }
        match std::env::var_os(variable(reference)) {
            Some(value) => usable(reference, value.into_encoded_bytes()),
            None => Err(SecretError::Missing {
                reference: reference.clone(),
                directory: self.directory.clone(),
            }),
        }
    }
}

/// The environment variable of a reference: `secret://rack-1.bmc` is `DRYDOCK_SECRET_RACK_1_BMC`.
#[must_use]
pub fn variable(reference: &SecretReference) -> String {
    let name = reference.name().chars().map(|each| {
        if each.is_ascii_alphanumeric() {
            each.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    VARIABLE_PREFIX.chars().chain(name).collect()
}

/// Runs `look_up` where it may block: files of a cluster's secrets may be on a slow mount.
async fn blocking(
    reference: &SecretReference,
    look_up: impl FnOnce() -> Result<Secret, SecretError> + Send + 'static,
) -> Result<Secret, SecretError> {
    let reading = tokio::task::spawn_blocking(look_up);
    reading.await.unwrap_or_else(|panicked| {
        Err(SecretError::Unreadable {
            reference: reference.clone(),
            source: io::Error::other(panicked),
        })
    })
}

fn own(reference: &SecretReference, node: &str) -> SecretError {
    SecretError::Own {
        node: node.to_owned(),
        reference: reference.clone(),
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // All of it at once: what grew would leave parts of the secret behind in memory.
    let mut bytes = Vec::with_capacity(ROOM);
    std::fs::File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn usable(reference: &SecretReference, bytes: Vec<u8>) -> Result<Secret, SecretError> {
    let unusable = |what| SecretError::Unusable {
        reference: reference.clone(),
        what,
    };
    let too_long = u64::try_from(bytes.len()).map_or(true, |length| length > MAX_BYTES);
    let mut value = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            error.into_bytes().zeroize();
            return Err(unusable("no UTF-8 text"));
        }
    };
    // As editors and `echo` leave it.
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    let secret = Secret::new(value);
    if too_long {
        return Err(unusable("longer than 64 KiB"));
    }
    if secret.expose().is_empty() {
        return Err(unusable("empty"));
    }
    Ok(secret)
}

fn places(reference: &SecretReference, directory: Option<&Path>) -> String {
    let variable = variable(reference);
    match directory {
        Some(directory) => format!(
            "there is neither {} nor the environment variable {variable}",
            directory.join(reference.name()).display()
        ),
        None => format!(
            "`secrets.directory` is not set and there is no environment variable {variable}"
        ),
    }
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
