//! Reads designs from the web: `http(s)://`, and the rendered documents of a Deckhand's revision.
//!
//! A URL is checked by its text (`location`, `host`) when a request names it. When it is read, its
//! host is resolved once (`resolve`), no address may be one of those that no design comes from
//! (`address`), and the connection goes to what was checked. One exchange (`exchange`) follows few
//! redirects and none to another host, believes few authorities (`tls`), shows a token to its
//! origin alone (`token`), and takes no more bytes and no more time than it was given. What was
//! read once is asked for with its tag (`validator`).
//!
//! A Deckhand's reference is spelled as Airship's services spell it: the URL of
//! `GET /api/v1.0/revisions/NUMBER/rendered-documents` with `deckhand+` before it.
//!
//! Not here: `promenade+http(s)://`. Promenade renders scripts that a node fetches to join a
//! cluster, the assets of boot actions; it serves no design. Rejected: a client kept for all
//! fetches, whose connections would outlive the check of their address; and proxies from the
//! environment, which would connect to what nobody checked.

mod address;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod host;
mod location;
mod resolve;
mod tls;
mod token;
mod validator;

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use reqwest::header::HeaderValue;
use rustls::ClientConfig;
use tokio::sync::OnceCell;

use super::deadline::Deadline;
use super::error::LoadError;
use super::finding::Code;
use super::source::SourceFile;
use crate::secret::SecretSource;
use exchange::{Answer, Exchange};
use host::Host;
use resolve::Resolver;

pub use host::{AllowedHost, AllowedHostError};
pub(super) use location::Location;
pub use location::WebPolicy;
pub use tls::Authorities;
pub use token::{Token, TokenError};
pub(super) use validator::{Validator, Validators};

/// The most redirects that are followed: a step up to https and a moved path or two.
const MAX_REDIRECTS: usize = 3;

/// How designs are fetched.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Whom TLS believes.
    pub authorities: Authorities,
    /// Our tokens.
    pub tokens: Vec<Token>,
    /// Where they are looked up.
    pub secrets: SecretSource,
    /// The longest that a connection may take to be made.
    pub connect_timeout: Duration,
    /// The longest that a fetch may take, the name's resolution and redirects included.
    pub time_limit: Duration,
}

impl Default for FetchOptions {
    /// The system's authorities, no tokens, 5 s, 30 s.
    fn default() -> Self {
        Self {
            authorities: Authorities::default(),
            tokens: Vec::new(),
            secrets: SecretSource::default(),
            connect_timeout: Duration::from_secs(5),
            time_limit: Duration::from_secs(30),
        }
    }
}

/// Fetches designs.
#[derive(Debug)]
pub(super) struct Fetcher {
    options: FetchOptions,
    policy: WebPolicy,
    resolver: Resolver,
    tls: OnceCell<ClientConfig>,
}

/// What a fetch came to.
#[derive(Debug)]
pub(super) enum Fetched<D> {
    /// What is known already.
    Unchanged(D),
    /// Content that may be new.
    Content(Content),
}

/// What a server sent, still as it sent it.
#[derive(Debug)]
pub(super) struct Content {
    /// The URL that answered, for [`Validators`].
    pub(super) url: String,
    /// The answer's strong tag.
    pub(super) tag: Option<HeaderValue>,
    name: String,
    body: Vec<u8>,
    gzip: bool,
}

impl Fetcher {
    pub(super) fn new(options: FetchOptions, policy: WebPolicy) -> Self {
        Self {
            options,
            policy,
            resolver: Resolver::System,
            tls: OnceCell::new(),
        }
    }

    /// Reads what is at `location`, of at most `max_bytes`. `known` gives what is at hand of a URL.
    ///
    /// # Errors
    ///
    /// `Invalid` when somebody must change the reference, the server or the configuration first;
    /// `Unavailable` for everything that may pass by itself.
    pub(super) async fn fetch<D>(
        &self,
        location: &Location,
        max_bytes: u64,
        deadline: Deadline,
        known: impl Fn(&str) -> Option<(Validator, D)>,
    ) -> Result<Fetched<D>, LoadError> {
        let limit = deadline.left().min(self.options.time_limit);
        let fetched = tokio::time::timeout(limit, self.follow(location, max_bytes, known)).await;
        fetched.unwrap_or_else(|_elapsed| {
            let message = "the design's server took too long";
            Err(LoadError::Unavailable(io::Error::new(
                io::ErrorKind::TimedOut,
                message,
            )))
        })
    }

