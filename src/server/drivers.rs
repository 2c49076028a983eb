//! The drivers that the configuration asks for: the one place where a driver is added.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::options;
use crate::config::{Config, NodeDriver, OobType, Site};
use crate::driver::ledger::LedgerError;
use crate::driver::manual::Manual;
use crate::driver::simulated::Simulated;
use crate::driver::{Driver, Registry, SiteDrivers};

/// Why a driver cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The simulated machines' memory does not open.
    #[error("open the simulated machines")]
    Simulated(#[source] LedgerError),
    /// It is announced, and not here yet.
    #[error("the driver for {0} is not built yet")]
    NotBuilt(&'static str),
}

/// Sets up the drivers of every site. In a rehearsal none but the simulated one is touched.
pub(super) fn registry(config: &Config) -> Result<Registry, Error> {
    let simulated = Simulated::open(options::simulated(config)).map_err(Error::Simulated)?;
    let simulated: Arc<dyn Driver> = Arc::new(simulated);
    if config.simulated.all {
        return Ok(Registry::simulated(simulated));
    }
    let elsewhere = of_site(config, None)?;
    let mut sites = Vec::with_capacity(config.sites.len());
    for (name, site) in &config.sites {
        sites.push((name.clone(), of_site(config, Some(site))?));
    }
    Ok(Registry::new(simulated, elsewhere, sites))
}

/// The drivers of a site; none: of those that have no settings of their own.
fn of_site(config: &Config, site: Option<&Site>) -> Result<SiteDrivers, Error> {
    let types = site
        .and_then(|site| site.oob.as_ref())
        .unwrap_or(&config.drivers.oob);
    let mut oob: BTreeMap<String, Arc<dyn Driver>> = BTreeMap::new();
    for oob_type in types {
        let driver: Arc<dyn Driver> = match oob_type {
            OobType::Redfish => return Err(Error::NotBuilt(oob_type.token())),
            OobType::Manual => Arc::new(Manual),
        };
        oob.insert(oob_type.token().to_owned(), driver);
    }
    let node = match config.drivers.node {
        NodeDriver::Simulated => None,
    };
    Ok(SiteDrivers { oob, node })
}
