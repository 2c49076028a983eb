//! Facts about exchanges, with a server that says what a test wants it to.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Long enough for anything here, and short enough to be waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers every request with the next of `answers`, each on a connection of its own, and gives back
/// what it was asked.
async fn serving(answers: Vec<String>) -> (Url, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/first", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).await.unwrap();
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            // It may be gone: an answer that is too long is not read to its end.
            stream.shutdown().await.ok();
            asked.push(String::from_utf8(request).unwrap());
        }
        asked
    });
    (url.parse().unwrap(), served)
}

fn redirecting(status: &str, location: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nlocation: {location}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )
}

fn answering(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

async fn send(request: Request) -> Result<Answer, DriverError> {
    let client = Client::new(None).unwrap();
    client.send(request, Instant::now() + PATIENCE).await
}

#[tokio::test]
async fn a_redirect_on_the_same_host_takes_credentials_along() {
    let (url, served) = serving(vec![
        redirecting("307 Temporary Redirect", "/second"),
        answering("{}"),
    ])
    .await;
    let mut request = Request::new(Method::POST, url);
    request
        .headers
        .insert("authorization", HeaderValue::from_static("Basic eA=="));
    let answer = send(request).await.unwrap();
    assert_eq!(&answer.body[..], b"{}");
    assert_eq!(answer.url.path(), "/second");
    for asked in served.await.unwrap() {
        assert!(asked.starts_with("POST "), "{asked}");
        assert!(asked.contains("authorization: Basic eA=="), "{asked}");
    }
}

#[tokio::test]
async fn redirects_elsewhere_and_redirects_that_drop_what_was_sent_are_refused() {
    for (method, status, location, told) in [
        (
            Method::GET,
            "307 Temporary Redirect",
            "https://elsewhere.example/x",
            "to another host, elsewhere.example",
        ),
        (
            Method::GET,
            "302 Found",
            "//127.0.0.1:1/x",
            "to another host, 127.0.0.1:1",
        ),
        (
            Method::POST,
            "302 Found",
            "/second",
            "what was to be changed",
        ),
    ] {
        let (url, _served) = serving(vec![redirecting(status, location)]).await;
        let error = send(Request::new(method, url)).await.unwrap_err();
        assert!(error.message.ends_with(told), "{error}");
        assert_eq!(error.kind, ErrorKind::Protocol);
    }
    let again = redirecting("308 Permanent Redirect", "/first");
    let (url, _served) = serving(vec![again; MAX_REDIRECTS + 1]).await;
    let error = send(Request::new(Method::GET, url)).await.unwrap_err();
    assert!(error.message.contains("more than 3 times"), "{error}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up() {
    let long = answering(&" ".repeat(MAX_BODY_BYTES + 1));
    let (url, _served) = serving(vec![long]).await;
    let error = send(Request::new(Method::GET, url)).await.unwrap_err();
    assert_eq!((error.kind, error.transient), (ErrorKind::Protocol, false));
}

#[tokio::test]
async fn what_was_never_sent_is_known_to_be() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(listener);
    let error = send(Request::new(Method::POST, url)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.transient && error.not_sent);
    assert!(error.message.contains("refused"), "{error}");

    // It hears the request and says nothing.
    let (url, _served) = serving(vec![String::new()]).await;
    let error = send(Request::new(Method::POST, url)).await.unwrap_err();
    assert!(error.transient && !error.not_sent, "{error:?}");
}

#[tokio::test]
async fn a_silent_device_is_waited_for_until_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let client = Client::new(None).unwrap();
    let soon = Instant::now() + Duration::from_millis(200);
    let error = client
        .send(Request::new(Method::GET, url.clone()), soon)
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.not_sent), (ErrorKind::Timeout, false));
    let error = client
        .send(Request::new(Method::GET, url), soon)
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.not_sent), (ErrorKind::Timeout, true));
}

#[test]
fn a_file_without_certificates_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "no certificate").unwrap();
    assert!(matches!(
        Client::new(Some(file.path())),
        Err(ClientError::Trust(TrustError::NoCertificate { .. }))
    ));
    let missing = file.path().join("missing");
    assert!(matches!(
        Client::new(Some(&missing)),
        Err(ClientError::Trust(TrustError::File { .. }))
    ));
}
