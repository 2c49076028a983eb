//! The sections: what each key means, its default, its range, and what it must agree with.

mod access;

mod service;

mod web;

mod work;

mod devices;

mod ipmi;

mod ironic;

mod remote;

use std::time::Duration;

pub use access::{Auth, Tls};
pub(super) use devices::read_sites;
pub use devices::{Drivers, NodeDriver, OobType, Redfish, Secrets, Site};
pub use ipmi::{Ipmi, SiteIpmi};
pub use ironic::{Ironic, IronicAuth, IronicKeystone};
pub use remote::{Plugin, PluginAddress};
pub use service::{Database, Design, Gate, Http2, Log, LogFormat, Migrate, Server};
pub use web::Web;
pub use work::{Executor, Retention, Simulated, StepTimeouts, Tasks, Watch};

const SECOND: Duration = Duration::from_secs(1);

/// Shortest of the durations that must not be zero.
const TICK: Duration = Duration::from_millis(1);

/// Most of anything that is counted and held in memory or in a queue: beyond it a setting is a slip.
const MAX_COUNT: u32 = 10_000_000;
