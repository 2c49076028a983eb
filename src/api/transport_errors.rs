//! Requests that the transport cannot read, answered as the contract says.
//!
//! A request that does not decode, or is too large, never reaches a handler: tonic answers it itself,
//! with INTERNAL or OUT_OF_RANGE and no details. Those answers are known by two marks: they are headers
//! alone, and every status of our own has details. They are replaced here.
//!
//! A request body that breaks off because its connection does has the same marks, but nobody is left to
//! read that answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::call::CallId;
use super::status::Failure;

/// Puts [`TransportErrors`] around a service.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TransportErrorsLayer;

/// A service whose undecodable requests are answered as the contract says.
#[derive(Clone, Debug)]
pub(super) struct TransportErrors<S> {
    inner: S,
}

impl<S> Layer<S> for TransportErrorsLayer {
    type Service = TransportErrors<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TransportErrors { inner }
    }
}

impl<S> Service<Request<Body>> for TransportErrors<S>
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = request.extensions().get().copied().unwrap_or_default();
        let answer = self.inner.call(request);
        Box::pin(async move { answer.await.map(|response| rewrite(response, call)) })
    }
}

/// The response that a caller gets.
fn rewrite(response: Response<Body>, call: CallId) -> Response<Body> {
    match Status::from_header_map(response.headers()).and_then(as_failure) {
        Some(failure) => failure.into_status(call).into_http(),
        None => response,
    }
}

fn as_failure(status: Status) -> Option<Failure> {
    if !status.details().is_empty() {
        return None;
    }
    match status.code() {
        Code::Internal => Some(Failure::Undecodable(status.message().to_owned())),
        Code::OutOfRange => Some(Failure::TooLarge),
        // Unknown methods, deadlines and encodings: the transport's own affair.
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::proto::v1;
    use crate::proto::v1::design_service_server::{DesignService, DesignServiceServer};

    fn rewritten(status: &Status) -> (Code, Option<String>) {
        let response = rewrite(status.clone().into_http(), CallId::new());
        let status = Status::from_header_map(response.headers()).expect("a status");
        let reason = status.get_details_error_info().map(|info| info.reason);
        (status.code(), reason)
    }

    #[test]
    fn what_the_transport_says_becomes_what_the_contract_says() {
        assert_eq!(
            rewritten(&Status::internal("failed to decode Protobuf message")),
            (
                Code::InvalidArgument,
                Some("REQUEST_UNDECODABLE".to_owned())
            )
        );
        assert_eq!(
            rewritten(&Status::out_of_range("message length too large")),
            (Code::InvalidArgument, Some("REQUEST_TOO_LARGE".to_owned()))
        );
    }

    /// A service whose handlers are never reached.
    struct Unreached;

    #[tonic::async_trait]
    impl DesignService for Unreached {
        async fn resolve_node_filter(
            &self,
            _request: tonic::Request<v1::ResolveNodeFilterRequest>,
        ) -> Result<tonic::Response<v1::ResolveNodeFilterResponse>, Status> {
            Err(Status::unknown("the request was decoded"))
        }

        async fn validate_design(
            &self,
            _request: tonic::Request<v1::ValidateDesignRequest>,
        ) -> Result<tonic::Response<v1::Status>, Status> {
            Err(Status::unknown("the request was decoded"))
        }
    }

    /// What a server answers to the bytes of a request's body.
    async fn answer(body: &str) -> (Code, Option<String>) {
        let mut service = TransportErrorsLayer.layer(DesignServiceServer::new(Unreached));
        let request = Request::builder()
            .method("POST")
            .uri("/drydock.v1.DesignService/ResolveNodeFilter")
            .header("content-type", "application/grpc")
            .body(Body::new(body.to_owned()))
            .expect("a request");
        let Ok(response) = service.call(request).await;
        let status = Status::from_header_map(response.headers()).expect("headers alone");
        let reason = status.get_details_error_info().map(|info| info.reason);
        (status.code(), reason)
    }

    #[tokio::test]
    async fn the_transport_still_answers_the_way_that_is_replaced() {
        let undecodable = || {
            (
                Code::InvalidArgument,
                Some("REQUEST_UNDECODABLE".to_owned()),
            )
        };
        // A field that is longer than its message, one of another type.
        assert_eq!(answer("\0\0\0\0\x02\x0a\x7f").await, undecodable());
        assert_eq!(answer("\0\0\0\0\x02\x08\x01").await, undecodable());
        // No message, half a message, a flag that does not exist.
        assert_eq!(answer("").await, undecodable());
        assert_eq!(answer("\0\0\0\0\x05ab").await, undecodable());
        assert_eq!(answer("\x07\0\0\0\0").await, undecodable());
        // One byte more than 4 MiB is announced.
        assert_eq!(
            answer("\0\0\x40\0\x01").await,
            (Code::InvalidArgument, Some("REQUEST_TOO_LARGE".to_owned()))
        );
        // An empty message is a good one.
        assert_eq!(answer("\0\0\0\0\0").await, (Code::Unknown, None));
    }

    #[test]
    fn our_own_statuses_and_other_codes_stay() {
        let ours = Failure::Tasks(crate::tasks::Error::Store(crate::store::Error::Corrupt {
            what: "task",
            problem: "on purpose".to_owned(),
        }))
        .into_status(CallId::new());
        assert_eq!(
            rewritten(&ours),
            (Code::Internal, Some("INTERNAL".to_owned()))
        );
        assert_eq!(
            rewritten(&Status::unimplemented("no such method")),
            (Code::Unimplemented, None)
        );
    }
}
