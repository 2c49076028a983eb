//! Tests of [`super`]: what is taken for a credential, and who passes.

use std::convert::Infallible;

use http::HeaderValue;
use tonic::body::Body;
use tonic::{Code, Status};

use super::*;
use crate::access::{Identity, Roster};

const READS: &str = "/drydock.v1.TaskService/GetTask";

/// Says whom it was called by, and whether it saw the token.
async fn echo(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let name = request.extensions().get::<Identity>();
    let name = name.map_or("nobody", |identity| &identity.name).to_owned();
    let mut response = Response::new(Body::empty());
    let saw = request.headers().contains_key(AUTHORIZATION);
    let told = HeaderValue::from_str(&format!("{name} {saw}")).expect("a header");
    response.headers_mut().insert("caller", told);
    Ok(response)
}

fn request(path: &str, authorization: &[&str]) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    for value in authorization {
        request = request.header(AUTHORIZATION, *value);
    }
    request.body(Body::empty()).expect("a request")
}

async fn answer(access: &Access, request: Request<Body>) -> Result<String, Code> {
    let mut service = GateLayer::new(access.clone()).layer(tower::service_fn(echo));
    let Ok(response) = service.call(request).await;
    if let Some(status) = Status::from_header_map(response.headers()) {
        return Err(status.code());
    }
    let told = response.headers().get("caller").expect("it was called");
    Ok(told.to_str().expect("text").to_owned())
}

fn listed(text: &str) -> Access {
    let roster = Arc::new(Roster::parse(text).expect("a roster"));
    // A receiver keeps what was sent last.
    Access::Listed(tokio::sync::watch::channel(roster).1)
}

#[tokio::test]
async fn a_token_is_taken_in_one_form_only() {
    let token = Token::generate().expect("randomness");
    let access = listed(&format!("ci read {}", token.hash()));
    let shown = token.expose();
    for good in [format!("Bearer {shown}"), format!("bearer  {shown} ")] {
        let answer = answer(&access, request(READS, &[&good])).await;
        assert_eq!(
            answer.as_deref(),
            Ok("ci false"),
            "the token goes no further"
        );
    }
    let last = &shown[..shown.len() - 1];
    for bad in [
        shown.to_owned(),
        format!("Basic {shown}"),
        format!("Bearer {shown}x"),
        format!("Bearer {last}"),
        format!("Bearer {}", token.hash()),
        "Bearer ".to_owned(),
        String::new(),
    ] {
        let answer = answer(&access, request(READS, &[&bad])).await;
        assert_eq!(answer, Err(Code::Unauthenticated), "{bad}");
    }
    let good = format!("Bearer {shown}");
    let twice = answer(&access, request(READS, &[&good, &good])).await;
    assert_eq!(twice, Err(Code::Unauthenticated));
    assert_eq!(
        answer(&access, request(READS, &[])).await,
        Err(Code::Unauthenticated)
    );
}

#[tokio::test]
async fn a_method_without_a_rule_is_denied_to_everybody() {
    let token = Token::generate().expect("randomness");
    let access = listed(&format!("root destroy {}", token.hash()));
    let bearer = format!("Bearer {}", token.expose());
    for path in ["/drydock.v1.TaskService/Unheard", "/", "/metrics"] {
        let known = answer(&access, request(path, &[&bearer])).await;
        assert_eq!(known, Err(Code::PermissionDenied), "{path}");
        let unknown = answer(&access, request(path, &[])).await;
        assert_eq!(unknown, Err(Code::Unauthenticated), "{path}");
    }
    let health = request("/grpc.health.v1.Health/Check", &["Bearer nonsense"]);
    assert_eq!(answer(&access, health).await.as_deref(), Ok("nobody false"));
    let open = answer(&Access::Open, request("/", &[&bearer])).await;
    assert_eq!(open.as_deref(), Ok("anonymous false"));
}
