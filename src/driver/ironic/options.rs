//! What can be set about the driver.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use crate::secret::SecretReference;

/// The options of the driver.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the API is, without its version: `https://ironic.example:6385`.
    pub endpoint: Url,
    /// Who we are to it.
    pub authentication: Authentication,
    /// Certificates of the authorities that may vouch for it, as a PEM file; none: the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether nodes that Ironic does not know are made known to it; none: they are not.
    pub enrolment: Option<Enrolment>,
    /// Whether `configure_hardware` has the hardware inspected.
    pub inspect: bool,
    /// Whether deployments get a config drive.
    pub config_drive: bool,
    /// Where images are.
    pub images: Images,
    /// Most calls that are in flight at once.
    pub max_concurrent_calls: usize,
    /// The longest that the executor waits for one call of the driver.
    pub call_timeout: Duration,
}

/// How we prove who we are.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Not at all: `auth_strategy = noauth`.
    None,
    /// A user and a password: `auth_strategy = http_basic`.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: SecretReference,
    },
    /// A token of Keystone, made elsewhere: `auth_strategy = keystone`.
    Token(SecretReference),
    /// A token of Keystone that is made for it.
    Keystone(Login),
}

/// How a token of Keystone is made.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where the API is, with its version: `https://keystone.example:5000/v3`.
    pub endpoint: Url,
    /// The user.
    pub username: String,
    /// The name of the user's domain.
    pub user_domain: String,
    /// The password.
    pub password: SecretReference,
    /// What the token is for.
    pub scope: Scope,
}

/// What a token of Keystone is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole system.
    System,
    /// A project, by its name and that of its domain.
    Project {
        /// The project's.
        name: String,
        /// The domain's.
        domain: String,
    },
}

/// How nodes are made known to Ironic.
#[derive(Clone, Debug, Default)]
pub struct Enrolment {
    /// The hardware type; none: the one that goes with the node's out-of-band type.
    pub hardware_type: Option<String>,
    /// The certificates that Ironic's conductors trust BMCs by: a path on their machines.
    pub verify_ca: Option<String>,
}

/// Where images are, with `{image}` standing for what the design's platform names.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// Goes into `image_source`.
    pub source: Option<String>,
    /// Goes into `image_checksum`.
    pub checksum: Option<String>,
    /// Goes into `boot_iso`, for the `ramdisk` deploy interface.
    pub boot_iso: Option<String>,
}
