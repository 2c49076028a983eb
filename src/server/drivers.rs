//! The drivers that the configuration asks for: the one place where a driver is added.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::options;
use crate::config::{Config, NodeDriver, OobType, Site};
use crate::driver::http::ClientError;
use crate::driver::ipmi;
use crate::driver::ironic::Ironic;
use crate::driver::ledger::LedgerError;
use crate::driver::manual::Manual;
use crate::driver::redfish::{self, RedfishOptions};
use crate::driver::remote::{Remote, SetupError};
use crate::driver::simulated::Simulated;
use crate::driver::turns::Turns;
use crate::driver::{Driver, Registry, SiteDrivers};

/// Why a driver cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The simulated machines' memory does not open.
    #[error("open the simulated machines")]
    Simulated(#[source] LedgerError),
    /// What vouches for Ironic cannot be used.
    #[error("set up the driver for Ironic")]
    Ironic(#[source] ClientError),
    /// The configuration does not say where Ironic is or who we are to it.
    #[error("find the endpoint of Ironic and its secret in the configuration")]
    IronicUnset,
    /// The authorities of BMCs cannot be read.
    #[error("set up the Redfish driver")]
    Redfish(#[source] ClientError),
    /// The address or the certificates of a plug-in cannot be used.
    #[error("set up the plug-in {name}")]
    Plugin {
        /// What the configuration calls it.
        name: String,
        /// Why.
        #[source]
        source: SetupError,
    },
    /// The configuration does not say where a plug-in is.
    #[error("find the address of the plug-in {name} in the configuration")]
    PluginUnset {
        /// What the configuration calls it.
        name: String,
    },
}

/// The plug-ins, one driver for each, wherever it is used.
type Plugins = BTreeMap<String, Arc<dyn Driver>>;

/// Sets up the drivers of every site. In a rehearsal none but the simulated one is touched.
pub(super) fn registry(config: &Config) -> Result<Registry, Error> {
    let simulated = Simulated::open(options::simulated(config)).map_err(Error::Simulated)?;
    let simulated: Arc<dyn Driver> = Arc::new(simulated);
    if config.simulated.all {
        return Ok(Registry::simulated(simulated));
    }
    let turns = AllTurns::of(config);
    let plugins = plugins(config)?;
    let elsewhere = of_site(config, None, &turns, &plugins)?;
    let mut sites = Vec::with_capacity(config.sites.len());
    for (name, site) in &config.sites {
        let drivers = of_site(config, Some(site), &turns, &plugins)?;
        sites.push((name.clone(), drivers));
    }
    Ok(Registry::new(simulated, elsewhere, sites))
}

/// The turns at all BMCs of a kind, which the sites of a replica share.
struct AllTurns {
    redfish: Arc<Turns>,
    ipmi: Arc<Turns>,
}

impl AllTurns {
    fn of(config: &Config) -> Self {
        let turns = |most| Arc::new(Turns::new(options::count(most)));
        Self {
            redfish: turns(config.drivers.redfish.max_concurrent),
            ipmi: turns(config.drivers.ipmi.max_concurrent),
        }
    }
}

/// The drivers of a site; none: of those that have no settings of their own.
fn of_site(
    config: &Config,
    site: Option<&Site>,
    turns: &AllTurns,
    plugins: &Plugins,
) -> Result<SiteDrivers, Error> {
    let types = site
        .and_then(|site| site.oob.as_ref())
        .unwrap_or(&config.drivers.oob);
    let mut oob: BTreeMap<String, Arc<dyn Driver>> = BTreeMap::new();
    for oob_type in types {
        let driver: Arc<dyn Driver> = match oob_type {
            OobType::Redfish => {
                let options = RedfishOptions {
                    authorities: site
                        .and_then(|site| site.redfish_ca.clone())
                        .or_else(|| config.drivers.redfish.ca.clone()),
                    graceful_shutdown: config.drivers.redfish.graceful_shutdown,
                    call_timeout: config.executor.call_timeout,
                };
                let turns = Arc::clone(&turns.redfish);
                redfish::driver(&options, options::secrets(config), turns)
                    .map_err(Error::Redfish)?
            }
            OobType::Ipmi => {
                let options = options::ipmi(config, site);
                ipmi::driver(options, options::secrets(config), Arc::clone(&turns.ipmi))
            }
            OobType::Manual => Arc::new(Manual),
            OobType::Remote(name) => plugin(plugins, name)?,
        };
        oob.insert(oob_type.token().to_owned(), driver);
    }
    let node = site.and_then(|site| site.node.as_ref());
    let node = match node.unwrap_or(&config.drivers.node) {
        NodeDriver::Simulated => None,
        NodeDriver::Ironic => Some(ironic(config)?),
        NodeDriver::Remote(name) => Some(plugin(plugins, name)?),
    };
    Ok(SiteDrivers { oob, node })
}

/// The driver for Ironic. Without an endpoint the configuration would have been refused.
fn ironic(config: &Config) -> Result<Arc<dyn Driver>, Error> {
    let options = options::ironic(config).ok_or(Error::IronicUnset)?;
    let ironic = Ironic::new(options, options::secrets(config)).map_err(Error::Ironic)?;
    Ok(Arc::new(ironic))
}

/// Sets up every plug-in. None of them need be there yet.
fn plugins(config: &Config) -> Result<Plugins, Error> {
    let mut plugins = Plugins::new();
    for (name, plugin) in &config.drivers.remote {
        let unset = || Error::PluginUnset { name: name.clone() };
        let wanted = options::plugin(config, name, plugin).ok_or_else(unset)?;
        let remote =
            Remote::new(wanted, options::secrets(config)).map_err(|source| Error::Plugin {
                name: name.clone(),
                source,
            })?;
        plugins.insert(name.clone(), Arc::new(remote));
    }
    Ok(plugins)
}

/// The plug-in of a name. Without its address the configuration would have been refused.
fn plugin(plugins: &Plugins, name: &str) -> Result<Arc<dyn Driver>, Error> {
    let unset = || Error::PluginUnset {
        name: name.to_owned(),
    };
    plugins.get(name).map(Arc::clone).ok_or_else(unset)
}
