//! What the transport answers by itself, answered as the contract says.
//!
//! A request that does not decode, is too large, or is for a method that does not exist never reaches a
//! handler: tonic answers it itself, without details. Those answers are known by two marks: they are headers
//! alone, and every status of our own has details. They are replaced here.
//!
//! A request body that breaks off because its connection does has the same marks, but nobody is left to
//! read that answer.
//!
//! The deadline that a caller sends with its call is kept here, a moment before tonic would: tonic says
//! CANCELLED then, which is what a caller says and not what it is told. As with tonic, it is the deadline of
//! the answer's beginning; how long a stream goes on is the business of who reads it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use http::{HeaderMap, Request, Response};
use tokio::time::timeout;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::call::CallId;
use super::status::Failure;

/// The header with the time that a caller gives.
const TIMEOUT: &str = "grpc-timeout";

/// The longest number in it, as the protocol has it.
const MAX_TIMEOUT_DIGITS: usize = 8;

/// By how much a deadline is kept before it passes: the resolution of timers, and a step.
const EARLIER: Duration = Duration::from_millis(2);

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

impl<S, B, R> Service<Request<B>> for TransportErrors<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = request.extensions().get().copied().unwrap_or_default();
        let given = time_given(request.headers());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Some(given) = given else {
                return answer.await.map(|response| rewrite(response, call));
            };
            let time = given.saturating_sub(EARLIER);
            // A timer of no length may be overtaken by tonic's own: then it is over when the answer is
            // not there at once.
            let answered = if time.is_zero() {
                answer.now_or_never()
            } else {
                timeout(time, answer).await.ok()
            };
            match answered {
                Some(answer) => answer.map(|response| rewrite(response, call)),
                None => Ok(Failure::DeadlineExceeded.into_status(call).into_http()),
            }
        })
    }
}

/// The response that a caller gets.
fn rewrite<R>(mut response: Response<R>, call: CallId) -> Response<R> {
    if let Some(failure) = Status::from_header_map(response.headers()).and_then(as_failure) {
        let told: Response<()> = failure.into_status(call).into_http();
        // Beside the status there may be what encodings are known. The body is empty.
        response.headers_mut().extend(told.into_parts().0.headers);
    }
    response
}

/// The time that the caller gives for an answer; none where it gives none that can be read.
fn time_given(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(TIMEOUT)?.to_str().ok()?;
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if number.len() > MAX_TIMEOUT_DIGITS || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 60 * 60),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

fn as_failure(status: Status) -> Option<Failure> {
    if !status.details().is_empty() {
        return None;
    }
    match status.code() {
        Code::Internal => Some(Failure::Undecodable(status.message().to_owned())),
        Code::OutOfRange => Some(Failure::TooLarge),
        Code::Unimplemented => Some(Failure::Unimplemented(status.message().to_owned())),
        // Nothing that the transport says by itself.
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
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic::body::Body;
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::proto::v1;
    use crate::proto::v1::design_service_server::{DesignService, DesignServiceServer};

    fn rewritten(status: &Status) -> (Code, Option<String>) {
        let response = rewrite(status.clone().into_http::<Body>(), CallId::new());
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
        assert_eq!(
            rewritten(&Status::unimplemented("")),
            (Code::Unimplemented, Some("UNIMPLEMENTED".to_owned()))
        );
    }

    #[test]
    fn a_deadline_is_read_as_the_protocol_writes_it() {
        let given = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, value.parse().expect("a value"));
            time_given(&headers)
        };
        assert_eq!(given("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(given("3M"), Some(Duration::from_secs(180)));
        assert_eq!(given("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(given("0m"), Some(Duration::ZERO));
        assert_eq!(given("5u"), Some(Duration::from_micros(5)));
        assert_eq!(given("7n"), Some(Duration::from_nanos(7)));
        for nonsense in ["", "S", "5", "+5S", "5s", "123456789S", "5 S"] {
            assert_eq!(given(nonsense), None, "{nonsense}");
        }
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

        async fn get_node(
            &self,
            _request: tonic::Request<v1::GetNodeRequest>,
        ) -> Result<tonic::Response<v1::EffectiveNode>, Status> {
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
            rewritten(&Status::not_found("somebody else's")),
            (Code::NotFound, None)
        );
    }
}
