//! A loader and a web server that says what it likes.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::super::loader::{Loader, LoaderOptions};
use super::super::super::reference::ReferencePolicy;
use super::super::super::support::{TestResult, invalid};
use super::super::super::{Code, Design};
use super::super::*;
use super::http::{Answer, Asked, WebServer, head};

pub(super) const RACK: &str = "schema: drydock/Rack/v1\nmetadata: {name: r1}\n";

/// A design that the tests' loader takes, and nothing more.
pub(super) const MAX: u64 = 64 * 1024;

const SLOW: &str = "the design's server took too long";

/// Where names lead in these tests.
pub(super) const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

pub(super) fn options(server: &WebServer) -> LoaderOptions {
    let port = server.address().port();
    let hosts = ["127.0.0.1", "localhost", "designs.example.test"];
    let hosts = hosts.map(|host| format!("{host}:{port}").parse());
    LoaderOptions {
        references: ReferencePolicy {
            web: WebPolicy {
                hosts: hosts.into_iter().flatten().collect(),
                plain_http: true,
                loopback: true,
            },
            ..ReferencePolicy::default()
        },
        max_bytes: MAX,
        ..LoaderOptions::default()
    }
}

async fn load(loader: &Loader, uri: &str) -> Result<Design, LoadError> {
    let reference = loader.check(uri);
    let reference = reference.unwrap_or_else(|error| panic!("{uri}: {error}"));
    loader.load(&reference).await
}

