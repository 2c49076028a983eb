//! Which driver does which step on which node: the one place where a driver is added.

use std::fmt;
use std::sync::Arc;

use super::{Driver, StepCall};

/// The drivers of this replica.
///
/// The simulated driver serves every step kind without a configured driver, every node whose
/// out-of-band type is `simulated`, and, in a rehearsal, everything. There is no configured driver
/// yet, so today it serves all steps.
pub struct Registry {
    simulated: Arc<dyn Driver>,
}

impl Registry {
    /// A registry that has the simulated driver only.
    pub fn simulated(driver: Arc<dyn Driver>) -> Self {
        Self { simulated: driver }
    }

    /// The driver of a step. The choice depends on the call's step and node alone, so that a
    /// successor finds the driver that the step was started with.
    pub fn driver(&self, _call: &StepCall) -> &Arc<dyn Driver> {
        &self.simulated
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}
