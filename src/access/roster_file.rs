//! The file of the roster: read at start, and again whenever it changes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tracing::{error, info};

use super::grant::Access;
use super::roster::{Roster, RosterError};

/// The largest file that is read: twice what 1,000 lines of the longest names take.
const MAX_BYTES: u64 = 1024 * 1024;

/// A roster in a file.
#[derive(Debug)]
pub struct RosterFile {
    path: PathBuf,
    published: watch::Sender<Arc<Roster>>,
    /// Of what was read last, good or bad, so that the same mistake is told once.
    seen: Seen,
}

/// What the last look at the file found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text([u8; 32]),
    Unreadable(io::ErrorKind),
}

/// Why a roster cannot be had from its file.
#[derive(Debug, thiserror::Error)]
pub enum RosterFileError {
    /// It cannot be read.
    #[error("read the roster {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is wrong.
    #[error("read the roster {}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which, and how.
        #[source]
        source: RosterError,
    },
}

impl RosterFile {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or a line is wrong.
    pub fn open(path: &Path) -> Result<Self, RosterFileError> {
        let text = read(path).map_err(|source| RosterFileError::Read {
            path: path.to_owned(),
            source,
        })?;
        let roster = Roster::parse(&text).map_err(|source| RosterFileError::Line {
            path: path.to_owned(),
            source,
        })?;
        info!(path = %path.display(), credentials = roster.len(), "roster read");
        Ok(Self {
            path: path.to_owned(),
            published: watch::Sender::new(Arc::new(roster)),
            seen: Seen::Text(Sha256::digest(&text).into()),
        })
    }

    /// Who may call, now and after each reload.
    pub fn access(&self) -> Access {
        Access::Listed(self.published.subscribe())
    }

    /// Looks at the file again. A roster that cannot be read changes nothing: who was admitted stays so, and
    /// the log says what is wrong. Blocks on the file system.
    pub fn reload(&mut self) {
        let text = match read(&self.path) {
            Ok(text) => text,
            Err(error) => {
                if self.is_new(Seen::Unreadable(error.kind())) {
                    error!(path = %self.path.display(), %error, "roster not reloaded");
                }
                return;
            }
        };
        if !self.is_new(Seen::Text(Sha256::digest(&text).into())) {
            return;
        }
        let path = self.path.display();
        match Roster::parse(&text) {
            Ok(roster) => {
                info!(%path, credentials = roster.len(), "roster reloaded");
                self.published.send_replace(Arc::new(roster));
            }
            Err(error) => error!(%path, %error, "roster not reloaded"),
        }
    }

    fn is_new(&mut self, seen: Seen) -> bool {
        let is_new = self.seen != seen;
        self.seen = seen;
        is_new
    }
}

fn read(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    if file.take(MAX_BYTES + 1).read_to_string(&mut text)? as u64 > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than 1 MiB",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Credential, Token};

    #[test]
    fn a_file_that_breaks_changes_nothing_until_it_is_mended() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("roster");
        assert!(matches!(
            RosterFile::open(&path),
            Err(RosterFileError::Read { .. })
        ));
        let token = Token::parse("one").expect("a token");
        let line = format!("ci read {}\n", token.hash());
        std::fs::write(&path, "ci\n")?;
        assert!(matches!(
            RosterFile::open(&path),
            Err(RosterFileError::Line { .. })
        ));
        std::fs::write(&path, &line)?;
        let mut file = RosterFile::open(&path).expect("a roster");
        let access = file.access();
        let admitted = || {
            access
                .admit(Some(Credential::Token(token.hash())))
                .is_some()
        };
        assert!(admitted());
        std::fs::write(&path, format!("{line}nonsense\n"))?;
        file.reload();
        assert!(admitted());
        std::fs::remove_file(&path)?;
        file.reload();
        assert!(admitted());
        std::fs::write(&path, "")?;
        file.reload();
        assert!(!admitted());
        std::fs::write(&path, &line)?;
        file.reload();
        assert!(admitted());
        Ok(())
    }
}
