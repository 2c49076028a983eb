//! Secrets: passwords and tokens, looked up by reference at the moment of their use.
//!
//! Designs and configuration hold references (`secret://NAME`); what they stand for is read from a
//! directory or from the environment, used, and wiped. Nothing here can be printed: neither the
//! value, nor an error that was met on the way to it.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

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
}

/// Where secrets are read from: a directory with one file per name, and, for names that it does not
/// have, the environment of the process. A file wins over a variable.
#[derive(Clone, Debug, Default)]
pub struct SecretSource {
    directory: Option<PathBuf>,
}

impl SecretSource {
    /// Reads from `directory`, if there is one, and from the environment.
    #[must_use]
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
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
        // Files of a cluster's secrets may be on a slow mount.
        let reading = tokio::task::spawn_blocking(move || source.look_up(&wanted));
        reading.await.unwrap_or_else(|panicked| {
            Err(SecretError::Unreadable {
                reference: reference.clone(),
                source: io::Error::other(panicked),
            })
        })
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
mod tests {
    use super::*;

    fn reference(name: &str) -> SecretReference {
        format!("secret://{name}").parse().unwrap()
    }

    #[tokio::test]
    async fn a_secret_is_read_anew_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let source = SecretSource::new(Some(directory.path().to_owned()));
        for (written, read) in [
            ("hunter2\n", "hunter2"),
            ("next\r\n", "next"),
            (" a ", " a "),
        ] {
            std::fs::write(directory.path().join("bmc"), written).unwrap();
            let secret = source.read(&reference("bmc")).await.unwrap();
            assert_eq!(secret.expose(), read);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_told_by_its_reference_alone() {
        let directory = tempfile::tempdir().unwrap();
        let source = SecretSource::new(Some(directory.path().to_owned()));
        let long = "hunter2".repeat(10_000);
        for (written, told) in [
            (&b""[..], "read secret://bmc: it is empty"),
            (b"\n", "read secret://bmc: it is empty"),
            (b"hunter2\xff", "read secret://bmc: it is no UTF-8 text"),
            (
                long.as_bytes(),
                "read secret://bmc: it is longer than 64 KiB",
            ),
        ] {
            std::fs::write(directory.path().join("bmc"), written).unwrap();
            let error = source.read(&reference("bmc")).await.unwrap_err();
            assert_eq!(error.to_string(), told);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        std::fs::create_dir(directory.path().join("folder")).unwrap();
        let error = source.read(&reference("folder")).await.unwrap_err();
        assert_eq!(error.to_string(), "read secret://folder");
        let error = source.read(&reference("no.such-one")).await.unwrap_err();
        let told = error.to_string();
        assert!(told.contains("DRYDOCK_SECRET_NO_SUCH_ONE"), "{told}");
        assert!(told.contains("/no.such-one"), "{told}");
    }

    #[test]
    fn a_secret_cannot_be_printed() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
