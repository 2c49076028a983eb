//! The gate: nothing behind it is asked anything by a caller who may not ask.
//!
//! It stands before every service and before the answer to unknown methods. It finds out who calls, holds
//! that against the [rules](super::rules), and hands the identity on; the token goes no further. A refusal
//! says the same whatever is wrong with a credential, and comes before the request is read, so that it
//! tells nothing of what exists. An open stream ends when what it was granted on is withdrawn.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service};

use super::call::{CallId, Peer};
use super::gated_body::GatedBody;
use super::refusals::Refusals;
use super::rules::{Needs, rule};
use super::status::Failure;
use crate::access::{Access, Credential, Grant, Token};
use crate::domain::Role;
use crate::seeded::{Bug, seeded};

/// The only scheme of `authorization` that is known.
const SCHEME: &str = "bearer";

/// Puts a [`Gate`] before services.
#[derive(Clone, Debug)]
pub(super) struct GateLayer {
    access: Access,
    refusals: Arc<Refusals>,
}

impl GateLayer {
    /// A gate for those whom `access` admits.
    pub(super) fn new(access: Access) -> Self {
        Self {
            access,
            refusals: Arc::default(),
        }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gate {
            inner,
            gate: self.clone(),
        }
    }
}

/// A service behind the gate.
#[derive(Clone, Debug)]
pub(super) struct Gate<S> {
    inner: S,
    gate: GateLayer,
}

impl<S, B, R> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    type Response = Response<GatedBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.gate.pass(&mut request) {
            Ok(held) => {
                let answer = self.inner.call(request);
                Box::pin(async move {
                    let response = answer.await?;
                    Ok(response.map(|body| match held {
                        Some((grant, needed)) => GatedBody::until(body, grant.withdrawn(needed)),
                        None => GatedBody::whole(body),
                    }))
                })
            }
            Err(failure) => {
                let response = failure.into_status(CallId::new()).into_http();
                Box::pin(std::future::ready(Ok(response)))
            }
        }
    }
}

impl GateLayer {
    /// Lets a request pass, and says on what its stream depends.
    fn pass<B>(&self, request: &mut Request<B>) -> Result<Option<(Grant, Role)>, Failure> {
        let credential = credential(request);
        // Whatever comes later has no use for it, and could tell it to a log.
        request.headers_mut().remove(AUTHORIZATION);
        if let Access::Open = self.access {
            request
                .extensions_mut()
                .insert(crate::access::Identity::anonymous());
            return Ok(None);
        }
        let path = request.uri().path();
        let rule = rule(path);
        if rule.is_some_and(|rule| rule.needs == Needs::Nothing) {
            return Ok(None);
        }
        let peer = request.extensions().get::<Peer>().map(|peer| peer.address);
        let grant = credential.and_then(|credential| {
            let is_shown = credential.is_some();
            self.access.admit(credential).ok_or(if is_shown {
                "the credential is not known, or not any more"
            } else {
                "no credential"
            })
        });
        let grant = match grant {
            Ok(grant) => grant,
            Err(why) => {
                self.refusals.tell(path, peer, why);
                return Err(Failure::Unauthenticated);
            }
        };
        let needed = match rule.map(|rule| rule.needs) {
            Some(Needs::Role(needed))
                if grant.identity.role.includes(needed) || seeded(Bug::IgnoredRole) =>
            {
                needed
            }
            Some(Needs::Role(needed)) => {
                return Err(denied(&grant, path, peer, Some(needed)));
            }
            Some(Needs::Nothing) | None => return Err(denied(&grant, path, peer, None)),
        };
        request.extensions_mut().insert(grant.identity.clone());
        let streams = rule.is_some_and(|rule| rule.streams);
        Ok(streams.then_some((grant, needed)))
    }
}

fn denied(
    grant: &Grant,
    path: &str,
    peer: Option<std::net::SocketAddr>,
    needed: Option<Role>,
) -> Failure {
    super::refusals::denied(path, peer, &grant.identity, needed);
    Failure::Denied {
        role: grant.identity.role,
        needed,
    }
}

/// The credential that a request shows. A token says who is meant even where the connection has a
/// certificate, so one that cannot be read is refused and not passed over.
fn credential<B>(request: &Request<B>) -> Result<Option<Credential>, &'static str> {
    let mut shown = request.headers().get_all(AUTHORIZATION).iter();
    match (shown.next(), shown.next()) {
        (Some(value), None) => {
            let token = value.to_str().ok().and_then(|value| {
                let (scheme, token) = value.split_once(' ')?;
                (scheme.eq_ignore_ascii_case(SCHEME)).then_some(token.trim())
            });
            let token = token.and_then(Token::parse).ok_or("not a bearer token")?;
            Ok(Some(Credential::Token(token.hash())))
        }
        (Some(_), Some(_)) => Err("several tokens"),
        (None, _) => Ok(request
            .extensions()
            .get::<Peer>()
            .and_then(|peer| peer.certificate.clone())
            .map(Credential::Certificate)),
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
