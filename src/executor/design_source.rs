//! Where the executor gets designs from.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::Action;
use crate::domain::inventory::Inventory;

/// Loads designs. Safe to drop while it loads.
#[async_trait]
pub trait DesignSource: Send + Sync + 'static {
    /// Fetches and parses the design that a reference names, as it is now.
    async fn load(&self, design_ref: &str) -> Result<LoadedDesign, DesignFailure>;

    /// As [`load`](Self::load), and looks for everything that is wrong with it. A design that does not
    /// load is told of with all that was found.
    async fn validate(&self, design_ref: &str) -> Result<LoadedDesign, DesignFailure>;

    /// Reads a design from the bytes that the store kept under this digest when a task froze it.
    async fn stored(&self, digest: &str, bytes: Vec<u8>) -> Result<Arc<Inventory>, DesignFailure>;
}

/// A design that loads.
#[derive(Clone, Debug)]
pub struct LoadedDesign {
    /// SHA-256 of its stored form, hex.
    pub digest: Arc<str>,
    /// Its stored form, compressed, without credentials.
    pub bytes: Arc<[u8]>,
    /// Its nodes.
    pub inventory: Arc<Inventory>,
    /// What validation has to say about it.
    pub findings: Vec<DesignFinding>,
    /// Its errors by the nodes that they concern, for the gate. Only validation looks for them.
    pub faults: Vec<DesignFault>,
}

/// An error in a design that loads, and the nodes that it concerns.
#[derive(Clone, Debug, PartialEq)]
pub struct DesignFault {
    /// What is wrong.
    pub finding: DesignFinding,
    /// The actions that need it to be right.
    pub needed_by: &'static [Action],
    /// The nodes, by their ascending positions in the inventory.
    pub nodes: Vec<u32>,
}

/// Something that validation says about a design.
#[derive(Clone, Debug, PartialEq)]
pub struct DesignFinding {
    /// Whether the design is wrong there, or merely odd.
    pub error: bool,
    /// What is the matter.
    pub message: String,
    /// Where: the document.
    pub document: String,
    /// Whatever else a program may want to read.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Why there is no design.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DesignFailure {
    /// It cannot be fetched for now.
    #[error("fetch the design: {0}")]
    Unavailable(String),
    /// It does not load, for these reasons.
    #[error("load the design: {} findings", .0.len())]
    Invalid(Vec<DesignFinding>),
}
