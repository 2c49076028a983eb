//! The driver: which call of which step becomes which call of the plug-in.

use std::time::Duration;

use async_trait::async_trait;

use super::super::recent::Recent;
use super::super::{Driver, DriverError, ErrorKind, Mark, Progress, StepCall};
use super::exchange::{Exchange, Read, Stream, Times};
use super::followed::{Followed, Stage};
use super::link::{Link, SetupError};
use super::options::Options;
use super::wire::v1;
use super::wire::v1::execute_request::Intent;
use super::wire::v1::execute_response::Update;
use super::wire::v1::inspect_response::State;
use super::{request, told};
use crate::domain::{Policy, StepKind};
use crate::secret::{Secret, SecretSource};

/// How often the work of a step that can be repeated may fail with errors that may pass: as often as a
/// step is started.
const MAX_FAILURES: u32 = 4;

/// How soon a step is asked after that goes on and has no stream.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The driver of what a plug-in does.
#[derive(Debug)]
pub struct Remote {
    options: Options,
    link: Link,
    secrets: SecretSource,
    followed: Recent<Followed>,
}

/// Why there is no progress.
enum Fault {
    /// A call failed, which says nothing about the work.
    Call(DriverError),
    /// The work failed, and the next poll begins it anew.
    Passing(DriverError),
    /// The work failed, or does not go on.
    Work(DriverError),
}

impl From<DriverError> for Fault {
    fn from(error: DriverError) -> Self {
        Self::Call(error)
    }
}

impl Fault {
    fn error(self) -> DriverError {
        match self {
            Self::Call(error) | Self::Passing(error) | Self::Work(error) => error,
        }
    }

    /// For a poll an error that may pass says nothing about the work, and any other that it has failed:
    /// work that goes on has not failed because it cannot be asked after.
    fn while_polling(self) -> DriverError {
        match self {
            Self::Passing(error) => error,
            Self::Work(error) => DriverError {
                transient: false,
                ..error
            },
            Self::Call(error) => {
                let heals = match error.kind {
                    ErrorKind::Unreachable
                    | ErrorKind::Timeout
                    | ErrorKind::Unauthorised
                    | ErrorKind::Busy
                    | ErrorKind::Internal => true,
                    ErrorKind::Refused
                    | ErrorKind::Unsupported
                    | ErrorKind::Protocol
                    | ErrorKind::Cancelled
                    | ErrorKind::NotStarted
                    | ErrorKind::Failed => error.transient,
                };
                DriverError {
                    transient: heals,
                    ..error
                }
            }
        }
    }
}

/// How a stream was left.
enum Left {
    /// With something for the executor.
    Told(Progress),
    /// It ended without an outcome.
    Ended,
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
    fn known(&self, call: &StepCall) -> Option<Followed> {
        let known = self.followed.get(call.task_id);
        known.filter(|known| known.epoch == call.epoch)
    }

