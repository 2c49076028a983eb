//! The driver of BMCs that speak IPMI 2.0 over the network, by means of `ipmitool`.
//!
//! A process for each command: it speaks the protocol with all its vendors' ways, and whatever a BMC
//! may do to it, it does not do to us. Its exit code says little and its texts much, so what it
//! printed is what counts: a command is done when it says that it is.

mod answers;
mod bmc;
mod boot;
mod machine;
mod power;
mod refusal;
mod tool;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::bmc::Bmc;
use self::tool::Tool;
use super::bmc::{Bmcs, Change, Limits, Power, Protocol, Session};
use super::turns::Turns;
use super::{Driver, DriverError, Progress};
use crate::domain::inventory::Node;
use crate::domain::site::hardware::BootMode;
use crate::secret::{Secret, SecretSource};

pub use self::tool::{CipherSuite, Privilege};

/// The out-of-band type of nodes that this driver serves.
pub const OOB_TYPE: &str = "ipmi";

/// How the driver is set up.
#[derive(Clone, Debug)]
pub struct IpmiOptions {
    /// The path of `ipmitool`.
    pub program: PathBuf,
    /// How what is said is protected.
    pub cipher_suite: CipherSuite,
    /// The privilege level that is asked for.
    pub privilege: Privilege,
    /// How nodes boot of which the design does not say it.
    pub boot_mode: BootMode,
    /// How long a node may take to shut down by itself before its power is cut; zero: not asked.
    pub graceful_shutdown: Duration,
    /// How long one call may take.
    pub call_timeout: Duration,
}

/// Sets the driver up. `turns` are those of all sites together.
pub fn driver(options: IpmiOptions, secrets: SecretSource, turns: Arc<Turns>) -> Arc<dyn Driver> {
    let limits = Limits {
        graceful_shutdown: options.graceful_shutdown,
        call_timeout: options.call_timeout,
    };
    let ipmi = Ipmi {
        boot_mode: options.boot_mode,
        tool: Tool {
            program: options.program,
            cipher_suite: options.cipher_suite,
            privilege: options.privilege,
        },
    };
    Arc::new(Bmcs::new(ipmi, limits, secrets, turns))
}

/// The protocol.
#[derive(Debug)]
struct Ipmi {
    boot_mode: BootMode,
    tool: Tool,
}

/// A BMC, for the time of one driver call.
struct Conversation<'a> {
    tool: &'a Tool,
    bmc: &'a Bmc,
    password: &'a Secret,
    deadline: Instant,
}

#[async_trait]
impl Protocol for Ipmi {
    const OOB_TYPE: &'static str = OOB_TYPE;

    /// An `ipmitool` whose parent was killed ends with the next line that it cannot print, and it
    /// prints one before it sends a command. Until then it goes on, and sends again what was lost:
    /// for three seconds in an exchange, of which it takes a few to log in.
    const OUTLIVES: Duration = Duration::from_secs(10);

    type Bmc = Bmc;

    fn bmc(&self, node: &Node) -> Result<Bmc, DriverError> {
        Bmc::of(node, self.boot_mode)
    }

    async fn open<'a>(
        &'a self,
        bmc: &'a Bmc,
        password: &'a Secret,
        deadline: Instant,
    ) -> Result<Box<dyn Session + 'a>, DriverError> {
        bmc::usable(password, &bmc.credential)?;
        Ok(Box::new(Conversation {
            tool: &self.tool,
            bmc,
            password,
            deadline,
        }))
    }
}

#[async_trait]
impl Session for Conversation<'_> {
    async fn greet(&mut self) -> Result<(), DriverError> {
        power::read(self).await.map(drop)
    }

    async fn interrogate(&mut self) -> Result<Progress, DriverError> {
        machine::read(self).await
    }

    async fn set_network_boot(&mut self) -> Result<Progress, DriverError> {
        boot::set_network(self).await
    }

    async fn power(&mut self) -> Result<Power, DriverError> {
        power::read(self).await
    }

    async fn switch(&mut self, change: Change) -> Result<(), DriverError> {
        power::switch(self, change).await
    }
}

impl Conversation<'_> {
    /// Asks for something, and returns what was printed.
    async fn ask(&self, command: &[&str]) -> Result<String, DriverError> {
        let answer = self.run(command).await?;
        if answer.succeeded {
            Ok(answer.stdout)
        } else {
            Err(self.refused(&answer))
        }
    }

    /// Tells it to do something, which was done when `receipt` is a line of what was printed: some
    /// commands that were refused end as if they had not been.
    async fn tell(&self, command: &[&str], receipt: &str) -> Result<(), DriverError> {
        let answer = self.run(command).await?;
        if answer.succeeded && answer.stdout.lines().any(|line| line.trim() == receipt) {
            Ok(())
        } else {
            Err(self.refused(&answer))
        }
    }

    async fn run(&self, command: &[&str]) -> Result<tool::Answer, DriverError> {
        self.tool
            .run(self.bmc, self.password, command, self.deadline)
            .await
    }

    fn refused(&self, answer: &tool::Answer) -> DriverError {
        refusal::of(answer, self.bmc, self.tool, self.password)
    }

    /// The error of an answer that does not say what it should.
    fn nonsense(&self, command: &[&str]) -> DriverError {
        refusal::nonsense(self.bmc, command)
    }
}
