//! Sections of what is driven: secrets, the choice of drivers, and what differs by site.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::MAX_COUNT;
use super::ipmi::{Ipmi, SiteIpmi};
use super::ironic::Ironic;
use super::remote::{Plugin, read_plugins};
use crate::config::reader::Reader;
use crate::domain::SecretReference;
use crate::secret::Reservation;

/// Secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// The directory with one file per secret.
    pub directory: Option<PathBuf>,
    /// What no design is given.
    pub reservation: Reservation,
}

impl Secrets {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        Self {
            directory: reader.path(
                "secrets.directory",
                "none",
                "Directory with one file per secret: `secret://NAME` is read from its file NAME, else from the environment variable DRYDOCK_SECRET_NAME.",
            ),
            reservation: Reservation {
                design_prefix: reader.text("secrets.design_prefix", "none", DESIGN_PREFIX, prefix),
                ..Reservation::default()
            },
        }
    }
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let reference = format!("secret://{text}").parse::<SecretReference>();
    reference.map_err(|_| "must be how the name of a secret may begin")?;
    Ok(text.to_owned())
}

/// An out-of-band type that there is a driver for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OobType {
    /// BMCs that speak Redfish.
    Redfish,
    /// BMCs that speak IPMI.
    Ipmi,
    /// An operator.
    Manual,
    /// Whatever the plug-in of that name does.
    Remote(Arc<str>),
}

impl OobType {
    const TOKENS: [(&str, Self); 3] = [
        ("redfish", Self::Redfish),
        ("ipmi", Self::Ipmi),
        ("manual", Self::Manual),
    ];

    /// As nodes say it.
    #[must_use]
    pub fn token(&self) -> &str {
        match self {
            Self::Redfish => "redfish",
            Self::Ipmi => "ipmi",
            Self::Manual => "manual",
            Self::Remote(name) => name,
        }
    }

    /// What there is beside ours.
    fn tokens(plugins: &BTreeMap<String, Plugin>) -> Vec<(&str, Self)> {
        let plugins = plugins.keys();
        let remote = plugins.map(|name| (name.as_str(), Self::Remote(name.as_str().into())));
        Self::TOKENS.into_iter().chain(remote).collect()
    }
}

/// What does the steps that are not out-of-band.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeDriver {
    /// Nothing real.
    Simulated,
    /// An Ironic.
    Ironic,
    /// The plug-in of that name.
    Remote(Arc<str>),
}

impl NodeDriver {
    fn parse(text: &str, plugins: &BTreeMap<String, Plugin>) -> Result<Self, String> {
        match text {
            "simulated" => Ok(Self::Simulated),
            "ironic" => Ok(Self::Ironic),
            name if plugins.contains_key(name) => Ok(Self::Remote(name.into())),
            _ => {
                let remote = plugins.keys().map(String::as_str);
                let names = ["simulated", "ironic"].into_iter().chain(remote);
                let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
                Err(format!("must be {}", names.join(" or ")))
            }
        }
    }
}

/// The Redfish driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redfish {
    /// A PEM file of the authorities whose certificates are accepted; none: the system's.
    pub ca: Option<PathBuf>,
    /// How long a node may take to shut down by itself before its power is cut; zero: not asked.
    pub graceful_shutdown: Duration,
    /// Most BMCs that are talked to at a time.
    pub max_concurrent: u32,
}

/// Which drivers there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drivers {
    /// The out-of-band types that are served; empty: out-of-band steps are simulated.
    pub oob: Vec<OobType>,
    /// What does all other steps.
    pub node: NodeDriver,
    /// The Redfish driver.
    pub redfish: Redfish,
    /// The IPMI driver.
    pub ipmi: Ipmi,
    /// The driver that deploys through Ironic.
    pub ironic: Ironic,
    /// Plug-ins, by their names.
    pub remote: BTreeMap<String, Plugin>,
}

