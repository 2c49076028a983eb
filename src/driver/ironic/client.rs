//! Calls of Ironic's API: how many at once, how long, and which are made again.
//!
//! Ironic locks a node while it works on it and answers everybody else with 409; it answers 503 when
//! its conductors have no worker left, and resets connections when too many come at once. All of these
//! pass within a moment, so they are waited out here as far as the time of one driver call reaches;
//! what lasts longer is left to the executor's own retries.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::super::http::{self as exchange, Answer, Request, TrustError};
use super::super::{DriverError, ErrorKind};
use super::error::ApiError;
use super::microversion::{self, Microversion};
use super::options::{Authentication, Options};
use crate::secret::{Secret, SecretSource};

const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// The wait before a call is made again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What part of the executor's patience with one driver call may be spent here: the rest is for the
/// way back, so that the executor learns what was met instead of that there was no answer.
const SHARE: f64 = 0.8;

/// Which calls may be made again after a failure that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    /// All: making it twice is like making it once.
    Always,
    /// Those that certainly did nothing.
    IfRefused,
}

/// Ironic's API, as one driver shares it.
#[derive(Debug)]
pub(super) struct Client {
    http: exchange::Client,
    endpoint: Url,
    authentication: Authentication,
    secrets: SecretSource,
    permits: Semaphore,
    version: Mutex<Option<Microversion>>,
    patience: Duration,
}

/// The calls of one driver call: they share its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    client: &'a Client,
    deadline: Instant,
}

impl Client {
    /// A client that has spoken to nobody yet.
    pub(super) fn new(options: &Options, secrets: SecretSource) -> Result<Self, TrustError> {
        Ok(Self {
            http: exchange::Client::new(options.ca_file.as_deref())?,
            endpoint: options.endpoint.clone(),
            authentication: options.authentication.clone(),
            secrets,
            permits: Semaphore::new(options.max_concurrent_calls),
            version: Mutex::new(None),
            patience: options.call_timeout.mul_f64(SHARE),
        })
    }