fn uri(server: &WebServer, path: &str) -> String {
    format!("http://{}/{path}", server.address())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// What the hostile server does for a path, and what comes of it: a finding's code, or none for what may
/// pass by itself, and the message.
fn hostile(asked: &Asked) -> (Answer, Option<Code>, &'static str) {
    use Code::{ReferenceEscapes, ReferenceNotFound, ReferenceUnreadable, TooLarge};
    let breaks_off = "the answer of the design's server breaks off or is not HTTP";
    let slow = SLOW;
    let large = "the design has more than 65536 bytes";
    let encoding = "the design's server answers in an encoding that it was not asked for";
    let damaged = "the answer of the design's server does not decompress";
    let status = |status: &str| Answer::with(status, &[], RACK);
    let chunked = head("200 OK", &["transfer-encoding: chunked"]);
    let zipped = |body: &[u8]| Answer::with("200 OK", &["content-encoding: gzip"], body);
    let encoded =
        |with: &str| Answer::with("200 OK", &[&format!("content-encoding: {with}")], RACK);
    let redirect = |to: &str, why| (Answer::redirect(to), Some(ReferenceEscapes), why);
    match asked.target.trim_start_matches('/') {
        // Sizes.
        "large" => (Answer::ok("#".repeat(65537)), Some(TooLarge), large),
        "says-large" => {
            let head = head("200 OK", &["content-length: 99999999999"]);
            (Answer::Silence(head), Some(TooLarge), large)
        }
        "endless" => (
            Answer::Endless(chunked, format!("400\r\n{}\r\n", "#".repeat(1024)).into()),
            Some(TooLarge),
            large,
        ),
        "bomb" => (zipped(&gzip(&vec![b'#'; 1 << 20])), Some(TooLarge), large),
        "nested-bomb" => (
            Answer::with(
                "200 OK",
                &["content-encoding: gzip, gzip"],
                gzip(&gzip(&vec![b'#'; 1 << 20])),
            ),
            Some(ReferenceUnreadable),
            encoding,
        ),
        "many-bombs" => (
            zipped(&gzip(&vec![b'#'; 4096]).repeat(64)),
            Some(TooLarge),
            large,
        ),
        // Lengths that lie, and none.
        "too-short" => {
            let mut bytes = head("200 OK", &["content-length: 4000"]);
            bytes.extend_from_slice(RACK.as_bytes());
            (Answer::Bytes(bytes), None, breaks_off)
        }
        "two-lengths" => {
            let mut bytes = head("200 OK", &["content-length: 4", "content-length: 40"]);
            bytes.extend_from_slice(RACK.as_bytes());
            (Answer::Bytes(bytes), None, breaks_off)
        }
        "negative-length" => (
            Answer::Bytes(head("200 OK", &["content-length: -1"])),
            None,
            breaks_off,
        ),
        "no-length" => {
            let mut bytes = head("200 OK", &["connection: close"]);
            bytes.extend_from_slice(RACK.as_bytes());
            (
                Answer::Bytes(bytes),
                Some(ReferenceUnreadable),
                "the design's server does not say where the design ends, and half of it would pass for the whole",
            )
        }
        "broken-chunks" => {
            let bytes = [&chunked[..], b"zz\r\nschema"].concat();
            (Answer::Bytes(bytes), None, breaks_off)
        }
        "cut-chunks" => {
            let bytes = [&chunked[..], b"4\r\nsche\r\n"].concat();
            (Answer::Bytes(bytes), None, breaks_off)
        }
        // Time.
        "silent" => (Answer::Silence(Vec::new()), None, slow),
        "half-a-head" => (
            Answer::Silence(b"HTTP/1.1 200 OK\r\ncont".to_vec()),
            None,
            slow,
        ),
        "slow-head" => (
            Answer::Trickle(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
            None,
            slow,
        ),
        "slow-body" => (
            Answer::Trickle(head("200 OK", &["content-length: 60000"])),
            None,
            slow,
        ),
        "half-a-body" => (
            Answer::Silence(head("200 OK", &["content-length: 60"])),
            None,
            slow,
        ),
        // Heads.
        "not-http" => (
            Answer::Bytes(b"SSH-2.0-OpenSSH_9\r\n".to_vec()),
            None,
            breaks_off,
        ),
        "nothing" => (Answer::Bytes(Vec::new()), None, breaks_off),
        "endless-head" => (
            Answer::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".to_vec()),
            None,
            breaks_off,
        ),
        "endless-line" => (
            Answer::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'y'; 1024]),
            None,
            breaks_off,
        ),
        // Encodings.
        "brotli" => (encoded("br"), Some(ReferenceUnreadable), encoding),
        "deflate" => (encoded("deflate"), Some(ReferenceUnreadable), encoding),
        "not-gzip" => (encoded("gzip"), Some(ReferenceUnreadable), damaged),
        "cut-gzip" => (
            zipped(&gzip(RACK.as_bytes())[..20]),
            Some(ReferenceUnreadable),
            damaged,
        ),
        "gzip-and-more" => (
            zipped(&[&gzip(RACK.as_bytes())[..], b"more"].concat()),
            Some(ReferenceUnreadable),
            damaged,
        ),
        // Redirects.
        "to-metadata" => redirect(
            "http://169.254.169.254/latest/meta-data/",
            "the design's server redirects to another host",
        ),
        "to-loopback" => redirect(
            "http://localhost:1/",
            "the design's server redirects to another host",
        ),
        "to-another-port" => redirect(
            "http://127.0.0.1:1/",
            "the design's server redirects to another port",
        ),
        "to-a-file" => redirect(
            "file:///etc/passwd",
            "the design's server redirects to what is not allowed: the scheme `file` is not enabled",
        ),
        "to-a-user" => redirect(
            "http://user:hunter2@127.0.0.1/",
            "the design's server redirects to what is not allowed: the reference holds a user: who we are is configured, not passed",
        ),
        "to-decimal" => redirect(
            "http://2130706433/",
            "the design's server redirects to what is not allowed: the host of the reference is not plain: an IPv4 address is written as four decimal numbers without leading zeros",
        ),
        "to-nowhere" => (
            Answer::with("302 Found", &[], ""),
            Some(ReferenceEscapes),
            "the design's server redirects without an absolute path or URL",
        ),
        "to-a-neighbour" => redirect(
            "neighbour",
            "the design's server redirects without an absolute path or URL",
        ),
        "to-the-parent" => redirect(
            "/../etc",
            "the design's server redirects to what is not allowed: the path of the reference is not plain: it has a dot segment",
        ),
        "circle" => redirect("/circle", "the design's server redirects more than 3 times"),
        // Statuses.
        "404" => (
            status("404 Not Found"),
            Some(ReferenceNotFound),
            "names nothing that exists: the design's server answers 404",
        ),
        "410" => (
            status("410 Gone"),
            Some(ReferenceNotFound),
            "names nothing that exists: the design's server answers 410",
        ),
        "401" => (
            status("401 Unauthorized"),
            Some(ReferenceUnreadable),
            "names what this server may not read: the design's server answers 401",
        ),
        "403" => (
            status("403 Forbidden"),
            Some(ReferenceUnreadable),
            "names what this server may not read: the design's server answers 403",
        ),
        "409" => (
            status("409 Conflict"),
            Some(ReferenceUnreadable),
            "names no design: the design's server answers 409",
        ),
        "206" => (
            status("206 Partial Content"),
            Some(ReferenceUnreadable),
            "names no design: the design's server answers 206",
        ),
        "300" => (
            status("300 Multiple Choices"),
            Some(ReferenceUnreadable),
            "names no design: the design's server answers 300",
        ),
        "304" => (
            Answer::Bytes(head("304 Not Modified", &[])),
            Some(ReferenceUnreadable),
            "the design's server says `unchanged` of what it was not asked for",
        ),
        "429" => (
            status("429 Too Many Requests"),
            None,
            "the design's server answers 429",
        ),
        "500" => (
            status("500 Internal Server Error"),
            None,
            "the design's server answers 500",
        ),
        "503" => (
            status("503 Service Unavailable"),
            None,
            "the design's server answers 503",
        ),
        other => panic!("{other} is not asked for"),
    }
}

