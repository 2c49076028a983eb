//! The driver: which call of which step becomes which call of the plug-in.

use async_trait::async_trait;

use super::super::recent::Recent;
use super::super::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall};
use super::dial::SetupError;
use super::exchange::{Exchange, Times};
use super::fault::Fault;
use super::followed::{Followed, Stage};
use super::link::Link;
use super::options::Options;
use super::request;
use super::wire::v1::inspect_response::State;
use crate::domain::{Policy, StepKind};
use crate::secret::SecretSource;

/// The driver of what a plug-in does.
#[derive(Debug)]
pub struct Remote {
    pub(super) options: Options,
    pub(super) link: Link,
    pub(super) secrets: SecretSource,
    pub(super) followed: Recent<Followed>,
}

impl Remote {
    /// A driver for the plug-in of `options`. Nothing is sent yet, and the plug-in need not be there.
    ///
    /// # Errors
    ///
    /// Certificates or keys cannot be used.
    pub fn new(options: Options, secrets: SecretSource) -> Result<Self, SetupError> {
        let link = Link::new(
            &options.name,
            options.address.clone(),
            options.token.clone(),
            secrets.clone(),
        )?;
        Ok(Self {
            options,
            link,
            secrets,
            followed: Recent::default(),
        })
    }

    /// What this process knows of the step in this epoch.
    pub(super) fn known(&self, call: &StepCall) -> Option<Followed> {
        let known = self.followed.get(call.task_id);
        known.filter(|known| known.epoch == call.epoch)
    }

    /// Takes note that the step is to stop.
    fn note_cancelled(&self, call: &StepCall) {
        if let Some(known) = self.known(call) {
            let cancelled = Followed {
                cancelled: true,
                ..known
            };
            self.followed.put(call.task_id, cancelled);
        }
    }

    /// Whether it was asked to stop, maybe while another call was in flight.
    pub(super) fn is_cancelled(&self, call: &StepCall) -> bool {
        self.known(call).is_some_and(|known| known.cancelled)
    }

    pub(super) fn is_repeatable(&self, call: &StepCall) -> bool {
        match self.policy(call) {
            Policy::Observe | Policy::Converge => true,
            Policy::Guarded | Policy::Once => false,
        }
    }

    /// Opens an exchange about a step that may have begun.
    async fn exchange(&self, call: &StepCall) -> Result<Exchange<'_>, DriverError> {
        let times = Times::of(self.options.call_timeout);
        let secrets = request::secrets(call, &self.options, &self.secrets).await?;
        Exchange::open(&self.link, times, secrets).await
    }
}

#[async_trait]
impl Driver for Remote {
    /// What the configuration relies on; the plug-in is held to it before a step begins. So it is known
    /// when a step is recovered, whether the plug-in is there or not.
    fn policy(&self, call: &StepCall) -> Policy {
        self.options.policy(call.step, call.policy)
    }

    /// What the plug-in said last. One that was never reached has begun nothing for us, and what it does
    /// for a predecessor is waited for.
    fn interruptible(&self, step: StepKind) -> bool {
        let description = self.link.description();
        description.is_some_and(|description| description.is_interruptible(step))
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        let known = self.known(call);
        match known.filter(|known| known.attempt == call.attempt) {
            // Who begins a step of a site again is asking after it.
            Some(known) if call.node_name.is_none() && known.stage.goes_on() => {
                self.poll(call).await
            }
            Some(_) | None => self.begin(call).await.map_err(Fault::error),
        }
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        let over = |kind, message: String| Err(DriverError::permanent(kind, message));
        let Some(known) = self.known(call) else {
            let found = async { self.found(&mut self.exchange(call).await?, call).await };
            return found.await.map_err(Fault::while_polling);
        };
        let answer = match known.stage {
            Stage::Unsent => {
                let name = &self.options.name;
                return over(
                    ErrorKind::NotStarted,
                    format!("plug-in {name} was never reached"),
                );
            }
            Stage::Again if known.cancelled => {
                return over(ErrorKind::Cancelled, "it was not begun anew".to_owned());
            }
            Stage::Again => self.begin(call).await,
            Stage::Done(report) => Ok(Progress::Done(report)),
            Stage::Found | Stage::Sent | Stage::Begun => {
                async {
                    self.follow(&mut self.exchange(call).await?, call, known)
                        .await
                }
                .await
            }
        };
        answer.map_err(Fault::while_polling)
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        let mut exchange = self.exchange(call).await?;
        match self.inspect(&mut exchange, call).await? {
            Some(State::NotBegun(_) | State::Interrupted(_)) => Ok(Mark::Absent),
            Some(State::Running(_) | State::Ended(_)) => {
                // From here on it is ours: what stops half-way is gone on with.
                if let Some(known) = self.known(call) {
                    let adopted = Followed {
                        stage: Stage::Begun,
                        ..known
                    };
                    self.followed.put(call.task_id, adopted);
                }
                Ok(Mark::Present)
            }
            Some(State::Unknown(unknown)) => Err(self.cannot_tell(&unknown, &exchange.secrets())),
            Some(State::Fenced(fenced)) => Err(self.link.callee().fenced(call.epoch, fenced.epoch)),
            None => Err(self.link.callee().nonsense("a state that is none we know")),
        }
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        // Before anything is sent: what stops half-way meanwhile is not gone on with.
        self.note_cancelled(call);
        let mut exchange = self.exchange(call).await?;
        if self.known(call).is_none() {
            self.inspect(&mut exchange, call).await?;
            self.note_cancelled(call);
        }
        let answer = exchange.cancel(request::attempt(call)).await?;
        match answer.fenced {
            Some(fenced) => Err(self.link.callee().fenced(call.epoch, fenced.epoch)),
            None => Ok(()),
        }
    }
}
