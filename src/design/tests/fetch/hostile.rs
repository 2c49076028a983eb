//! Servers that lie, drag on, break off or lead elsewhere.

use super::super::super::Code;
use super::super::super::loader::Loader;
use super::super::super::support::invalid;
use super::super::*;
use super::fetching::{RACK, SLOW, gzip, load, options, uri};
use super::http::{Answer, Asked, WebServer, head};

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
