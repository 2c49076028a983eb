//! What an honest server may say, and what it is shown.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::super::loader::Loader;
use super::super::super::support::TestResult;
use super::super::*;
use super::fetching::{RACK, gzip, load, options, uri};
use super::http::{Answer, Asked, WebServer, head};

#[tokio::test]
async fn what_a_server_calls_its_answer_does_not_matter() -> TestResult {
    let server = WebServer::start(|asked| match asked.target.as_str() {
        "/zipped" => Answer::with(
            "200 OK",
            &["content-encoding: gzip", "content-type: image/png"],
            gzip(RACK.as_bytes()),
        ),
        // More than it says it sends: what it says counts.
        "/more" => {
            let mut bytes = head("200 OK", &[&format!("content-length: {}", RACK.len())]);
            bytes.extend_from_slice(RACK.as_bytes());
            bytes.extend_from_slice(b"---\nschema: drydock/Rack/v1\nmetadata: {name: r2}\n");
            Answer::Bytes(bytes)
        }
        "/moved" => Answer::redirect("/moved-again"),
        "/moved-again" => Answer::with("308 Permanent Redirect", &["location: /here?x=1"], ""),
        _here => Answer::with("200 OK", &["content-type: text/html"], RACK),
    })
    .await;
    let loader = Loader::new(options(&server));
    for path in ["", "zipped", "more", "moved", "site.yaml?token=hunter2"] {
        let design = load(&loader, &uri(&server, path)).await?;
        assert_eq!(design.inventory.racks().len(), 1, "{path}");
    }
    let asked: Vec<String> = server
        .asked()
        .into_iter()
        .map(|asked| asked.target)
        .collect();
    let expected = [
        "/",
        "/zipped",
        "/more",
        "/moved",
        "/moved-again",
        "/here?x=1",
        "/site.yaml?token=hunter2",
    ];
    assert_eq!(asked, expected);
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_away_may_come_back() {
    let server = WebServer::start(|_| Answer::ok(RACK)).await;
    let loader = Loader::new(options(&server));
    let uri = uri(&server, "");
    drop(server);
    // Until the listener is closed, connections are taken and then cut.
    let outcome = load(&loader, &uri).await;
    assert!(
        matches!(outcome, Err(LoadError::Unavailable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_is_unchanged_is_not_sent_again() -> TestResult {
    let version = std::sync::Arc::new(AtomicUsize::new(1));
    let now = version.clone();
    let server = WebServer::start(move |asked| {
        let version = now.load(Ordering::SeqCst);
        let tag = match asked.target.as_str() {
            "/weak" => format!("W/\"{version}\""),
            _strong => format!("\"{version}\""),
        };
        if asked.header("if-none-match") == Some(&tag) {
            return Answer::Bytes(head("304 Not Modified", &[]));
        }
        let body = RACK.replace("r1", &format!("r{version}"));
        Answer::with("200 OK", &[&format!("etag: {tag}")], body)
    })
    .await;
    let loader = Loader::new(options(&server));
    let first = load(&loader, &uri(&server, "strong")).await?;
    let second = load(&loader, &uri(&server, "strong")).await?;
    assert_eq!(first.digest, second.digest);
    version.store(2, Ordering::SeqCst);
    let third = load(&loader, &uri(&server, "strong")).await?;
    assert!(third.inventory.racks().contains_key("r2"));
    for _ in 0..2 {
        load(&loader, &uri(&server, "weak")).await?;
    }
    let asked = server.asked();
    let with: Vec<_> = asked
        .iter()
        .map(|asked| asked.header("if-none-match"))
        .collect();
    assert_eq!(with, [None, Some("\"1\""), Some("\"1\""), None, None]);
    Ok(())
}

#[tokio::test]
async fn tokens_are_shown_to_their_origin_alone() -> TestResult {
    let revision = "/api/v1.0/revisions/7/rendered-documents";
    let server = WebServer::start(|_| Answer::ok(RACK)).await;
    let port = server.address().port();
    let directory = tempfile::TempDir::new()?;
    let file = directory.path().join("designs");
    std::fs::write(&file, "first\n")?;
    let mut options = options(&server);
    options.fetch.secrets = SecretSource::new(Some(directory.path().to_owned()));
    options.fetch.tokens = vec![
        format!("http://127.0.0.1:{port}=secret://designs").parse()?,
        // Nobody is asked for what lies there: it is for TLS.
        format!("https://localhost:{port}=secret://nowhere").parse()?,
    ];
    let loader = Loader::new(options);
    load(&loader, &uri(&server, "")).await?;
    std::fs::write(&file, "second")?;
    load(
        &loader,
        &format!("deckhand+http://127.0.0.1:{port}{revision}"),
    )
    .await?;
    load(&loader, &format!("http://localhost:{port}/")).await?;

    let asked = server.asked();
    let shown = |asked: &Asked| {
        let names = ["authorization", "x-auth-token", "cookie"];
        names.map(|name| asked.header(name).map(str::to_owned))
    };
    assert_eq!(
        shown(&asked[0]),
        [Some("Bearer first".to_owned()), None, None]
    );
    assert_eq!(shown(&asked[1]), [None, Some("second".to_owned()), None]);
    assert_eq!(shown(&asked[2]), [None, None, None]);
    assert_eq!(asked[1].target, format!("{revision}?schema=drydock"));

    for unusable in ["", "two\nlines", "\u{fc}"] {
        std::fs::write(&file, unusable)?;
        let outcome = load(&loader, &uri(&server, "")).await;
        let Err(LoadError::Unavailable(error)) = outcome else {
            panic!("{unusable}: {outcome:?}")
        };
        let message = "the token for the design's server is not to be had";
        assert_eq!(error.to_string(), message);
    }
    Ok(())
}
