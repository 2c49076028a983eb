//! What is wrong with a design, without a task.

use super::Tasks;
use super::error::Error;
use crate::executor::DesignFinding;

impl Tasks {
    /// Everything that is wrong with the design, errors first; nothing for one without a fault.
    ///
    /// # Errors
    ///
    /// [`Error::Design`] when it cannot be fetched for now.
    pub async fn validate_design(&self, design_ref: &str) -> Result<Vec<DesignFinding>, Error> {
        self.designs
            .validate(design_ref)
            .await
            .map_err(Error::Design)
    }
}
