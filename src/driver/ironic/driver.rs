//! The driver: which call of which step goes where.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::super::http::ClientError;
use super::super::{Driver, DriverError, ErrorKind, Mark as Found, Progress, StepCall};
use super::client::{Client, Session};
use super::error::ApiError;
use super::mark::{self, Effect};
use super::node::Node;
use super::options::Options;
use super::wanted::Wanted;
use super::work::{Provision, Section, SiteWork, Work};
use super::{deployment, hardware, identity, release, services, settings};
use crate::domain::{Policy, StepKind};
use crate::secret::{Secret, SecretSource};

/// How soon a locked node is looked at again.
const UNLOCK_PAUSE: Duration = Duration::from_millis(300);

/// The driver of nodes that OpenStack Ironic deploys.
///
/// It keeps nothing: what a poll needs is on the node, so any replica goes on where another stopped.
#[derive(Debug)]
pub struct Ironic {
    client: Client,
    options: Options,
}

impl Ironic {
    /// A driver for the Ironic of `options`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Its certificates cannot be used.
    pub fn new(options: Options, secrets: SecretSource) -> Result<Self, ClientError> {
        Ok(Self {
            client: Client::new(&options, secrets)?,
            options,
        })
    }

    async fn site(&self, session: Session<'_>, work: SiteWork) -> Result<Progress, DriverError> {
        match work {
            SiteWork::Services => {
                let enrolment = self.options.enrolment.as_ref();
                services::validate(session, &self.client.place(), enrolment).await
            }
            SiteWork::Networks => Ok(services::networks()),
            SiteWork::UserCredentials => Ok(services::user_credentials(self.options.config_drive)),
            SiteWork::Provisioner => Ok(services::provisioner()),
        }
    }

    async fn apply(
        &self,
        session: Session<'_>,
        wanted: &Wanted<'_>,
        section: Section,
    ) -> Result<Progress, DriverError> {
        let node = known(session, wanted).await??;
        if let Some(answer) = settings::left_alone(&node) {
            return answer;
        }
        let settings = match section {
            Section::Networking => {
                let ports = session.ports(&node).await?;
                session.ensure_boot_port(wanted, &node, &ports).await?;
                settings::networking(wanted, &ports, session.version().await?)
            }
            Section::Storage => settings::storage(wanted),
            Section::Platform => settings::platform(wanted, &self.options.images),
        };
        settings::apply(session, node, settings).await
    }

    /// What Ironic may say of the node's management controller that is not to be told: its password. One
    /// that cannot be had is none that could be recognised; whoever needs it says so.
    async fn secrets_of(&self, call: &StepCall) -> Vec<Secret> {
        let node = call.node();
        let Some((node, reference)) =
            node.and_then(|node| Some((node, node.oob.credential.as_ref()?)))
        else {
            return Vec::new();
        };
        let secrets = self.client.secrets();
        let secret = secrets.read_for_design(reference, &node.name).await;
        secret.into_iter().collect()
    }

    async fn begin(&self, session: Session<'_>, call: &StepCall) -> Result<Progress, DriverError> {
        let options = &self.options;
        match Work::of(call.step)? {
            Work::Site(work) => self.site(session, work).await,
            Work::Identify => {
                let enrolment = options.enrolment.as_ref();
                let secrets = self.client.secrets();
                let wanted = Wanted::of(call)?;
                let answer = identity::start(session, call, &wanted, enrolment, secrets).await;
                identity::unless_unanswered(call, answer)
            }
            Work::Apply(section) => self.apply(session, &Wanted::of(call)?, section).await,
            Work::Provision(work) => {
                let wanted = Wanted::of(call)?;
                let node = known(session, &wanted).await??;
                match work {
                    Provision::Prepare => {
                        hardware::start(session, call, node, options.inspect).await
                    }
                    Provision::Deploy => {
                        let config_drive = settings::config_drive(session, &wanted, &node, options);
                        deployment::start(session, call, node.clone(), config_drive.await?).await
                    }
                    Provision::Release => release::start(session, call, node).await,
                }
            }
        }
    }

    async fn follow(&self, session: Session<'_>, call: &StepCall) -> Result<Progress, DriverError> {
        let Work::Provision(work) = Work::of(call.step)? else {
            let over = format!("{} is over with its call", call.step);
            return Err(DriverError::permanent(ErrorKind::Cancelled, over));
        };
        let node = known(session, &Wanted::of(call)?).await;
        let node = node.map_err(ApiError::while_polling)??;
        match work {
            Provision::Prepare => hardware::poll(session, call, node, self.options.inspect).await,
            Provision::Deploy => deployment::poll(session, call, node).await,
            Provision::Release => release::poll(session, call, node).await,
        }
    }

    async fn look(&self, session: Session<'_>, call: &StepCall) -> Result<Found, DriverError> {
        let Work::Provision(_) = Work::of(call.step)? else {
            return Ok(Found::Absent);
        };
        let wanted = Wanted::of(call)?;
        let mut node = known(session, &wanted).await??;
        // A request whose answer was lost may be on its way: what came of it shows when the node is
        // let go.
        while is_undecided(call, &node)? && session.has_time_for(UNLOCK_PAUSE) {
            sleep(UNLOCK_PAUSE).await;
            node = known(session, &wanted).await??;
        }
        let found = mark::found(call, &node);
        tracing::info!(task_id = %call.task_id, node = %node.uuid, ?found, "mark looked for");
        found
    }
}

#[async_trait]
impl Driver for Ironic {
    fn policy(&self, call: &StepCall) -> Policy {
        call.policy
    }

    /// What Ironic has begun goes on whatever becomes of our task, and to abort a deployment is to
    /// destroy it: that is waited for. Everything else is over with its call.
    fn interruptible(&self, step: StepKind) -> bool {
        !matches!(Work::of(step), Ok(Work::Provision(_)))
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        let secrets = self.secrets_of(call).await;
        let session = self.client.session(&secrets);
        session.without_secrets(self.begin(session, call).await)
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        let secrets = self.secrets_of(call).await;
        let session = self.client.session(&secrets);
        session.without_secrets(self.follow(session, call).await)
    }

    async fn find(&self, call: &StepCall) -> Result<Found, DriverError> {
        let secrets = self.secrets_of(call).await;
        let session = self.client.session(&secrets);
        let found = self.look(session, call).await;
        found.map_err(|error| session.without(error))
    }

    async fn cancel(&self, _call: &StepCall) -> Result<(), DriverError> {
        Ok(())
    }
}

fn is_undecided(call: &StepCall, node: &Node) -> Result<bool, DriverError> {
    let mark = node.mark()?.filter(|mark| mark.is_of(call));
    Ok(mark.is_some_and(|mark| mark.effect(node) == Effect::Undecided))
}

/// The node as Ironic knows it. The outer error is that of asking, the inner one that there is none.
async fn known(
    session: Session<'_>,
    wanted: &Wanted<'_>,
) -> Result<Result<Node, DriverError>, ApiError> {
    let node = session.known(wanted).await?;
    Ok(node.ok_or_else(|| {
        DriverError::permanent(
            ErrorKind::Failed,
            format!("Ironic knows no node {}", wanted.name),
        )
    }))
}
