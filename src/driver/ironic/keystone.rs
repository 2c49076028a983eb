//! Tokens of Keystone: made with a user and a password, and anew before they end or once Ironic refuses
//! one.
//!
//! A password is sent when a token is needed and at no other time. One that Keystone does not accept is
//! not tried again for a while, whatever needs a token: accounts are locked after a few attempts, and
//! hundreds of nodes may need one at once. Another password is tried at once.

use std::path::Path;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::super::device_error::device_text;
use super::super::http::{Answer, Client, ClientError, Request, place};
use super::super::{DriverError, ErrorKind};
use super::options::{Login, Scope};
use crate::domain::Timestamp;
use crate::secret::{Secret, SecretSource};

/// Holds the token that was made.
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// The longest before its end that a token is replaced: calls that are under way when it is should not
/// see it end.
const EARLY: Duration = Duration::from_secs(120);

/// The part of a token's life after which it is replaced, if that is later than [`EARLY`] before its end.
const SHARE: f64 = 0.8;

/// How long a password that was not accepted is not tried again.
const LOCKED_OUT: Duration = Duration::from_secs(60);

/// Logs in at a Keystone.
#[derive(Debug)]
pub(super) struct Keystone {
    login: Login,
    http: Client,
    /// Held while one is made, so that calls that need one together make one.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    refused: Option<Refused>,
}

/// A password that was not accepted.
#[derive(Debug)]
struct Refused {
    password: Secret,
    error: DriverError,
    at: Instant,
}

#[derive(Debug)]
struct Token {
    value: Secret,
    replace_at: Instant,
}

/// What of Keystone's answer is used. Both moments are of its clock.
#[derive(Deserialize)]
struct Made {
    token: Life,
}

#[derive(Deserialize)]
struct Life {
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl Keystone {
    /// Nothing is sent yet.
    pub(super) fn new(login: Login, authorities: Option<&Path>) -> Result<Self, ClientError> {
        Ok(Self {
            login,
            http: Client::new(authorities)?,
            state: Mutex::default(),
        })
    }

    /// A token that Ironic takes, and the password if it took one to make it.
    pub(super) async fn token(
        &self,
        secrets: &SecretSource,
        deadline: Instant,
    ) -> Result<(Secret, Option<Secret>), DriverError> {
        let Ok(mut state) = timeout_at(deadline, self.state.lock()).await else {
            let text = "no token of Keystone was had in time: another call is asking for one";
            return Err(DriverError::passing(ErrorKind::Busy, text).before_sending());
        };
        if let Some(token) = &state.token
            && Instant::now() < token.replace_at
        {
            return Ok((token.value.clone(), None));
        }
        let password = secrets.read(&self.login.password).await?;
        if let Some(refused) = &state.refused
            && refused.password.expose() == password.expose()
            && refused.at.elapsed() < LOCKED_OUT
        {
            return Err(refused.error.clone());
        }
        let made = self.make(&password, deadline).await;
        // Whatever went wrong there, nothing of it has reached Ironic.
        let made = made.map_err(|error| error.without(&[&password]).before_sending());
        state.refused = match &made {
            Err(error) if error.kind == ErrorKind::Unauthorised => Some(Refused {
                password: password.clone(),
                error: error.clone(),
                at: Instant::now(),
            }),
            Ok(_) | Err(_) => None,
        };
        let token = made?;
        let value = token.value.clone();
        state.token = Some(token);
        Ok((value, Some(password)))
    }

    /// Forgets a token that Ironic does not take, unless there is another one already.
    pub(super) async fn forget(&self, refused: &Secret) {
        let mut state = self.state.lock().await;
        let is_it = |token: &Token| token.value.expose() == refused.expose();
        if state.token.as_ref().is_some_and(is_it) {
            state.token = None;
        }
    }

    async fn make(&self, password: &Secret, deadline: Instant) -> Result<Token, DriverError> {
        let asked_at = Instant::now();
        let mut request = Request::new(Method::POST, self.url()?);
        request.body = Some(self.body(password));
        let answer = self.http.send(request, deadline).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer, password));
        }
        let value = answer.headers.get(SUBJECT_TOKEN);
        let value = value.and_then(|value| value.to_str().ok());
        let made: Option<Made> = serde_json::from_slice(&answer.body).ok();
        let (Some(value), Some(Made { token })) = (value, made) else {
            let text = format!("Keystone at {} answers without a token", self.place());
            return Err(DriverError::permanent(ErrorKind::Protocol, text));
        };
        let life = (token.expires_at - token.issued_at).to_std();
        let life = life.unwrap_or_default();
        Ok(Token {
            value: Secret::new(value.to_owned()),
            replace_at: asked_at + life.saturating_sub(EARLY).max(life.mul_f64(SHARE)),
        })
    }

    fn body(&self, password: &Secret) -> Value {
        let login = &self.login;
        let scope = match &login.scope {
            Scope::System => json!({"system": {"all": true}}),
            Scope::Project { name, domain } => {
                json!({"project": {"name": name, "domain": {"name": domain}}})
            }
        };
        let user = json!({
            "name": login.username,
            "domain": {"name": login.user_domain},
            "password": password.expose(),
        });
        json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": scope,
        }})
    }

    fn refused(&self, answer: &Answer, password: &Secret) -> DriverError {
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = document["error"]["message"].as_str().unwrap_or_default();
        let error = DriverError::of_status(answer.status, &device_text(said, &[password]));
        let what = if answer.status == StatusCode::UNAUTHORIZED {
            let login = &self.login;
            format!(
                "Keystone at {} does not accept {} with {}",
                self.place(),
                login.username,
                login.password
            )
        } else {
            format!("log in at Keystone at {}", self.place())
        };
        error.within(&what)
    }

    fn url(&self) -> Result<Url, DriverError> {
        let mut url = self.login.endpoint.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(["auth", "tokens"]);
            }
            Err(()) => {
                let text = "the endpoint of Keystone is no place on a host";
                return Err(DriverError::permanent(ErrorKind::Internal, text));
            }
        }
        Ok(url)
    }

    fn place(&self) -> String {
        place(&self.login.endpoint)
    }
}
