//! The calls of one driver call: bounded in time, over a connection that is made where there is none.
#![expect(
    clippy::disallowed_types,
    reason = "a plug-in is called over gRPC, and its statuses are classed here"
)]

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::codec::Streaming;
use tonic::{Response, Status};

use super::super::DriverError;
use super::link::{Link, Session, is_lost};
use super::refusal::never_sent;
use super::wire::v1;
use crate::secret::Secret;

/// How much of a call is for us, so that it is we who say what was waited for and not the executor.
const SHARE: f64 = 0.9;

/// How long one call follows a step that has nothing to tell. Whoever stops a step or drains a replica
/// waits for the call; and a plug-in has as many streams at a time as steps run, whatever this is.
const FOLLOW: Duration = Duration::from_secs(2);

/// The times of a driver call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// By when there must be a connection: half of the call is for what it is made for.
    pub(super) connect: Instant,
    /// Until when a step without news is followed.
    pub(super) follow: Instant,
    /// By when everything is over.
    pub(super) end: Instant,
}

impl Times {
    /// Those of a call that begins now and may take `call_timeout`.
    pub(super) fn of(call_timeout: Duration) -> Self {
        let now = Instant::now();
        let end = call_timeout.mul_f64(SHARE);
        Self {
            connect: now + end / 2,
            follow: now + FOLLOW.min(end / 2),
            end: now + end,
        }
    }
}

/// What a stream brought.
#[derive(Debug)]
pub(super) enum Read {
    /// An update.
    Update(v1::ExecuteResponse),
    /// Its end, without an outcome.
    Ended,
    /// Nothing yet.
    Nothing,
}

/// The calls of one driver call.
pub(super) struct Exchange<'a> {
    link: &'a Link,
    pub(super) session: Session,
    pub(super) times: Times,
    /// What the plug-in was sent and must not repeat.
    secrets: Vec<Secret>,
}

/// An Execute stream. Dropped, it ends for the plug-in too.
#[derive(Debug)]
pub(super) struct Stream(Streaming<v1::ExecuteResponse>);

impl<'a> Exchange<'a> {
    /// Connects, if that is still to be done.
    ///
    /// # Errors
    ///
    /// There is no connection; nothing was sent.
    pub(super) async fn open(
        link: &'a Link,
        times: Times,
        secrets: Vec<Secret>,
    ) -> Result<Self, DriverError> {
        let session = link.session(times.connect).await?;
        Ok(Self {
            link,
            session,
            times,
            secrets,
        })
    }

    /// Everything that the plug-in was shown.
    pub(super) fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().chain(&self.session.token).collect()
    }

    /// Opens a stream; none: the plug-in has nothing to say until `until`.
    pub(super) async fn execute(
        &mut self,
        request: v1::ExecuteRequest,
        until: Instant,
    ) -> Result<Option<Stream>, DriverError> {
        // Once more over a new connection where nothing went over the one that had broken.
        for is_last in [false, true] {
            // The stream ends with the call, also if we are stopped in the middle of it.
            let (mut client, sent) = self.session.request(request.clone(), self.times.end);
            match timeout_at(until, client.execute(sent)).await {
                Ok(Ok(stream)) => return Ok(Some(Stream(stream.into_inner()))),
                Ok(Err(status)) => self.again_after(&status, is_last).await?,
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Reads what the stream brings until `until`.
    pub(super) async fn read(
        &self,
        stream: &mut Stream,
        until: Instant,
    ) -> Result<Read, DriverError> {
        // A stream that always has something would never come to an end by the time alone.
        if Instant::now() >= until {
            return Ok(Read::Nothing);
        }
        match timeout_at(until, stream.0.message()).await {
            Ok(Ok(Some(update))) => Ok(Read::Update(update)),
            Ok(Ok(None)) => Ok(Read::Ended),
            Ok(Err(status)) => Err(DriverError {
                // A stream was opened, whatever it ends with.
                not_sent: false,
                ..self.failed(&status)
            }),
            Err(_) => Ok(Read::Nothing),
        }
    }

    /// Asks what became of a step.
    pub(super) async fn inspect(
        &mut self,
        attempt: v1::Attempt,
    ) -> Result<v1::InspectResponse, DriverError> {
        let request = v1::InspectRequest {
            attempt: Some(attempt),
        };
        for is_last in [false, true] {
            let (mut client, sent) = self.session.request(request.clone(), self.times.end);
            let answer = timeout_at(self.times.end, client.inspect(sent)).await;
            if let Some(answer) = self.answer(answer, is_last).await? {
                return Ok(answer);
            }
        }
        Err(self.late())
    }

    /// Asks a step to stop.
    pub(super) async fn cancel(
        &mut self,
        attempt: v1::Attempt,
    ) -> Result<v1::CancelResponse, DriverError> {
        let request = v1::CancelRequest {
            attempt: Some(attempt),
        };
        for is_last in [false, true] {
            let (mut client, sent) = self.session.request(request.clone(), self.times.end);
            let answer = timeout_at(self.times.end, client.cancel(sent)).await;
            if let Some(answer) = self.answer(answer, is_last).await? {
                return Ok(answer);
            }
        }
        Err(self.late())
    }

    /// Nothing came in time.
    pub(super) fn late(&self) -> DriverError {
        self.link.callee().too_late("no answer from")
    }

    async fn answer<T, E>(
        &mut self,
        answer: Result<Result<Response<T>, Status>, E>,
        is_last: bool,
    ) -> Result<Option<T>, DriverError> {
        match answer {
            Ok(Ok(answer)) => Ok(Some(answer.into_inner())),
            Ok(Err(status)) => self.again_after(&status, is_last).await.map(|()| None),
            Err(_) => {
                // Its machine may be gone without a word: the next call asks over a new connection.
                self.link.lost(&self.session);
                Err(self.late())
            }
        }
    }

    /// Makes a new connection if that is what `status` asks for.
    async fn again_after(&mut self, status: &Status, is_last: bool) -> Result<(), DriverError> {
        let error = self.failed(status);
        if is_last || !never_sent(status) {
            return Err(error);
        }
        self.session = self.link.session(self.times.connect).await?;
        Ok(())
    }

    fn failed(&self, status: &Status) -> DriverError {
        if is_lost(status) {
            self.link.lost(&self.session);
        }
        self.link.callee().refused(status, &self.secrets())
    }
}
