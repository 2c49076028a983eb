//! HTTP exchanges with devices and provisioners: bounded in time and size, over verified TLS, and
//! classed so that a step knows what may be tried again.
//!
//! Redirects are followed on the same host only, with everything that was sent: some BMCs answer so
//! for every name that is not the one they prefer. There is no way to switch off the verification of
//! certificates; a site whose BMCs have certificates of their own names its authority instead.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::Url;
use tokio::time::Instant;

use super::{DriverError, ErrorKind};
use crate::trust::{Authorities, TrustError};

/// The most that is read of one answer. Descriptions of systems are some ten kilobytes; an answer
/// that does not end is no reason to run out of memory.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// The most redirects of one exchange: from a name to an id, and from a path to its other spelling.
const MAX_REDIRECTS: usize = 3;

/// How long a connection may take, its TLS included: long for a BMC, and short enough that a step
/// learns the difference between a device that is away and one that is slow.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle connections kept to one host: devices serve few at once, and the next step finds one open.
const IDLE_PER_HOST: usize = 1;

/// How long an idle connection is kept: shorter than devices do, so that one is hardly ever found
/// closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Whom it would believe is not known.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The client cannot be made of all this.
    #[error("set up the client")]
    Client(#[source] reqwest::Error),
}

/// Makes exchanges. A clone is the same client, with the same connections.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
}

/// What is sent. Printed, it is without headers and body, which may hold credentials.
#[derive(Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// With which headers, credentials among them, marked as sensitive.
    pub headers: HeaderMap,
    /// A JSON document; none: no body.
    pub body: Option<serde_json::Value>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
        }
    }
}

/// What came back, whatever its status. Printed, it is without headers and body too.
#[derive(Clone)]
pub struct Answer {
    /// Its status; no redirect.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body.
    pub body: Bytes,
    /// Where it came from in the end.
    pub url: Url,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that accepts certificates of the authorities in the PEM file `authorities` and no
    /// other; none: of those that the system trusts.
    ///
    /// # Errors
    ///
    /// The file cannot be read or holds no certificate.
    pub fn new(authorities: Option<&Path>) -> Result<Self, ClientError> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(Authorities::of(authorities)?.config()?)
            .user_agent(concat!("drydock/", env!("CARGO_PKG_VERSION")))
            // Who stands between us and a device would see its password.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        let inner = builder.build().map_err(ClientError::Client)?;
        Ok(Self { inner })
    }

    /// Sends `request` and reads the answer, all of it before `deadline`.
    ///
    /// # Errors
    ///
    /// No answer, with what is certain about whether anything was sent; an answer that is too large,
    /// or a redirect that is not followed. An answer of any status is no error here.
    pub async fn send(
        &self,
        mut request: Request,
        deadline: Instant,
    ) -> Result<Answer, DriverError> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.exchange(&request, deadline).await?;
            match redirect(&request, &answer)? {
                None => return Ok(answer),
                Some(url) => request.url = url,
            }
        }
        Err(DriverError::permanent(
            ErrorKind::Protocol,
            format!(
                "{} redirects more than {MAX_REDIRECTS} times",
                place(&request.url)
            ),
        ))
    }

    async fn exchange(&self, request: &Request, deadline: Instant) -> Result<Answer, DriverError> {
        let url = request.url.clone();
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(DriverError::passing(
                ErrorKind::Timeout,
                format!("{} was not asked: no time was left", place(&url)),
            )
            .before_sending());
        }
        let mut builder = self
            .inner
            .request(request.method.clone(), url.clone())
            .headers(request.headers.clone())
            .timeout(left);
        if let Some(body) = &request.body {
            builder = builder
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body.to_string());
        }
        let mut response = builder
            .send()
            .await
            .map_err(|error| unanswered(&url, &error))?;
        let status = response.status();
        let headers = response.headers().clone();
        let mut body = BytesMut::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| unanswered(&url, &error))?
        {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(DriverError::permanent(
                    ErrorKind::Protocol,
                    format!(
                        "{} answers with more than {MAX_BODY_BYTES} bytes",
                        place(&url)
                    ),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            headers,
            body: body.freeze(),
            url,
        })
    }
}

/// The place of a URL as operators know it: host and port, never what a path or a query may hold.
#[must_use]
pub fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Where `answer` sends us; none: it is the answer.
fn redirect(request: &Request, answer: &Answer) -> Result<Option<Url>, DriverError> {
    let keeps = match answer.status.as_u16() {
        307 | 308 => true,
        // These turn what was sent into a question, and nothing would happen.
        301..=303 => request.method == Method::GET,
        _ => return Ok(None),
    };
    let refuse = |why: &str| {
        Err(DriverError::permanent(
            ErrorKind::Protocol,
            format!("{} redirects {why}", place(&request.url)),
        ))
    };
    let location = answer.headers.get(LOCATION);
    let Some(location) = location.and_then(|value| value.to_str().ok()) else {
        return refuse("without saying where to");
    };
    let Ok(url) = request.url.join(location) else {
        return refuse("to what is no address");
    };
    if !keeps {
        return refuse("what was to be changed");
    }
    if url.origin() != request.url.origin() {
        // Our credentials are for this host.
        return refuse(&format!("to another host, {}", place(&url)));
    }
    Ok(Some(url))
}

/// What it means that there is no answer.
fn unanswered(url: &Url, error: &reqwest::Error) -> DriverError {
    let place = place(url);
    if error.is_connect()
        && let Some(reason) = tls_reason(error)
    {
        // The same certificate is shown next time.
        return DriverError::permanent(
            ErrorKind::Unreachable,
            format!("no safe connection to {place}: {reason}"),
        )
        .before_sending();
    }
    let found = if error.is_timeout() {
        let what = if error.is_connect() {
            "no connection to"
        } else {
            "no answer from"
        };
        DriverError::passing(ErrorKind::Timeout, format!("{what} {place} in time"))
    } else if error.is_connect() {
        DriverError::passing(
            ErrorKind::Unreachable,
            format!("no connection to {place}: {}", cause(error)),
        )
    } else if error.is_decode() {
        DriverError::passing(
            ErrorKind::Protocol,
            format!("the answer from {place} breaks off: {}", cause(error)),
        )
    } else {
        DriverError::passing(
            ErrorKind::Unreachable,
            format!("the connection to {place} broke: {}", cause(error)),
        )
    };
    if error.is_connect() {
        found.before_sending()
    } else {
        found
    }
}

/// The innermost cause: the outer ones say that there is one.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    let mut last = None;
    let mut next = error.source();
    while let Some(source) = next {
        last = Some(source.to_string());
        next = source.source();
    }
    last.unwrap_or_else(|| "no reason is known".to_owned())
}

/// Why TLS was refused, by us or by the peer.
pub(super) fn tls_reason(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(reason) = source.downcast_ref::<rustls::Error>() {
            return Some(reason.to_string());
        }
        // An I/O error shows the sources of what it wraps, and not that itself.
        next = match source
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped),
            None => source.source(),
        };
    }
    None
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
