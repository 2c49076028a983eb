//! Loads designs beside the async threads: a few at once, each within a time.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Design;
use super::build;
use super::cache::{Cache, ContentHash};
use super::deadline::{Deadline, timed_out};
use super::error::LoadError;
use super::reference::{Reference, ReferenceError, ReferencePolicy};
use super::source::{self, MAX_DESIGN_BYTES, SourceFile};
use super::stored::{Digest, StoredError};
use super::validate::{self, Validation};

/// How designs are loaded.
#[derive(Debug, Clone)]
pub struct LoaderOptions {
    /// What references may name.
    pub references: ReferencePolicy,
    /// The most bytes of one design, all files together.
    pub max_bytes: u64,
    /// The longest that one load may take, waiting included.
    pub time_limit: Duration,
    /// How many designs are loaded at once; each may need a gigabyte for a moment at worst.
    pub max_concurrent: usize,
}

impl Default for LoaderOptions {
    /// No directory may be read; 64 MiB, 60 s, two at once.
    fn default() -> Self {
        Self {
            references: ReferencePolicy::default(),
            max_bytes: MAX_DESIGN_BYTES,
            time_limit: Duration::from_secs(60),
            max_concurrent: 2,
        }
    }
}

/// Loads designs. Cheap to clone; clones share their cache and limits.
#[derive(Debug, Clone)]
pub struct Loader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: LoaderOptions,
    slots: Arc<Semaphore>,
    cache: Mutex<Cache>,
}

impl Loader {
    /// A loader with an empty cache.
    #[must_use]
    pub fn new(options: LoaderOptions) -> Self {
        let slots = Arc::new(Semaphore::new(
            options.max_concurrent.clamp(1, Semaphore::MAX_PERMITS),
        ));
        Self {
            shared: Arc::new(Shared {
                options,
                slots,
                cache: Mutex::default(),
            }),
        }
    }

    /// Checks a reference by its text alone: the answer is the same whether or not it exists.
    ///
    /// # Errors
    ///
    /// The rule that it breaks.
    pub fn check(&self, uri: &str) -> Result<Reference, ReferenceError> {
        Reference::parse(uri, &self.shared.options.references)
    }

    /// Reads and builds the design, or finds it in the cache if its files are unchanged.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the same call may succeed later, `Invalid` when the design is wrong.
    pub async fn load(&self, reference: &Reference) -> Result<Design, LoadError> {
        let shared = self.shared.clone();
        let reference = reference.clone();
        let deadline = Deadline::after(shared.options.time_limit);
        let loaded = self
            .run(deadline, move || shared.load(&reference, deadline))
            .await;
        loaded.map_err(LoadError::Unavailable)?
    }

    /// Reads the design and runs every rule over it, unless its files are as they were. The design
    /// in the answer is of the bytes that were validated.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the same call may succeed later, `Invalid` when the reference names
    /// nothing that could be read. A design that does not load is an answer.
    pub async fn validate(&self, reference: &Reference) -> Result<Arc<Validation>, LoadError> {
        let shared = self.shared.clone();
        let reference = reference.clone();
        let deadline = Deadline::after(shared.options.time_limit);
        let validated = self
            .run(deadline, move || shared.validate(&reference, deadline))
            .await;
        validated.map_err(LoadError::Unavailable)?
    }

    /// The design of this digest: from the cache, or rebuilt from its stored bytes.
    ///
    /// # Errors
    ///
    /// The stored bytes are damaged or have another digest, or the time is up.
    pub async fn restore(&self, digest: Digest, stored: Bytes) -> Result<Design, RestoreError> {
        if let Some(design) = self.shared.cache().by_digest(digest) {
            return Ok(design);
        }
        let shared = self.shared.clone();
        let deadline = Deadline::after(shared.options.time_limit);
        let restored = self.run(deadline, move || {
            let design = build::rebuild(stored)?;
            if design.digest != digest {
                return Err(RestoreError::Digest {
                    expected: digest,
                    found: design.digest,
                });
            }
            shared.cache().insert(None, design.clone());
            Ok(design)
        });
        restored.await.map_err(RestoreError::Unavailable)?
    }

    /// Runs work that blocks on a thread for it, when a slot is free. Work that outlives its
    /// deadline is left behind, with its slot: a thread that hangs in a dead file system cannot be
    /// stopped, but no more than `max_concurrent` of them can come to be.
    async fn run<T: Send + 'static>(
        &self,
        deadline: Deadline,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let slot = self.shared.slots.clone().acquire_owned();
        let slot = tokio::time::timeout(deadline.left(), slot).await;
        let slot: OwnedSemaphorePermit = slot
            .map_err(|_elapsed| timed_out())?
            .map_err(io::Error::other)?;
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        });
        match tokio::time::timeout(deadline.left(), work).await {
            Ok(Ok(done)) => Ok(done),
            // A bug must not pass for an outage.
            Ok(Err(stopped)) if stopped.is_panic() => {
                std::panic::resume_unwind(stopped.into_panic())
            }
            Ok(Err(stopped)) => Err(io::Error::other(stopped)),
            Err(_elapsed) => Err(timed_out()),
        }
    }
}

/// Why a stored design was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The stored bytes are no design.
    #[error("the stored design is damaged")]
    Damaged(#[from] StoredError),
    /// The stored bytes are another design.
    #[error("the stored design has the digest {found} instead of {expected}")]
    Digest {
        /// The digest asked for.
        expected: Digest,
        /// The digest of the stored bytes.
        found: Digest,
    },
    /// There was no time or no thread for it; the same call may succeed later.
    #[error("the stored design cannot be read for now")]
    Unavailable(#[source] io::Error),
}

impl Shared {
    fn load(&self, reference: &Reference, deadline: Deadline) -> Result<Design, LoadError> {
        let files = source::read(reference, self.options.max_bytes, deadline)?;
        let content = content_hash(&files);
        if let Some(design) = self.cache().by_content(content) {
            return Ok(design);
        }
        let design = build::build(&files, deadline)?;
        self.cache().insert(Some(content), design.clone());
        Ok(design)
    }

    fn validate(
        &self,
        reference: &Reference,
        deadline: Deadline,
    ) -> Result<Arc<Validation>, LoadError> {
        let files = source::read(reference, self.options.max_bytes, deadline)?;
        let content = content_hash(&files);
        if let Some(validation) = self.cache().validation(content) {
            return Ok(validation);
        }
        let validation = Arc::new(validate::run(&files, deadline)?);
        let mut cache = self.cache();
        if let Some(design) = &validation.design {
            cache.insert(Some(content), design.clone());
        }
        cache.insert_validation(content, validation.clone());
        Ok(validation)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // A panic while the lock is held leaves a cache that is smaller, not one that is wrong.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn content_hash(files: &[SourceFile]) -> ContentHash {
    let mut hash = Sha256::new();
    for file in files {
        // Lengths keep the border between names and contents unambiguous.
        for part in [file.name.as_bytes(), &file.bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    ContentHash(hash.finalize().into())
}

#[cfg(test)]
#[path = "tests/loader.rs"]
mod tests;