    fn is_repeatable(&self, call: &StepCall) -> bool {
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

    /// Asks what became of the step, and remembers how far it was told.
    async fn inspect(
        &self,
        exchange: &mut Exchange<'_>,
        call: &StepCall,
    ) -> Result<Option<State>, DriverError> {
        let answer = exchange.inspect(request::attempt(call)).await?;
        let known = self.known(call);
        if let Some(State::Fenced(fenced)) = &answer.state {
            return Err(self.link.callee().fenced(call.epoch, fenced.epoch));
        }
        if known.is_none_or(|known| known.stage == Stage::Unsent) {
            let found = Followed {
                epoch: call.epoch,
                attempt: call.attempt,
                stage: Stage::Found,
                after: answer.last_update,
                ..Followed::default()
            };
            self.followed.put(call.task_id, found);
        }
        tracing::info!(
            task_id = %call.task_id,
            plugin = self.options.name,
            epoch = call.epoch,
            state = state_name(answer.state.as_ref()),
            "attempt inspected"
        );
        Ok(answer.state)
    }

    /// Begins the step, or goes on with it, and follows it for a while.
    async fn begin(&self, call: &StepCall) -> Result<Progress, Fault> {
        let times = Times::of(self.options.call_timeout);
        let relied = self.policy(call);
        let prepared = async {
            let beginning = request::begin(call, &self.options, &self.secrets, relied).await?;
            let exchange = Exchange::open(&self.link, times, beginning.secrets).await?;
            let name = &self.options.name;
            let description = &exchange.session.description;
            description.allows(name, call.step, relied)?;
            Ok((beginning.begin, exchange))
        };
        let prepared: Result<_, DriverError> = prepared.await;
        let (begin, mut exchange) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                if self.known(call).is_none() {
                    let unsent = Followed {
                        epoch: call.epoch,
                        attempt: call.attempt,
                        ..Followed::default()
                    };
                    self.followed.put(call.task_id, unsent);
                }
                return Err(error.into());
            }
        };
        let known = self.known(call);
        // A successor's first call, for steps that are begun without their mark being looked for.
        if call.epoch > 1
            && known
                .as_ref()
                .is_none_or(|known| known.stage == Stage::Unsent)
        {
            self.inspect(&mut exchange, call).await?;
        }
        let known = self.known(call);
        let mut followed = Followed {
            epoch: call.epoch,
            attempt: call.attempt,
            stage: Stage::Sent,
            ..known.unwrap_or_default()
        };
        // Before it is sent, as this may be dropped at any moment from then on.
        self.followed.put(call.task_id, followed.clone());
        let request = self.request(call, Intent::Begin(begin));
        // What begins has to say so: a plug-in that says nothing at all is not waited for.
        let Some(mut stream) = exchange.execute(request, times.end).await? else {
            return Err(exchange.late().into());
        };
        followed.after = 0;
        match exchange.read(&mut stream, times.end).await? {
            Read::Update(update) => {
                if let Some(progress) = self.update(call, &exchange, &mut followed, update)? {
                    return Ok(progress);
                }
            }
            Read::Ended => return Err(self.says_nothing().into()),
            Read::Nothing => return Err(exchange.late().into()),
        }
        match self
            .read(call, &exchange, &mut followed, &mut stream)
            .await?
        {
            Left::Told(progress) => Ok(progress),
            Left::Ended => Ok(running(LOOK_AGAIN, None)),
        }
    }

    /// Follows the step for a while, and finds out what became of it if nothing goes on.
    async fn follow(
        &self,
        exchange: &mut Exchange<'_>,
        call: &StepCall,
        mut followed: Followed,
    ) -> Result<Progress, Fault> {
        let follow = v1::Follow {
            after: followed.after,
        };
        let request = self.request(call, Intent::Follow(follow));
        let until = exchange.times.follow;
        let Some(mut stream) = exchange.execute(request, until).await? else {
            return Ok(running(Duration::ZERO, None));
        };
        match self
            .read(call, exchange, &mut followed, &mut stream)
            .await?
        {
            Left::Told(progress) => Ok(progress),
            Left::Ended => {
                let state = self.inspect(exchange, call).await?;
                self.what_became(call, exchange, &followed, state)
            }
        }
    }

    /// Finds out what became of a step of which this process knows nothing, and follows it if it goes on.
    async fn found(&self, exchange: &mut Exchange<'_>, call: &StepCall) -> Result<Progress, Fault> {
        let state = self.inspect(exchange, call).await?;
        let followed = self.known(call).unwrap_or_default();
        match state {
            Some(State::Running(_)) => self.follow(exchange, call, followed).await,
            state => self.what_became(call, exchange, &followed, state),
        }
    }

    /// What the state of a step that nobody follows means to who polls it.
    fn what_became(
        &self,
        call: &StepCall,
        exchange: &Exchange<'_>,
        followed: &Followed,
        state: Option<State>,
    ) -> Result<Progress, Fault> {
        let secrets = exchange.secrets();
        // It was we who began it, and nobody wants it to stop.
        let ours = match followed.stage {
            Stage::Sent | Stage::Begun | Stage::Again => !followed.cancelled,
            Stage::Unsent | Stage::Found | Stage::Done(_) => false,
        };
        let name = &self.options.name;
        match state {
            Some(State::Running(running_state)) => {
                let message = told::text(&running_state.message, &secrets);
                Ok(running(LOOK_AGAIN, message))
            }
            Some(State::Ended(outcome)) => {
                let outcome = told::outcome(name, outcome, true, &secrets);
                self.end(call, followed, outcome)
            }
            Some(State::NotBegun(_)) if ours && self.is_repeatable(call) => {
                self.again(call, followed);
                Ok(running(Duration::ZERO, None))
            }
            Some(State::NotBegun(_)) => Err(Fault::Work(DriverError::permanent(
                ErrorKind::NotStarted,
                format!("plug-in {name} knows nothing of this step"),
            ))),
            Some(State::Interrupted(_)) if ours && self.policy(call) != Policy::Once => {
                self.again(call, followed);
                Ok(running(Duration::ZERO, None))
            }
            Some(State::Interrupted(interrupted)) => {
                let how = told::text(&interrupted.message, &secrets);
                let how = how.map_or_else(String::new, |text| format!(": {text}"));
                let kind = if self.policy(call) == Policy::Once && !followed.cancelled {
                    ErrorKind::Failed
                } else {
                    ErrorKind::Cancelled
                };
                Err(Fault::Work(DriverError::permanent(
                    kind,
                    format!("it stopped half-way in plug-in {name}{how}"),
                )))
            }
            Some(State::Unknown(unknown)) => Err(self.cannot_tell(&unknown, &secrets).into()),
            Some(State::Fenced(fenced)) => {
                Err(self.link.callee().fenced(call.epoch, fenced.epoch).into())
            }
            None => Err(self
                .link
                .callee()
                .nonsense("a state that is none we know")
                .into()),
        }
    }

    /// The next poll begins the step anew, or goes on with it.
    fn again(&self, call: &StepCall, followed: &Followed) {
        let again = Followed {
            stage: Stage::Again,
            ..followed.clone()
        };
        self.followed.put(call.task_id, again);
    }

    /// Reads a stream until there is something to tell, or for a while.
    async fn read(
        &self,
        call: &StepCall,
        exchange: &Exchange<'_>,
        followed: &mut Followed,
        stream: &mut Stream,
    ) -> Result<Left, Fault> {
        loop {
            match exchange.read(stream, exchange.times.follow).await? {
                Read::Update(update) => {
                    if let Some(progress) = self.update(call, exchange, followed, update)? {
                        return Ok(Left::Told(progress));
                    }
                }
                Read::Ended => return Ok(Left::Ended),
                Read::Nothing => return Ok(Left::Told(running(Duration::ZERO, None))),
            }
        }
    }

    /// Takes note of an update; some: what it means to the executor.
    fn update(
        &self,
        call: &StepCall,
        exchange: &Exchange<'_>,
        followed: &mut Followed,
        said: v1::ExecuteResponse,
    ) -> Result<Option<Progress>, Fault> {
        followed.after = said.number;
        let secrets = exchange.secrets();
        let message = match said.update {
            Some(Update::Outcome(outcome)) => {
                let begun = followed.stage == Stage::Begun;
                let outcome = told::outcome(&self.options.name, outcome, begun, &secrets);
                return self.end(call, followed, outcome).map(Some);
            }
            Some(Update::Fenced(fenced)) => {
                return Err(self.link.callee().fenced(call.epoch, fenced.epoch).into());
            }
            Some(update @ (Update::Begun(_) | Update::Message(_) | Update::Progress(_))) => {
                followed.note(update, &secrets)
            }
            // It may be newer than we are.
            None => None,
        };
        self.followed.put(call.task_id, followed.clone());
        Ok(message.map(|text| running(Duration::ZERO, Some(text))))
    }

    /// The end of the work. A step that can be repeated is begun anew by the next poll after an error
    /// that may pass, up to a bound.
    fn end(
        &self,
        call: &StepCall,
        followed: &Followed,
        outcome: Result<Progress, DriverError>,
    ) -> Result<Progress, Fault> {
        let failures = followed.failures + 1;
        match outcome {
            Ok(Progress::Done(report)) if call.step == StepKind::ValidateOobServices => {
                // It is asked for again until the other drivers of the site are done as well.
                let done = Followed {
                    stage: Stage::Done(report.clone()),
                    ..followed.clone()
                };
                self.followed.put(call.task_id, done);
                Ok(Progress::Done(report))
            }
            Err(error)
                if error.transient
                    && self.is_repeatable(call)
                    && failures < MAX_FAILURES
                    && !followed.cancelled =>
            {
                let again = Followed {
                    failures,
                    ..followed.clone()
                };
                self.again(call, &again);
                Err(Fault::Passing(error))
            }
            outcome => {
                self.followed.remove(call.task_id);
                outcome.map_err(Fault::Work)
            }
        }
    }

    fn request(&self, call: &StepCall, intent: Intent) -> v1::ExecuteRequest {
        let stop_within = prost_types::Duration::try_from(self.options.call_timeout);
        v1::ExecuteRequest {
            attempt: Some(request::attempt(call)),
            // A configured time fits.
            stop_within: stop_within.ok(),
            intent: Some(intent),
        }
    }

    fn cannot_tell(&self, unknown: &v1::Unknown, secrets: &[&Secret]) -> DriverError {
        let why = told::text(&unknown.message, secrets).unwrap_or_else(|| "no reason".to_owned());
        DriverError::passing(
            ErrorKind::Busy,
            format!(
                "plug-in {} cannot tell what became of it: {why}",
                self.options.name
            ),
        )
    }

    fn says_nothing(&self) -> DriverError {
        DriverError::passing(
            ErrorKind::Protocol,
            format!(
                "plug-in {} ends its stream without saying anything",
                self.options.name
            ),
        )
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
            Some(State::Running(_) | State::Ended(_)) => Ok(Mark::Present),
            Some(State::Unknown(unknown)) => Err(self.cannot_tell(&unknown, &exchange.secrets())),
            Some(State::Fenced(fenced)) => Err(self.link.callee().fenced(call.epoch, fenced.epoch)),
            None => Err(self.link.callee().nonsense("a state that is none we know")),
        }
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        let mut exchange = self.exchange(call).await?;
        if self.known(call).is_none() {
            self.inspect(&mut exchange, call).await?;
        }
        if let Some(known) = self.known(call) {
            let cancelled = Followed {
                cancelled: true,
                ..known
            };
            self.followed.put(call.task_id, cancelled);
        }
        let answer = exchange.cancel(request::attempt(call)).await?;
        match answer.fenced {
            Some(fenced) => Err(self.link.callee().fenced(call.epoch, fenced.epoch)),
            None => Ok(()),
        }
    }
}

fn running(poll_after: Duration, message: Option<String>) -> Progress {
    Progress::Running {
        poll_after,
        message,
    }
}

fn state_name(state: Option<&State>) -> &'static str {
    match state {
        Some(State::NotBegun(_)) => "not begun",
        Some(State::Running(_)) => "running",
        Some(State::Interrupted(_)) => "interrupted",
        Some(State::Ended(_)) => "ended",
        Some(State::Unknown(_)) => "unknown",
        Some(State::Fenced(_)) => "fenced",
        None => "none that is known",
    }
}
