//! One request and its answer, within limits.

use std::error::Error;
use std::io;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, LOCATION, TRANSFER_ENCODING,
};
use reqwest::{Response, StatusCode, Url};

use super::super::error::LoadError;
use super::super::finding::Code;
use super::location::Location;
use super::token::{self, Token};
use super::validator::{self, Validator};
use crate::secret::SecretSource;

/// What we would like; what comes is parsed as YAML whatever the server calls it.
const WANTED: HeaderValue =
    HeaderValue::from_static("application/x-yaml, application/yaml, text/yaml, */*;q=0.1");

/// The one encoding that we decode, under a limit of ours.
const ENCODING: HeaderValue = HeaderValue::from_static("gzip");

/// A request to be sent.
pub(super) struct Exchange<'a> {
    pub(super) client: &'a reqwest::Client,
    pub(super) location: &'a Location,
    pub(super) tokens: &'a [Token],
    pub(super) secrets: &'a SecretSource,
    pub(super) known: Option<&'a Validator>,
    pub(super) max_bytes: u64,
}

/// What was answered.
pub(super) enum Answer {
    Content {
        body: Vec<u8>,
        gzip: bool,
        tag: Option<HeaderValue>,
    },
    Unchanged,
    Redirect(String),
}

impl Exchange<'_> {
    /// Asks for `url`, that of the location.
    ///
    /// # Errors
    ///
    /// See [`super::Fetcher::fetch`].
    pub(super) async fn run(&self, url: &str) -> Result<Answer, LoadError> {
        let request = self
            .client
            .get(self.url(url)?)
            .headers(self.headers().await?);
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        match status {
            StatusCode::OK => self.content(response).await,
            StatusCode::NOT_MODIFIED => Ok(Answer::Unchanged),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let to = response
                    .headers()
                    .get(LOCATION)
                    .and_then(|to| to.to_str().ok());
                // A location that is no text is refused as one that is missing.
                Ok(Answer::Redirect(to.unwrap_or_default().to_owned()))
            }
            status => Err(refused(status)),
        }
    }

    /// The URL as the client reads it, which must be as we read it.
    fn url(&self, text: &str) -> Result<Url, LoadError> {
        let origin = &self.location.origin;
        let url = Url::parse(text).ok().filter(|url| {
            url.as_str() == text
                && url.host_str() == Some(&origin.host.to_string())
                && url.port_or_known_default() == Some(origin.port)
        });
        url.ok_or_else(|| {
            let message = "two programs would read the reference in two ways";
            LoadError::refused(Code::ReferenceUnreadable, message)
        })
    }

    async fn headers(&self) -> Result<HeaderMap, LoadError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, WANTED);
        headers.insert(ACCEPT_ENCODING, ENCODING);
        if let Some(known) = self.known {
            headers.insert(IF_NONE_MATCH, known.tag.clone());
        }
        let Location {
            origin, service, ..
        } = self.location;
        let token = token::header(self.tokens, self.secrets, origin, *service).await?;
        headers.extend(token);
        Ok(headers)
    }

    async fn content(&self, mut response: Response) -> Result<Answer, LoadError> {
        let headers = response.headers();
        let gzip = match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => false,
            Some(b"gzip" | b"x-gzip") => true,
            Some(_) => {
                let message =
                    "the design's server answers in an encoding that it was not asked for";
                return Err(LoadError::refused(Code::ReferenceUnreadable, message));
            }
        };
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        let length: Option<u64> = length.and_then(|length| length.parse().ok());
        // What is compressed says itself where it ends.
        if length.is_none() && !headers.contains_key(TRANSFER_ENCODING) && !gzip {
            let message = "the design's server does not say where the design ends, \
                           and half of it would pass for the whole";
            return Err(LoadError::refused(Code::ReferenceUnreadable, message));
        }
        if length.is_some_and(|length| length > self.max_bytes) {
            return Err(too_large(self.max_bytes));
        }
        let tag = validator::strong(headers.get(ETAG));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if (body.len() + chunk.len()) as u64 > self.max_bytes {
                return Err(too_large(self.max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::Content { body, gzip, tag })
    }
}

/// The error of a design beyond the limit, compressed or not.
pub(super) fn too_large(max_bytes: u64) -> LoadError {
    let message = format!("the design has more than {max_bytes} bytes");
    LoadError::refused(Code::TooLarge, message)
}

/// What a status other than a design or a way to it means.
fn refused(status: StatusCode) -> LoadError {
    let code = status.as_u16();
    let passing = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    if passing {
        let message = format!("the design's server answers {code}");
        return LoadError::Unavailable(io::Error::other(message));
    }
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => LoadError::refused(
            Code::ReferenceNotFound,
            format!("names nothing that exists: the design's server answers {code}"),
        ),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => LoadError::refused(
            Code::ReferenceUnreadable,
            format!("names what this server may not read: the design's server answers {code}"),
        ),
        _other => LoadError::refused(
            Code::ReferenceUnreadable,
            format!("names no design: the design's server answers {code}"),
        ),
    }
}

/// What the client's error means. The error itself is for the log: it may hold the URL.
fn failed(error: reqwest::Error) -> LoadError {
    let error = error.without_url();
    tracing::debug!(error = %chain(&error), "design not fetched");
    if is_certificate(&error) {
        let message = "the certificate of the design's server is not believed";
        return LoadError::refused(Code::ReferenceUnreadable, message);
    }
    let (kind, message) = if error.is_timeout() {
        (io::ErrorKind::TimedOut, "the design's server took too long")
    } else if error.is_connect() {
        (
            io::ErrorKind::NotConnected,
            "the design's server is not reached",
        )
    } else {
        (
            io::ErrorKind::UnexpectedEof,
            "the answer of the design's server breaks off or is not HTTP",
        )
    };
    LoadError::Unavailable(io::Error::new(kind, message))
}

/// Whether the other side showed a certificate that is not to be believed. Somebody must change
/// something then: trying again is in vain.
fn is_certificate(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return matches!(error, rustls::Error::InvalidCertificate(_));
        }
        // An I/O error hides the error it was made of from `source`.
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}