    /// Begins the calls of one driver call.
    pub(super) fn session(&self) -> Session<'_> {
        Session {
            client: self,
            deadline: Instant::now() + self.patience,
        }
    }

    /// Where it is, for operators.
    pub(super) fn place(&self) -> String {
        exchange::place(&self.endpoint)
    }

    /// Where the secrets of designs are, for whatever Ironic talks to.
    pub(super) fn secrets(&self) -> &SecretSource {
        &self.secrets
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, DriverError> {
        let mut url = self.endpoint.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().push("v1").extend(path);
            }
            Err(()) => {
                return Err(DriverError::permanent(
                    ErrorKind::Internal,
                    "the endpoint of Ironic is no place on a host",
                ));
            }
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn known_version(&self) -> Option<Microversion> {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, version: Option<Microversion>) {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// The headers that say who we are, and the secret in them.
    async fn credentials(&self) -> Result<(HeaderMap, Option<Secret>), DriverError> {
        let mut headers = HeaderMap::new();
        let (name, reference, username) = match &self.authentication {
            Authentication::None => return Ok((headers, None)),
            Authentication::Basic { username, password } => {
                (AUTHORIZATION, password, Some(username))
            }
            Authentication::Token(token) => (TOKEN, token, None),
        };
        let unusable =
            |text: String| DriverError::permanent(ErrorKind::Internal, text).before_sending();
        let secret = self.secrets.read(reference).await;
        let secret = secret.map_err(|error| unusable(error.to_string()))?;
        let text = match username {
            Some(username) => {
                let pair = format!("{username}:{}", secret.expose());
                format!("Basic {}", BASE64_STANDARD.encode(pair))
            }
            None => secret.expose().to_owned(),
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| unusable(format!("{reference} holds what no header can carry")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok((headers, Some(secret)))
    }
}

impl Session<'_> {
    /// Whether there is time to wait for so long, and for a call after it.
    pub(super) fn has_time_for(&self, pause: Duration) -> bool {
        Instant::now() + pause * 2 < self.deadline
    }

    /// The version that both sides know: asked for once, and again when Ironic says it has changed.
    pub(super) async fn version(&self) -> Result<Microversion, ApiError> {
        if let Some(version) = self.client.known_version() {
            return Ok(version);
        }
        let request = Request::new(Method::GET, self.client.url(&[], &[])?);
        let answer = self.repeat(Repeat::Always, &request).await?;
        let version = Microversion::negotiate(&answer.headers)
            .map_err(|error| error.within(&format!("Ironic at {}", self.client.place())))?;
        self.client.remember(Some(version));
        Ok(version)
    }

    /// Reads a document.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, ApiError> {
        let url = self.client.url(path, query)?;
        let answer = self
            .versioned(Repeat::Always, Request::new(Method::GET, url))
            .await?;
        self.read(&answer)
    }

    /// Changes a document by a JSON patch, all of it or nothing, and reads it back. It may be made
    /// again: a patch sets what it names, whatever is there.
    pub(super) async fn patch<T: DeserializeOwned>(
        &self,
        path: &[&str],
        operations: Vec<Value>,
    ) -> Result<T, ApiError> {
        let mut request = Request::new(Method::PATCH, self.client.url(path, &[])?);
        request.body = Some(Value::Array(operations));
        let answer = self.versioned(Repeat::Always, request).await?;
        self.read(&answer)
    }

    /// Asks for something to begin. It is made again only after an answer that says that nothing has.
    pub(super) async fn put(&self, path: &[&str], body: Value) -> Result<(), ApiError> {
        let mut request = Request::new(Method::PUT, self.client.url(path, &[])?);
        request.body = Some(body);
        self.versioned(Repeat::IfRefused, request).await.map(drop)
    }

    /// Makes something new.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: Value,
    ) -> Result<T, ApiError> {
        let mut request = Request::new(Method::POST, self.client.url(path, &[])?);
        request.body = Some(body);
        let answer = self.versioned(Repeat::IfRefused, request).await?;
        self.read(&answer)
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, ApiError> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            DriverError::permanent(
                ErrorKind::Protocol,
                format!(
                    "the answer of Ironic at {} makes no sense: {error}",
                    self.client.place()
                ),
            )
            .into()
        })
    }

    async fn versioned(&self, repeat: Repeat, mut request: Request) -> Result<Answer, ApiError> {
        let mut renegotiated = false;
        loop {
            let version = self.version().await?;
            let value = HeaderValue::from_str(&version.to_string());
            let value = value
                .map_err(|error| DriverError::permanent(ErrorKind::Internal, error.to_string()))?;
            request.headers.insert(microversion::HEADER, value);
            match self.repeat(repeat, &request).await {
                // Another Ironic answers than the one that we agreed with: it was up- or downgraded.
                Err(error) if error.status == Some(StatusCode::NOT_ACCEPTABLE) && !renegotiated => {
                    renegotiated = true;
                    self.client.remember(None);
                }
                answer => return answer,
            }
        }
    }

    async fn repeat(&self, repeat: Repeat, request: &Request) -> Result<Answer, ApiError> {
        let mut pause = FIRST_PAUSE;
        let mut refusal: Option<String> = None;
        loop {
            let mut error = match self.once(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match (&error.status, refusal.take()) {
                (Some(_), _) => refusal = Some(error.meaning.message.clone()),
                // Why it was made again says more than that there was no time left for it.
                (None, Some(before)) => {
                    error.meaning.message = format!("{}, after {before}", error.meaning.message);
                }
                (None, None) => {}
            }
            let meaning = &error.meaning;
            let did_nothing =
                meaning.not_sent || (error.status.is_some() && meaning.kind == ErrorKind::Busy);
            let repeatable = match repeat {
                Repeat::Always => true,
                Repeat::IfRefused => did_nothing,
            };
            if !meaning.transient || !repeatable || Instant::now() + pause >= self.deadline {
                return Err(error);
            }
            // Those that were refused together must not come back together.
            sleep(pause.mul_f64(0.75 + 0.5 * rand::random::<f64>())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&self, request: &Request) -> Result<Answer, ApiError> {
        let (credentials, secret) = self.client.credentials().await?;
        let mut request = request.clone();
        request.headers.extend(credentials);
        let permit = timeout_at(self.deadline, self.client.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            let place = self.client.place();
            let text =
                format!("Ironic at {place} was not asked: too many calls were before this one");
            return Err(DriverError::passing(ErrorKind::Busy, text)
                .before_sending()
                .into());
        };
        let answer = self.client.http.send(request, self.deadline).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let secrets: Vec<&Secret> = secret.iter().collect();
        let place = self.client.place();
        Err(ApiError::of_answer(
            &place,
            answer.status,
            &answer.body,
            &secrets,
        ))
    }
}
