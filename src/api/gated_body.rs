//! The body of an answer that ends when its caller's grant does.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tracing::debug;

use super::call::CallId;
use super::status::Failure;

/// A body, or none.
pub(super) struct GatedBody<R> {
    inner: Option<R>,
    withdrawn: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<R> GatedBody<R> {
    /// A body that ends by itself.
    pub(super) fn whole(body: R) -> Self {
        Self {
            inner: Some(body),
            withdrawn: None,
        }
    }

    /// A body that is dropped, and ends with UNAUTHENTICATED, as soon as it is polled after `withdrawn`.
    /// Frames are whole messages, so that none is cut.
    pub(super) fn until(body: R, withdrawn: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            inner: Some(body),
            withdrawn: Some(Box::pin(withdrawn)),
        }
    }
}

impl<R> Default for GatedBody<R> {
    fn default() -> Self {
        Self {
            inner: None,
            withdrawn: None,
        }
    }
}

impl<R: Body<Data = Bytes> + Unpin> Body for GatedBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        if let Some(withdrawn) = &mut this.withdrawn
            && withdrawn.as_mut().poll(cx).is_ready()
        {
            this.withdrawn = None;
            this.inner = None;
            let mut trailers = HeaderMap::new();
            let status = Failure::Unauthenticated.into_status(CallId::new());
            if let Err(error) = status.add_header(&mut trailers) {
                debug!(%error, "stream ended without its status");
            }
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Pin::new(inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}