impl Drivers {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let remote = read_plugins(reader);
        let oob = reader.tokens("drivers.oob", &OobType::tokens(&remote), OOB);
        let node = reader.text("drivers.node", "simulated", NODE, |text| {
            NodeDriver::parse(text, &remote)
        });
        let node = node.unwrap_or(NodeDriver::Simulated);
        Self {
            oob: oob.unwrap_or_default(),
            redfish: Redfish {
                ca: reader.path("drivers.redfish.ca", "the system's", REDFISH_CA),
                graceful_shutdown: reader.duration(
                    "drivers.redfish.graceful_shutdown",
                    Duration::ZERO,
                    Duration::ZERO,
                    "How long a node may take to shut down by itself before its power is cut; 0s cuts it at once.",
                ),
                max_concurrent: reader.count(
                    "drivers.redfish.max_concurrent",
                    64,
                    1..=MAX_COUNT,
                    "Most BMCs that one replica talks to at a time over Redfish; with each of them it has one exchange at a time.",
                ),
            },
            ipmi: Ipmi::read(reader),
            ironic: Ironic::read(reader, node == NodeDriver::Ironic),
            node,
            remote,
        }
    }

    /// Finds the programs that the drivers of any of `sites` need, by name in the directories of
    /// `search`, which has the form of `PATH`.
    pub(in crate::config) fn find_programs(
        &mut self,
        reader: &mut Reader,
        sites: &BTreeMap<String, Site>,
        search: Option<&OsString>,
    ) {
        let elsewhere = sites.values().filter_map(|site| site.oob.as_ref());
        let mut served = elsewhere.chain([&self.oob]);
        if served.any(|types| types.contains(&OobType::Ipmi)) {
            self.ipmi.find(reader, search);
        }
    }
}

/// What is different at one site; what is not set is as everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Instead of `drivers.oob`.
    pub oob: Option<Vec<OobType>>,
    /// Instead of `drivers.node`.
    pub node: Option<NodeDriver>,
    /// Instead of `drivers.redfish.ca`.
    pub redfish_ca: Option<PathBuf>,
    /// What goes for BMCs that speak IPMI.
    pub ipmi: SiteIpmi,
}

/// What may follow the name of a site in a key. A name may hold dots itself.
const SITE_KEYS: [&str; 3] = [".oob", ".redfish.ca", ".node"];

/// Reads the sites that are named anywhere.
pub(in crate::config) fn read_sites(
    reader: &mut Reader,
    drivers: &Drivers,
) -> BTreeMap<String, Site> {
    let suffixes: Vec<&str> = SITE_KEYS.into_iter().chain(SiteIpmi::KEYS).collect();
    let names = reader.names_between("sites.", &suffixes);
    if names.is_empty() {
        // The keys are listed although there is no site.
        Site::read(reader, "NAME", drivers);
    }
    names
        .into_iter()
        .map(|name| {
            let site = Site::read(reader, &name, drivers);
            (name, site)
        })
        .collect()
}

impl Site {
    fn read(reader: &mut Reader, name: &str, drivers: &Drivers) -> Self {
        let key = |suffix: &str| format!("sites.{name}{suffix}");
        let node = reader.text(
            &key(SITE_KEYS[2]),
            "drivers.node",
            "Instead of `drivers.node`, at the site of that name.",
            |text| NodeDriver::parse(text, &drivers.remote),
        );
        reader.check(
            &key(SITE_KEYS[2]),
            &["drivers.ironic.endpoint"],
            node != Some(NodeDriver::Ironic) || drivers.ironic.endpoint.is_some(),
            "needs drivers.ironic.endpoint".to_owned(),
        );
        Self {
            node,
            oob: reader.tokens(
                &key(SITE_KEYS[0]),
                &OobType::tokens(&drivers.remote),
                "Instead of `drivers.oob`, at the site of that name.",
            ),
            redfish_ca: reader.path(
                &key(SITE_KEYS[1]),
                "drivers.redfish.ca",
                "Instead of `drivers.redfish.ca`, at the site of that name.",
            ),
            ipmi: SiteIpmi::read(reader, name),
        }
    }
}

const OOB: &str = "The out-of-band types of nodes that are acted on for real, `redfish`, `ipmi`, `manual` or the name of a plug-in; without any, out-of-band steps are simulated.";
const NODE: &str = "What does the steps that are not out-of-band: `ironic`, the name of a plug-in, or `simulated`.";
const DESIGN_PREFIX: &str = "How the names of those secrets begin that designs may use; without it, designs may use all that the configuration does not name itself.";
const REDFISH_CA: &str =
    "PEM file of the authorities that sign the certificates of BMCs; only these are accepted then.";
