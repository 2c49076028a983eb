//! The connection of a client command to its server.
#![expect(
    clippy::disallowed_types,
    reason = "a client reads the status that the api layer of a server made"
)]

use std::time::Duration;

use clap::Args;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use super::Error;
use super::credentials::{CredentialArgs, ShowToken};
use super::error::is_passing;
use super::program::Program;
use crate::proto::v1::build_data_service_client::BuildDataServiceClient;
use crate::proto::v1::design_service_client::DesignServiceClient;
use crate::proto::v1::task_service_client::TaskServiceClient;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take to begin: longer than the longest WaitTask, which is 60 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// How often a silent server is asked whether it is there, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Most attempts of one call: with the pauses below they bridge three seconds, a server's restart.
const MAX_ATTEMPTS: u32 = 5;

/// Pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Where a server listens that was not told otherwise.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:50051";

/// Which server a command talks to.
#[derive(Clone, Debug, Args)]
pub(super) struct ServerArgs {
    /// URL of the server
    #[arg(
        long,
        env = "DRYDOCK_SERVER",
        value_name = "URL",
        default_value = DEFAULT_URL
    )]
    server: String,
    #[command(flatten)]
    credentials: CredentialArgs,
}

/// A connection that shows who uses it.
pub type Link = InterceptedService<Channel, ShowToken>;

impl ServerArgs {
    /// This program, as it is called for the same server.
    pub(super) fn program(&self) -> Program {
        Program::for_server(&self.server).with_flags(&self.credentials.flags())
    }

    pub(super) fn tasks(&self) -> Result<TaskServiceClient<Link>, Error> {
        Ok(TaskServiceClient::new(link(
            &self.server,
            &self.credentials,
        )?))
    }

    pub(super) fn build_data(&self) -> Result<BuildDataServiceClient<Link>, Error> {
        let link = link(&self.server, &self.credentials)?;
        Ok(BuildDataServiceClient::new(link))
    }

    pub(super) fn designs(&self) -> Result<DesignServiceClient<Link>, Error> {
        Ok(DesignServiceClient::new(link(
            &self.server,
            &self.credentials,
        )?))
    }
}

/// A connection that is opened with the first call, and again after each loss.
pub(super) fn link(url: &str, credentials: &CredentialArgs) -> Result<Link, Error> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|source| Error::ServerUrl {
        url: url.to_owned(),
        source,
    })?;
    let show = credentials.shown_to(endpoint.uri())?;
    let channel = credentials
        .encrypt(endpoint)?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .connect_lazy();
    Ok(InterceptedService::new(channel, show))
}

/// Makes a call that may be repeated, and repeats it while the failure is one that passes.
pub(super) async fn patiently<T, F>(call: impl FnMut() -> F) -> Result<Response<T>, Error>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    repeat(FIRST_PAUSE, call).await
}

async fn repeat<T, F>(
    mut pause: Duration,
    mut call: impl FnMut() -> F,
) -> Result<Response<T>, Error>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    for _ in 1..MAX_ATTEMPTS {
        match call().await {
            Err(status) if is_passing(&status) => {}
            settled => return settled.map_err(Error::from),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    call().await.map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_repeated_until_it_settles() {
        let mut calls = 0;
        let answer = repeat(Duration::ZERO, || {
            calls += 1;
            let answer = if calls < 3 {
                Err(Status::unavailable("not yet"))
            } else {
                Ok(Response::new(calls))
            };
            std::future::ready(answer)
        })
        .await;
        assert_eq!(answer.map(Response::into_inner).ok(), Some(3));
    }

    #[tokio::test]
    async fn a_call_is_not_repeated_for_ever_nor_after_a_refusal() {
        let mut calls = 0;
        let answer: Result<Response<()>, Error> = repeat(Duration::ZERO, || {
            calls += 1;
            std::future::ready(Err(Status::unavailable("not yet")))
        })
        .await;
        assert!(answer.is_err());
        assert_eq!(calls, MAX_ATTEMPTS);

        let mut calls = 0;
        let answer: Result<Response<()>, Error> = repeat(Duration::ZERO, || {
            calls += 1;
            std::future::ready(Err(Status::invalid_argument("no")))
        })
        .await;
        assert!(answer.is_err());
        assert_eq!(calls, 1);
    }
}
