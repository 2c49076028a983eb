//! Site designs: from a reference to an inventory.
//!
//! A reference is checked by its text (`reference`), its files are read (`source`) or fetched
//! (`fetch`), split into documents (`split`) that are parsed one by one within limits (`parse`) and
//! freed of credentials (`credentials`) as they become documents of ours (`document`). Nodes inherit
//! from host profiles (`inherit`) and become the inventory (`site`). What is kept of a design is its
//! documents and their digest (`stored`): a task that started goes on with these, whatever becomes
//! of the files. Where someone asked for it (`validate`), documents are read into types (`read`) and
//! every rule looks at all of them (`rules`).
//!
//! Rejected: one pass of a streaming parser over the whole stream, because a broken document would
//! hide all after it; and parsing documents into their types at once, because loading requires
//! hardly anything of them, and one wrong field would hide the others.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::inventory::Inventory;

mod build;
mod cache;
mod catalogue;
mod credentials;
mod deadline;
mod document;
mod error;
mod fetch;
mod finding;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod inherit;
mod loader;
mod local;
mod parse;
mod path;
mod read;
mod reference;
mod rules;
mod site;
mod source;
mod split;
mod stored;
mod validate;

pub use catalogue::{Entry, Example, catalogue};
pub use credentials::names_a_credential;
pub use document::Kind;
pub use error::LoadError;
pub use fetch::{
    AllowedHost, AllowedHostError, Authorities, FetchOptions, Token, TokenError, WebPolicy,
};
pub use finding::{Code, Finding, MAX_FINDINGS, Severity};
pub use loader::{Loader, LoaderOptions, RestoreError};
pub use local::{read_files, validate};
pub use reference::{MAX_REFERENCE_BYTES, Reference, ReferenceError, ReferencePolicy};
pub use source::{MAX_DESIGN_BYTES, SourceFile};
pub use stored::{Digest, DigestError, StoredError};
pub use validate::{Fault, Validation};

/// A design that loaded. Cheap to clone but for its findings, which are few.
#[derive(Debug, Clone)]
pub struct Design {
    /// Identifies the design: the SHA-256 of its stored form before compression.
    pub digest: Digest,
    /// The documents without credentials, compressed, as the store keeps them.
    pub stored: Bytes,
    /// The nodes and racks.
    pub inventory: Arc<Inventory>,
    /// Warnings; empty for a design rebuilt from its stored form.
    pub findings: Vec<Finding>,
}

impl Design {
    /// Rebuilds a design from [`Self::stored`]. Takes seconds for the largest designs: call
    /// [`Loader::restore`] from async code.
    ///
    /// # Errors
    ///
    /// The bytes are damaged or of another format.
    pub fn from_stored(stored: &[u8]) -> Result<Self, StoredError> {
        build::rebuild(Bytes::copy_from_slice(stored))
    }
}

#[cfg(test)]
#[path = "tests/support.rs"]
mod support;