const HOSTILE: [&str; 47] = [
    "large",
    "says-large",
    "endless",
    "bomb",
    "nested-bomb",
    "many-bombs",
    "too-short",
    "two-lengths",
    "negative-length",
    "no-length",
    "broken-chunks",
    "cut-chunks",
    "silent",
    "half-a-head",
    "slow-head",
    "slow-body",
    "half-a-body",
    "not-http",
    "nothing",
    "endless-head",
    "endless-line",
    "brotli",
    "deflate",
    "not-gzip",
    "cut-gzip",
    "gzip-and-more",
    "to-metadata",
    "to-loopback",
    "to-another-port",
    "to-a-file",
    "to-a-user",
    "to-decimal",
    "to-nowhere",
    "to-a-neighbour",
    "to-the-parent",
    "circle",
    "404",
    "410",
    "401",
    "403",
    "409",
    "206",
    "300",
    "304",
    "429",
    "500",
    "503",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_answers_are_refused_each_with_its_reason() {
    let server = WebServer::start(|asked| hostile(asked).0).await;
    let patient = Loader::new(options(&server));
    let mut hurried = options(&server);
    hurried.fetch.time_limit = Duration::from_millis(300);
    let hurried = Loader::new(hurried);
    let mut wrong = Vec::new();
    for name in HOSTILE {
        let asked = Asked {
            target: format!("/{name}"),
            head: String::new(),
        };
        let (_, code, message) = hostile(&asked);
        // Those who never end are waited for as long as is allowed, and nobody else should be cut off.
        let loader = if message == SLOW { &hurried } else { &patient };
        let outcome = load(loader, &uri(&server, name)).await;
        let found = match outcome {
            Err(LoadError::Unavailable(error)) => (None, error.to_string()),
            outcome => {
                let finding = invalid(outcome).swap_remove(0);
                (Some(finding.code), finding.message)
            }
        };
        if found != (code, message.to_owned()) {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

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
async fn a_name_that_leads_where_it_must_not_is_refused() -> TestResult {
    let server = WebServer::start(|_| Answer::ok(RACK)).await;
    let port = server.address().port();
    let mut options = options(&server);
    let uri = format!("http://localhost:{port}/");
    load(&Loader::new(options.clone()), &uri).await?;
    options.references.web.loopback = false;
    let loader = Loader::new(options);
    let findings = invalid(load(&loader, &uri).await);
    assert_eq!(findings[0].code, Code::ReferenceEscapes);
    assert_eq!(
        findings[0].message,
        "the host of the reference leads to a loopback address"
    );
    assert_eq!(server.asked().len(), 1, "it was asked all the same");
    Ok(())
}

/// A fetcher whose name server gives these answers.
pub(super) fn fetcher(options: &LoaderOptions, answers: &[&[&str]]) -> Fetcher {
    let answers = answers.iter().map(|addresses| {
        let addresses = addresses.iter().map(|address| address.parse());
        addresses
            .collect::<Result<Vec<IpAddr>, _>>()
            .expect("addresses")
    });
    Fetcher {
        resolver: Resolver::Script(Mutex::new(answers.collect::<VecDeque<_>>())),
        ..Fetcher::new(options.fetch.clone(), options.references.web.clone())
    }
}

fn location(options: &LoaderOptions, port: u16) -> Location {
    let rest = format!("//designs.example.test:{port}/");
    Location::parse("http", &rest, &options.references.web).expect("it is allowed")
}

pub(super) async fn fetch(
    fetcher: &Fetcher,
    location: &Location,
) -> Result<Fetched<()>, LoadError> {
    let deadline = Deadline::after(Duration::from_secs(30));
    fetcher.fetch(location, MAX, deadline, |_| None).await
}

#[tokio::test]
async fn a_name_is_asked_for_once_and_connected_to_where_it_led() -> TestResult {
    let server = WebServer::start(|asked| match asked.target.as_str() {
        "/" => Answer::redirect("/next"),
        _next => Answer::ok(RACK),
    })
    .await;
    let options = options(&server);
    let location = location(&options, server.address().port());
    // Whoever asked a second time would be sent to the metadata of a cloud.
    let fetcher = fetcher(&options, &[&[&HOME.to_string()], &["169.254.169.254"]]);
    let fetched = fetch(&fetcher, &location).await?;
    assert!(matches!(fetched, Fetched::Content(_)), "{fetched:?}");
    assert_eq!(server.asked().len(), 2);
    let Resolver::Script(left) = &fetcher.resolver else {
        panic!("it is a script")
    };
    assert_eq!(left.lock().expect("nobody panicked").len(), 1);
    Ok(())
}

#[tokio::test]
async fn one_forbidden_address_among_others_refuses_the_name() -> TestResult {
    let server = WebServer::start(|_| Answer::ok(RACK)).await;
    let options = options(&server);
    let location = location(&options, server.address().port());
    let home = HOME.to_string();
    for (answers, what) in [
        (
            vec![home.as_str(), "169.254.169.254"],
            "a link-local address",
        ),
        (
            vec![home.as_str(), "::ffff:127.0.0.1"],
            "a loopback address",
        ),
        (vec!["0.0.0.0"], "an unspecified address"),
        (vec!["ff02::1", home.as_str()], "a multicast address"),
        (vec!["fd00:ec2::254"], "the address of a metadata service"),
    ] {
        let findings = invalid(fetch(&fetcher(&options, &[&answers]), &location).await);
        let expected = format!("the host of the reference leads to {what}");
        assert_eq!(findings[0].message, expected);
    }
    let nothing = fetch(&fetcher(&options, &[&[]]), &location).await;
    assert!(
        matches!(nothing, Err(LoadError::Unavailable(_))),
        "{nothing:?}"
    );
    assert!(server.asked().is_empty());
    Ok(())
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
