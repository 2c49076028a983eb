//! Which driver does which step on which node: the one place where a driver is chosen.
//!
//! Out-of-band steps go by the node's out-of-band type among the types that the site has drivers
//! for, the other steps by the site's node driver. What nothing is configured for is simulated, and
//! so are nodes of type `simulated`, wherever they stand, and everything in a rehearsal. Once a site
//! has drivers for some types, a node of another type has none: simulating it would claim that
//! something was done.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use super::oob_services::OobServices;
use super::unserved::Unserved;
use super::{Driver, StepCall};
use crate::domain::StepKind;
use crate::domain::inventory::Node;

/// The out-of-band type of nodes that are always simulated.
const SIMULATED: &str = "simulated";

/// The drivers of a site.
#[derive(Clone, Default)]
pub struct SiteDrivers {
    /// The drivers of out-of-band steps, by out-of-band type; empty: these steps are simulated.
    pub oob: BTreeMap<String, Arc<dyn Driver>>,
    /// The driver of all other steps; none: they are simulated.
    pub node: Option<Arc<dyn Driver>>,
}

/// The drivers of this replica.
pub struct Registry {
    simulated: Arc<dyn Driver>,
    rehearsal: bool,
    elsewhere: Site,
    sites: HashMap<String, Site>,
}

/// What a site's steps are done with.
struct Site {
    oob: BTreeMap<String, Arc<dyn Driver>>,
    /// The step that validates all of `oob` at once.
    oob_services: Arc<dyn Driver>,
    unserved: Arc<dyn Driver>,
    node: Option<Arc<dyn Driver>>,
}

impl Registry {
    /// A registry that simulates everything.
    pub fn simulated(driver: Arc<dyn Driver>) -> Self {
        Self {
            rehearsal: true,
            ..Self::new(driver, SiteDrivers::default(), [])
        }
    }

    /// A registry of real drivers: those of `sites` by the site's name, and `elsewhere` for all
    /// other sites. `simulated` does what these leave open.
    pub fn new(
        simulated: Arc<dyn Driver>,
        elsewhere: SiteDrivers,
        sites: impl IntoIterator<Item = (String, SiteDrivers)>,
    ) -> Self {
        let sites = sites.into_iter();
        Self {
            simulated,
            rehearsal: false,
            elsewhere: Site::of(elsewhere),
            sites: sites
                .map(|(name, drivers)| (name, Site::of(drivers)))
                .collect(),
        }
    }

    /// The driver of a step. The choice depends on the call's step, site and node alone, so that a
    /// successor finds the driver that the step was started with.
    pub fn driver(&self, call: &StepCall) -> &Arc<dyn Driver> {
        let oob_type = call.node().and_then(|node| node.oob_type.as_deref());
        self.choose(call.step, &call.site, call.node_name.is_some(), oob_type)
    }

    /// Whether a step on a node, or on the whole of a site, would be simulated.
    pub fn simulates(&self, step: StepKind, site: &str, node: Option<&Node>) -> bool {
        let oob_type = node.and_then(|node| node.oob_type.as_deref());
        let driver = self.choose(step, site, node.is_some(), oob_type);
        Arc::ptr_eq(driver, &self.simulated)
    }

    fn choose(
        &self,
        step: StepKind,
        site: &str,
        on_node: bool,
        oob_type: Option<&str>,
    ) -> &Arc<dyn Driver> {
        if self.rehearsal || oob_type == Some(SIMULATED) {
            return &self.simulated;
        }
        let site = self.sites.get(site).unwrap_or(&self.elsewhere);
        if !step.is_out_of_band() {
            return site.node.as_ref().unwrap_or(&self.simulated);
        }
        if site.oob.is_empty() {
            return &self.simulated;
        }
        if !on_node {
            return &site.oob_services;
        }
        let driver = oob_type.and_then(|oob_type| site.oob.get(oob_type));
        driver.unwrap_or(&site.unserved)
    }
}

impl Site {
    fn of(drivers: SiteDrivers) -> Self {
        let served: Vec<String> = drivers.oob.keys().cloned().collect();
        Self {
            oob_services: Arc::new(OobServices::of(drivers.oob.clone())),
            unserved: Arc::new(Unserved::by(served)),
            oob: drivers.oob,
            node: drivers.node,
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
