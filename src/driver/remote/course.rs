//! The course of a step: begun, followed, found again, gone on with, ended.

use std::time::Duration;

use super::super::{Driver as _, DriverError, ErrorKind, Progress, StepCall};
use super::driver::Remote;
use super::exchange::{Exchange, Read, Stream, Times};
use super::fault::Fault;
use super::followed::{Followed, Stage};
use super::wire::v1;
use super::wire::v1::execute_request::Intent;
use super::wire::v1::execute_response::Update;
use super::wire::v1::inspect_response::State;
use super::{request, told};
use crate::domain::{Policy, StepKind};
use crate::secret::Secret;

/// How often the work of a step that can be repeated may fail with errors that may pass: as often as a
/// step is started.
const MAX_FAILURES: u32 = 4;

/// How soon a step is asked after that goes on and has no stream.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How a stream was left.
enum Left {
    /// With something for the executor.
    Told(Progress),
    /// It ended without an outcome.
    Ended,
}

impl Remote {
    /// Asks what became of the step, and remembers how far it was told.
    pub(super) async fn inspect(
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
    pub(super) async fn begin(&self, call: &StepCall) -> Result<Progress, Fault> {
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
    pub(super) async fn follow(
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
    pub(super) async fn found(
        &self,
        exchange: &mut Exchange<'_>,
        call: &StepCall,
    ) -> Result<Progress, Fault> {
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
            Stage::Sent | Stage::Begun | Stage::Again => {
                !followed.cancelled && !self.is_cancelled(call)
            }
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
            cancelled: followed.cancelled || self.is_cancelled(call),
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
        followed.cancelled |= self.is_cancelled(call);
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

    pub(super) fn cannot_tell(&self, unknown: &v1::Unknown, secrets: &[&Secret]) -> DriverError {
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
