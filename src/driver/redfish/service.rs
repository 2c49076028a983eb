//! One BMC's Redfish service during one driver call: finding its way, logging in, asking.
//!
//! The service root is read without credentials and says where systems are and whether sessions can
//! be made. Where they can, a session is made once and its token used for as long as the service
//! takes it; where not, or where there are no more to be had, every request carries name and
//! password. What was learned is remembered from call to call, and learned anew when it turns out to
//! be out of date.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, ETAG, IF_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::bmc::Bmc;
use super::refusal;
use crate::driver::device_error::device_text;
use crate::driver::http::{Answer, Client, Request, place};
use crate::driver::{DriverError, ErrorKind};
use crate::secret::Secret;

/// Where every Redfish service begins.
const ROOT: &str = "/redfish/v1/";

/// Carries the token of a session.
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// BMCs beyond which the memory of them begins anew. Nothing but requests is lost with it.
const MAX_KNOWN: usize = 16 * 1024;

/// What is known of services, by endpoint and account.
#[derive(Debug, Default)]
pub(super) struct Known {
    services: Mutex<HashMap<(String, String), Landmarks>>,
}

/// What is known of one service.
#[derive(Clone, Debug)]
struct Landmarks {
    /// The collection of systems.
    systems: String,
    /// The collection of sessions; none: the service has no sessions.
    sessions: Option<String>,
    /// The only system, once it was looked for.
    only_system: Option<String>,
    /// The token of our session.
    token: Option<HeaderValue>,
}

/// A service, for the time of one driver call.
pub(super) struct Service<'a> {
    client: &'a Client,
    known: &'a Known,
    bmc: &'a Bmc,
    password: &'a Secret,
    /// The header for those that have no sessions.
    basic: Secret,
    landmarks: Landmarks,
    deadline: Instant,
}

/// A resource as it was read.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// What it says.
    pub(super) body: Value,
    /// Where it is, redirects followed.
    pub(super) path: String,
    /// Its version, for a change of what was read and of nothing else.
    etag: Option<HeaderValue>,
}

