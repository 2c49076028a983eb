//! One span for each call: which RPC, which id, whose, how it ended.
//!
//! The code of a call is known at its last frame. So the response's body is watched until its trailers
//! come, or until it is dropped without them because its reader went away.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field};

use super::call::CallId;
use crate::access::Identity;

/// Puts [`TraceCall`] around a service.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TraceCallLayer;

/// A service whose calls have an id and a span.
#[derive(Clone, Debug)]
pub(super) struct TraceCall<S> {
    inner: S,
}

impl<S> Layer<S> for TraceCallLayer {
    type Service = TraceCall<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TraceCall { inner }
    }
}

impl<S> Service<Request<Body>> for TraceCall<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let call = CallId::new();
        request.extensions_mut().insert(call);
        let span = tracing::info_span!(
            "call",
            rpc = request.uri().path(),
            request_id = %call,
            actor = request.extensions().get::<Identity>().map(|identity| &*identity.name),
            code = field::Empty,
        );
        // Begun before the handler, so that a caller who leaves while it works is seen too.
        let ending = Ending::new(span.clone());
        let answer = span.in_scope(|| self.inner.call(request));
        Box::pin(
            async move {
                let response = answer.await?;
                let (parts, body) = response.into_parts();
                let mut body = TracedBody {
                    inner: body,
                    ending,
                };
                // An error before the first message is headers alone.
                body.ending.told(&parts.headers);
                Ok(Response::from_parts(parts, Body::new(body)))
            }
            .instrument(span),
        )
    }
}

/// A body that is watched for the code at its end.
struct TracedBody {
    inner: Body,
    ending: Ending,
}

impl http_body::Body for TracedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let span = self.ending.span.clone();
        let polled = span.in_scope(|| Pin::new(&mut self.inner).poll_frame(cx));
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(trailers) = frame.trailers_ref()
        {
            self.ending.told(trailers);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Records how a call ends, once: with the code it was answered with, or as cancelled.
struct Ending {
    span: Span,
    begun: Instant,
    recorded: bool,
}

impl Ending {
    fn new(span: Span) -> Self {
        Self {
            span,
            begun: Instant::now(),
            recorded: false,
        }
    }

    fn told(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(Status::GRPC_STATUS) {
            self.record(Code::from_bytes(code.as_bytes()));
        }
    }

    fn record(&mut self, code: Code) {
        if self.recorded {
            return;
        }
        self.recorded = true;
        self.span.record("code", field::debug(code));
        let elapsed_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(parent: &self.span, elapsed_ms, "call ended");
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.record(Code::Cancelled);
    }
}
