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
use super::fetch::{FetchOptions, Fetched, Fetcher, Location, Validators};
use super::reference::{Reference, ReferenceError, ReferencePolicy, Target};
use super::source::{self, MAX_DESIGN_BYTES, SourceFile};
use super::stored::{Digest, StoredError};
use super::validate::{self, Validation};

/// The most designs that are fetched at once. A fetch holds its answer, of at most the size of a
/// design, until it is its turn to be built; servers that answer slowly keep files from no slot.
const MAX_FETCHES: usize = 4;

/// How designs are loaded.
#[derive(Debug, Clone)]
pub struct LoaderOptions {
    /// What references may name.
    pub references: ReferencePolicy,
    /// How designs are fetched from the web.
    pub fetch: FetchOptions,
    /// The most bytes of one design, all files together.
    pub max_bytes: u64,
    /// The longest that one load may take, waiting included.
    pub time_limit: Duration,
    /// How many designs are loaded at once; each may need a gigabyte for a moment at worst.
    pub max_concurrent: usize,
}

impl Default for LoaderOptions {
    /// No directory and no host may be read; 64 MiB, 60 s, two at once.
    fn default() -> Self {
        Self {
            references: ReferencePolicy::default(),
            fetch: FetchOptions::default(),
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
    fetches: Semaphore,
    fetcher: Fetcher,
    cache: Mutex<Cache>,
    validators: Mutex<Validators>,
}

/// What is known of a content, if anything.
type Known<T> = fn(&Shared, ContentHash) -> Option<T>;

/// Makes something of files, and keeps it in the cache.
type Make<T> = fn(&Shared, &[SourceFile], ContentHash, Deadline) -> Result<T, LoadError>;

impl Loader {
    /// A loader with an empty cache.
    #[must_use]
    pub fn new(options: LoaderOptions) -> Self {
        let slots = Arc::new(Semaphore::new(
            options.max_concurrent.clamp(1, Semaphore::MAX_PERMITS),
        ));
        let fetcher = Fetcher::new(options.fetch.clone(), options.references.web.clone());
        Self {
            shared: Arc::new(Shared {
                options,
                slots,
                fetches: Semaphore::new(MAX_FETCHES),
                fetcher,
                cache: Mutex::default(),
                validators: Mutex::default(),
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

    /// Reads and builds the design, or finds it in the cache if its content is unchanged.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the same call may succeed later, `Invalid` when the design is wrong.
    pub async fn load(&self, reference: &Reference) -> Result<Design, LoadError> {
        self.made(reference, Shared::loaded, Shared::load).await
    }

    /// Reads the design and runs every rule over it, unless its content is as it was. The design
    /// in the answer is of the bytes that were validated.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the same call may succeed later, `Invalid` when the reference names
    /// nothing that could be read. A design that does not load is an answer.
    pub async fn validate(&self, reference: &Reference) -> Result<Arc<Validation>, LoadError> {
        self.made(reference, Shared::validated, Shared::validate)
            .await
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

    /// What `make` makes of what `reference` names, unless that is known of the content already.
    async fn made<T: Send + 'static>(
        &self,
        reference: &Reference,
        known: Known<T>,
        make: Make<T>,
    ) -> Result<T, LoadError> {
        let deadline = Deadline::after(self.shared.options.time_limit);
        match reference.target() {
            Target::File(target) => {
                let (shared, target) = (self.shared.clone(), target.clone());
                let made = self.run(deadline, move || {
                    let files = source::read(&target, shared.options.max_bytes, deadline)?;
                    shared.of_files(&files, content_hash(&files), known, make, deadline)
                });
                made.await.map_err(LoadError::Unavailable)?
            }
            Target::Web(location) => self.made_of_web(location, known, make, deadline).await,
        }
    }

    async fn made_of_web<T: Send + 'static>(
        &self,
        location: &Location,
        known: Known<T>,
        make: Make<T>,
        deadline: Deadline,
    ) -> Result<T, LoadError> {
        // Held until all is made of the answer, which is in memory as long.
        let turn = tokio::time::timeout(deadline.left(), self.shared.fetches.acquire()).await;
        let _turn = turn
            .map_err(|_elapsed| LoadError::Unavailable(timed_out()))?
            .map_err(|closed| LoadError::Unavailable(io::Error::other(closed)))?;
        let shared = &self.shared;
        let max_bytes = shared.options.max_bytes;
        let at_hand = |url: &str| {
            let validator = shared.validators().get(url)?;
            let made = known(shared, validator.content)?;
            Some((validator, made))
        };
        let fetched = shared.fetcher.fetch(location, max_bytes, deadline, at_hand);
        let mut answer = match fetched.await? {
            Fetched::Unchanged(made) => return Ok(made),
            Fetched::Content(answer) => answer,
        };
        let shared = self.shared.clone();
        let made = self.run(deadline, move || {
            let (url, tag) = (std::mem::take(&mut answer.url), answer.tag.take());
            let files = [answer.into_file(max_bytes)?];
            let content = content_hash(&files);
            let made = shared.of_files(&files, content, known, make, deadline)?;
            shared.validators().insert(url, tag, content);
            Ok(made)
        });
        made.await.map_err(LoadError::Unavailable)?
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
    fn of_files<T>(
        &self,
        files: &[SourceFile],
        content: ContentHash,
        known: Known<T>,
        make: Make<T>,
        deadline: Deadline,
    ) -> Result<T, LoadError> {
        match known(self, content) {
            Some(made) => Ok(made),
            None => make(self, files, content, deadline),
        }
    }

    fn loaded(&self, content: ContentHash) -> Option<Design> {
        self.cache().by_content(content)
    }

    fn load(
        &self,
        files: &[SourceFile],
        content: ContentHash,
        deadline: Deadline,
    ) -> Result<Design, LoadError> {
        let design = build::build(files, deadline)?;
        self.cache().insert(Some(content), design.clone());
        Ok(design)
    }

    fn validated(&self, content: ContentHash) -> Option<Arc<Validation>> {
        self.cache().validation(content)
    }

    fn validate(
        &self,
        files: &[SourceFile],
        content: ContentHash,
        deadline: Deadline,
    ) -> Result<Arc<Validation>, LoadError> {
        let validation = Arc::new(validate::run(files, deadline)?);
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

    fn validators(&self) -> MutexGuard<'_, Validators> {
        // As with the cache: what is missing is asked for anew.
        self.validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
