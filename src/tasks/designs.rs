//! What the use cases need of designs: whether a reference is allowed, and the nodes behind it.

use std::sync::Arc;

use crate::domain::inventory::Inventory;
use crate::executor::DesignFinding;

/// Where designs come from.
#[async_trait::async_trait]
pub trait Designs: Send + Sync + 'static {
    /// Checks a reference by its text alone, so that the answer does not depend on whether anything is
    /// there.
    ///
    /// # Errors
    ///
    /// The rule that the text breaks, as a fragment for the caller to read.
    fn check(&self, design_ref: &str) -> Result<(), String>;

    /// Reads the nodes of a design. The same reference may give other nodes later.
    ///
    /// # Errors
    ///
    /// See [`DesignError`].
    async fn load(&self, design_ref: &str) -> Result<Arc<Inventory>, DesignError>;

    /// Everything that is wrong with a design, errors first; nothing for one without a fault. A design
    /// that does not load is an answer, too.
    ///
    /// # Errors
    ///
    /// [`DesignError::Unavailable`] alone.
    async fn validate(&self, design_ref: &str) -> Result<Vec<DesignFinding>, DesignError>;
}

/// Why a design did not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesignError {
    /// It could not be fetched for now; why, without anything secret.
    #[error("fetch the design for now: {0}")]
    Unavailable(String),
    /// It is wrong until somebody changes it; what is wrong with it, at least one finding.
    #[error("load the design: {} findings", .0.len())]
    Invalid(Vec<String>),
}