impl<'a> Service<'a> {
    /// Finds the service of `bmc` and logs in where it has sessions.
    pub(super) async fn open(
        client: &'a Client,
        known: &'a Known,
        bmc: &'a Bmc,
        password: &'a Secret,
        deadline: Instant,
    ) -> Result<Self, DriverError> {
        let pair = Secret::new(format!("{}:{}", bmc.account, password.expose()));
        let basic = Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair.expose())));
        let mut service = Self {
            client,
            known,
            bmc,
            password,
            basic,
            landmarks: Landmarks {
                systems: String::new(),
                sessions: None,
                only_system: None,
                token: None,
            },
            deadline,
        };
        match known.get(bmc) {
            Some(landmarks) => service.landmarks = landmarks,
            None => service.look_around().await?,
        }
        if service.landmarks.token.is_none() {
            service.log_in().await?;
        }
        Ok(service)
    }

    /// The system that is the node.
    pub(super) async fn system(&mut self) -> Result<Resource, DriverError> {
        if let Some(id) = &self.bmc.system_id {
            let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
            let path = format!("{}/{id}", self.landmarks.systems.trim_end_matches('/'));
            return self.get(&path).await.map_err(|error| {
                if error.kind == ErrorKind::Refused {
                    return error.within("the design's `oob.system_id` names no system");
                }
                error
            });
        }
        if let Some(path) = self.landmarks.only_system.clone() {
            let found = self.get(&path).await;
            if found.is_err() {
                // It may have got another name, as with a new firmware.
                self.landmarks.only_system = None;
                self.remember();
            }
            return found;
        }
        let systems = self.landmarks.systems.clone();
        let collection = self.get(&systems).await?;
        let members = links(&collection.body["Members"]);
        let [path] = &members[..] else {
            return Err(self.unsuited(&format!(
                "has {} systems: say which is the node with `oob.system_id` in the design",
                members.len()
            )));
        };
        let system = self.get(path).await?;
        self.landmarks.only_system = Some(system.path.clone());
        self.remember();
        Ok(system)
    }

    /// Reads a resource.
    pub(super) async fn get(&mut self, path: &str) -> Result<Resource, DriverError> {
        let answer = self.ask(Method::GET, path, None, None).await?;
        let body = serde_json::from_slice(&answer.body).ok();
        let body = body.filter(Value::is_object).ok_or_else(|| {
            DriverError::permanent(
                ErrorKind::Protocol,
                format!(
                    "{} answers with what is no JSON object at {path}",
                    self.place()
                ),
            )
        })?;
        Ok(Resource {
            body,
            path: answer.url.path().to_owned(),
            etag: answer.headers.get(ETAG).cloned(),
        })
    }

    /// Changes properties of a resource, if it is still as it was read.
    pub(super) async fn patch(
        &mut self,
        resource: &Resource,
        change: &Value,
    ) -> Result<(), DriverError> {
        let etag = resource.etag.clone();
        let given = etag.is_some();
        let changed = self
            .ask(Method::PATCH, &resource.path, Some(change), etag)
            .await;
        match changed {
            Ok(_) => Ok(()),
            // Some firmwares hand out versions that they do not recognise afterwards.
            Err(error) if given && error.kind == ErrorKind::Busy => self
                .ask(Method::PATCH, &resource.path, Some(change), None)
                .await
                .map(drop),
            Err(error) => Err(error),
        }
    }

    /// Does something.
    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Result<(), DriverError> {
        self.ask(Method::POST, path, Some(body), None)
            .await
            .map(drop)
    }

    /// Where it is, in the words of an operator.
    pub(super) fn place(&self) -> String {
        format!("BMC {}", place(&self.bmc.endpoint))
    }

    /// An error that says what about the BMC does not suit us.
    pub(super) fn unsuited(&self, what: &str) -> DriverError {
        DriverError::permanent(ErrorKind::Unsupported, format!("{} {what}", self.place()))
    }

    /// What the service says in a value, made fit to be shown and kept, at most `limit` bytes of it;
    /// none where it says nothing.
    pub(super) fn text(&self, value: &Value, limit: usize) -> Option<String> {
        let mut text = device_text(value.as_str()?, &[self.password, &self.basic]);
        text.truncate(text.floor_char_boundary(limit));
        (!text.is_empty()).then_some(text)
    }

    /// The service root, as who is logged in sees it.
    pub(super) async fn root(&mut self) -> Result<Value, DriverError> {
        Ok(self.get(ROOT).await?.body)
    }

    /// Whether so much is left of the call.
    pub(super) fn has_time_for(&self, time: Duration) -> bool {
        Instant::now() + time < self.deadline
    }

    async fn look_around(&mut self) -> Result<(), DriverError> {
        let answer = self.send(Method::GET, ROOT, HeaderMap::new(), None).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer).within("read the service root"));
        }
        let root: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(systems) = link(&root["Systems"]) else {
            return Err(self.unsuited("speaks no Redfish, or has no systems"));
        };
        self.landmarks.systems = systems;
        self.landmarks.sessions = link(&root["Links"]["Sessions"]);
        self.remember();
        Ok(())
    }

    /// Makes a session where there are any.
    async fn log_in(&mut self) -> Result<(), DriverError> {
        let Some(sessions) = self.landmarks.sessions.clone() else {
            return Ok(());
        };
        let body = json!({
            "UserName": self.bmc.account,
            "Password": self.password.expose(),
        });
        let answer = self
            .send(Method::POST, &sessions, HeaderMap::new(), Some(body))
            .await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(self.unauthorised(&answer));
        }
        let token = answer.headers.get(TOKEN).cloned();
        match token {
            Some(mut token) if answer.status.is_success() => {
                token.set_sensitive(true);
                self.landmarks.token = Some(token);
                self.remember();
            }
            // No more sessions to be had, or none in spite of the root: without one it takes longer.
            Some(_) | None => {
                tracing::debug!(bmc = %place(&self.bmc.endpoint), status = %answer.status, "no session");
            }
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<HeaderValue>,
    ) -> Result<Answer, DriverError> {
        let mut renewed = false;
        loop {
            let mut headers = HeaderMap::new();
            headers.extend(etag.clone().map(|etag| (IF_MATCH, etag)));
            let token = self.landmarks.token.clone();
            let in_session = token.is_some();
            match token {
                Some(token) => headers.insert(TOKEN, token),
                None => headers.insert(AUTHORIZATION, self.basic()?),
            };
            let answer = self
                .send(method.clone(), path, headers, body.cloned())
                .await?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            if answer.status != StatusCode::UNAUTHORIZED {
                return Err(self.refused(&answer));
            }
            if !in_session || renewed {
                return Err(self.unauthorised(&answer));
            }
            // Sessions end by themselves. A password that is wrong is refused when it is used next,
            // and once: accounts are locked after a few attempts.
            renewed = true;
            self.landmarks.token = None;
            self.remember();
            self.log_in().await?;
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Option<Value>,
    ) -> Result<Answer, DriverError> {
        let request = Request {
            headers,
            body,
            ..Request::new(method, self.url(path)?)
        };
        self.client.send(request, self.deadline).await
    }

    /// The address of a path that the service named. It may not name another host: our credentials
    /// are for this one.
    fn url(&self, path: &str) -> Result<Url, DriverError> {
        let url = self.bmc.endpoint.join(path).ok();
        let url = url.filter(|url| url.origin() == self.bmc.endpoint.origin());
        url.ok_or_else(|| {
            DriverError::permanent(
                ErrorKind::Protocol,
                format!("{} names a resource of another host", self.place()),
            )
        })
    }

    fn basic(&self) -> Result<HeaderValue, DriverError> {
        // Base64 has no characters that a header could not hold.
        let header = HeaderValue::from_str(self.basic.expose());
        let mut header = header.map_err(|_| {
            DriverError::permanent(ErrorKind::Internal, "credentials that fit in no header")
        })?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn refused(&self, answer: &Answer) -> DriverError {
        refusal::of(answer, &[self.password, &self.basic]).within(&self.place())
    }

    fn unauthorised(&self, answer: &Answer) -> DriverError {
        self.refused(answer).within(&format!(
            "the account of the design with {} is not accepted",
            self.bmc.credential
        ))
    }

    fn remember(&self) {
        self.known.put(self.bmc, self.landmarks.clone());
    }
}

impl Known {
    fn get(&self, bmc: &Bmc) -> Option<Landmarks> {
        self.services().get(&key(bmc)).cloned()
    }

    fn put(&self, bmc: &Bmc, landmarks: Landmarks) {
        let mut services = self.services();
        if services.len() >= MAX_KNOWN {
            services.clear();
        }
        services.insert(key(bmc), landmarks);
    }

    fn services(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Landmarks>> {
        // Every change is one insertion.
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(bmc: &Bmc) -> (String, String) {
    let account = format!("{}\n{}", bmc.account, bmc.credential);
    (bmc.endpoint.to_string(), account)
}

/// The path that a reference to a resource has.
pub(super) fn link(reference: &Value) -> Option<String> {
    reference["@odata.id"].as_str().map(str::to_owned)
}

/// The paths of an array of references.
pub(super) fn links(references: &Value) -> Vec<String> {
    let references = references.as_array().map_or(&[][..], Vec::as_slice);
    references.iter().filter_map(link).collect()
}