    async fn follow<D>(
        &self,
        location: &Location,
        max_bytes: u64,
        known: impl Fn(&str) -> Option<(Validator, D)>,
    ) -> Result<Fetched<D>, LoadError> {
        let host = &location.origin.host;
        let addresses = self.resolver.resolve(host, self.policy.loopback).await?;
        let client = self.client(host, &addresses).await?;
        let mut location = location.clone();
        for _hop in 0..=MAX_REDIRECTS {
            let url = location.url();
            let known = known(&url);
            let exchange = Exchange {
                client: &client,
                location: &location,
                tokens: &self.options.tokens,
                secrets: &self.options.secrets,
                known: known.as_ref().map(|(validator, _)| validator),
                max_bytes,
            };
            location = match (exchange.run(&url).await?, known) {
                (Answer::Content { body, gzip, tag }, _) => {
                    return Ok(Fetched::Content(Content {
                        name: location.file_name(),
                        url,
                        tag,
                        body,
                        gzip,
                    }));
                }
                (Answer::Unchanged, Some((_, at_hand))) => return Ok(Fetched::Unchanged(at_hand)),
                (Answer::Unchanged, None) => {
                    let message =
                        "the design's server says `unchanged` of what it was not asked for";
                    return Err(LoadError::refused(Code::ReferenceUnreadable, message));
                }
                (Answer::Redirect(to), _) => {
                    location.redirected(&to, &self.policy).map_err(|refused| {
                        let message = format!("the design's server redirects {refused}");
                        LoadError::refused(Code::ReferenceEscapes, message)
                    })?
                }
            };
        }
        let message = format!("the design's server redirects more than {MAX_REDIRECTS} times");
        Err(LoadError::refused(Code::ReferenceEscapes, message))
    }

    /// A client that connects to these addresses and to no other.
    async fn client(
        &self,
        host: &Host,
        addresses: &[std::net::IpAddr],
    ) -> Result<reqwest::Client, LoadError> {
        let authorities = self.options.authorities.clone();
        let tls = self.tls.get_or_try_init(|| async {
            let config = tokio::task::spawn_blocking(move || authorities.config()).await;
            config.map_err(io::Error::other)?
        });
        let tls = tls.await.map_err(LoadError::Unavailable)?.clone();
        let mut client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A server may close a connection that is kept at any moment, and the request after a
            // redirect would meet that.
            .pool_max_idle_per_host(0)
            .referer(false)
            .connect_timeout(self.options.connect_timeout)
            .user_agent(concat!("drydock/", env!("CARGO_PKG_VERSION")));
        if let Host::Name(name) = host {
            // The port is that of the URL.
            let addresses: Vec<SocketAddr> = addresses
                .iter()
                .map(|address| SocketAddr::new(*address, 0))
                .collect();
            client = client.resolve_to_addrs(name, &addresses);
        }
        client
            .build()
            .map_err(|error| LoadError::Unavailable(io::Error::other(error.without_url())))
    }
}

impl Content {
    /// The file as it was before the server compressed it. Takes a while for a large one: not for
    /// an async thread.
    ///
    /// # Errors
    ///
    /// It does not decompress, or to more than `max_bytes`.
    pub(super) fn into_file(self, max_bytes: u64) -> Result<SourceFile, LoadError> {
        let Self {
            name, body, gzip, ..
        } = self;
        if !gzip {
            return Ok(SourceFile { name, bytes: body });
        }
        let mut bytes = Vec::new();
        let mut limited = MultiGzDecoder::new(&body[..]).take(max_bytes.saturating_add(1));
        limited.read_to_end(&mut bytes).map_err(|_damaged| {
            let message = "the answer of the design's server does not decompress";
            LoadError::refused(Code::ReferenceUnreadable, message)
        })?;
        if bytes.len() as u64 > max_bytes {
            return Err(exchange::too_large(max_bytes));
        }
        Ok(SourceFile { name, bytes })
    }
}

#[cfg(test)]
#[path = "../tests/fetch/mod.rs"]
mod tests;
