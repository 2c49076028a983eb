//! The driver of BMCs that speak Redfish.

mod bmc;
mod boot;
mod machine;
mod power;
mod refusal;
mod service;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::bmc::Bmc;
use self::service::{Known, Resource, Service};
use super::bmc::{Bmcs, Change, Limits, Power, Protocol, Session};
use super::http::{Client, TrustError};
use super::turns::Turns;
use super::{Driver, DriverError, Progress};
use crate::domain::inventory::Node;
use crate::secret::{Secret, SecretSource};

/// The out-of-band type of nodes that this driver serves.
pub const OOB_TYPE: &str = "redfish";

/// How the driver is set up.
#[derive(Clone, Debug)]
pub struct RedfishOptions {
    /// A PEM file of the authorities whose certificates are accepted; none: the system's.
    pub authorities: Option<PathBuf>,
    /// How long a node may take to shut down by itself before its power is cut; zero: not asked.
    pub graceful_shutdown: Duration,
    /// How long one call may take.
    pub call_timeout: Duration,
}

/// Sets the driver up. `turns` are those of all sites together.
///
/// # Errors
///
/// The authorities cannot be read.
pub fn driver(
    options: &RedfishOptions,
    secrets: SecretSource,
    turns: Arc<Turns>,
) -> Result<Arc<dyn Driver>, TrustError> {
    let redfish = Redfish {
        client: Client::new(options.authorities.as_deref())?,
        known: Known::default(),
    };
    let limits = Limits {
        graceful_shutdown: options.graceful_shutdown,
        call_timeout: options.call_timeout,
    };
    Ok(Arc::new(Bmcs::new(redfish, limits, secrets, turns)))
}

/// The protocol, and what was learned of the services that speak it.
#[derive(Debug)]
struct Redfish {
    client: Client,
    known: Known,
}

/// A service, and its system as it was read last.
struct Conversation<'a> {
    service: Service<'a>,
    system: Option<Resource>,
}

#[async_trait]
impl Protocol for Redfish {
    const OOB_TYPE: &'static str = OOB_TYPE;

    /// Whoever is killed has sent a request or has not.
    const OUTLIVES: Duration = Duration::ZERO;

    type Bmc = Bmc;

    fn bmc(&self, node: &Node) -> Result<Bmc, DriverError> {
        Bmc::of(node)
    }

    async fn open<'a>(
        &'a self,
        bmc: &'a Bmc,
        password: &'a Secret,
        deadline: Instant,
    ) -> Result<Box<dyn Session + 'a>, DriverError> {
        let service = Service::open(&self.client, &self.known, bmc, password, deadline).await?;
        Ok(Box::new(Conversation {
            service,
            system: None,
        }))
    }
}

#[async_trait]
impl Session for Conversation<'_> {
    async fn greet(&mut self) -> Result<(), DriverError> {
        self.service.system().await.map(drop)
    }

    async fn interrogate(&mut self) -> Result<Progress, DriverError> {
        machine::read(&mut self.service).await
    }

    async fn set_network_boot(&mut self) -> Result<Progress, DriverError> {
        boot::set_network(&mut self.service).await
    }

    async fn power(&mut self) -> Result<Power, DriverError> {
        let system = self.service.system().await?;
        let power = power::of(&system);
        self.system = Some(system);
        Ok(power)
    }

    async fn switch(&mut self, change: Change) -> Result<(), DriverError> {
        // What it offers was read with its power a moment ago.
        let system = match self.system.take() {
            Some(system) => system,
            None => self.service.system().await?,
        };
        power::switch(&mut self.service, &system, change).await
    }
}
