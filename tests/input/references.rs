//! Hostile references: each refused by its text alone, over a real connection, with the exact reason.

use drydock::proto::v1::TaskAction;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::client::{Client, create_request};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};

on_both_databases!(every_hostile_reference_is_refused_with_its_reason);

/// The table may grow; it must not shrink below what was promised.
const AT_LEAST: usize = 60;

/// What the operator allows: good hosts, and some that nobody should have listed.
const ALLOWED: &str = "designs.example.test,designs.example.test:8443,10.1.2.3,\
     127.0.0.1,0.0.0.0,169.254.169.254,100.100.100.200,224.0.0.1,255.255.255.255,\
     [::1],[::],[fe80::1],[::ffff:127.0.0.1],[64:ff9b::a9fe:a9fe],[2002:7f00:1::]";

const START: &str = "the reference is not a URI: it starts with a scheme, for example file:///path";
const ASCII: &str =
    "the reference is not a URI: spaces and letters beyond ASCII are percent-encoded";
const FILE_FORM: &str = "the reference is not a URI: a file reference is written file:///path";
const WEB_FORM: &str =
    "the reference is not a URI: a reference on the web is written SCHEME://host/path";
const CONTROL: &str = "the reference holds a control character";
const ENCODING: &str =
    "the reference has a percent-encoding that is malformed or hides a character of the path";
const FILE_HOST: &str = "a file reference names no host: write file:///path";
const OUTSIDE: &str = "the reference is not below a directory that designs may be read from";
const DOTS: &str = "the path of the reference is not plain: it has a dot segment";
const EMPTY: &str = "the path of the reference is not plain: it has an empty segment";
const BACKSLASH: &str = "the path of the reference is not plain: it has a backslash";
const QUERY: &str = "the path of the reference is not plain: it has a query or a fragment";
const FRAGMENT: &str = "the path of the reference is not plain: it has a fragment";
const UNESCAPED: &str =
    "the path of the reference is not plain: it has a character that is percent-encoded there";
const QUERY_UNESCAPED: &str = "the path of the reference is not plain: \
     its query has a character that is percent-encoded there";
const REVISION: &str = "the path of the reference is not plain: \
     that of a Deckhand ends with /revisions/NUMBER/rendered-documents";
const USER: &str = "the reference holds a user: who we are is configured, not passed";
const HOST: &str = "the host and port of the reference are not ones that designs may be read from";
const NO_HOST: &str = "the host of the reference is not plain: it is empty";
const LABELS: &str =
    "the host of the reference is not plain: its labels are letters, digits and hyphens";
const HOST_ESCAPE: &str = "the host of the reference is not plain: it has a percent-encoding";
const TRAILING: &str = "the host of the reference is not plain: it ends with a dot";
const IPV4: &str = "the host of the reference is not plain: \
     an IPv4 address is written as four decimal numbers without leading zeros";
const IPV6: &str =
    "the host of the reference is not plain: what stands in brackets is no IPv6 address";
const PORT: &str = "the port of the reference is not a number from 1 to 65535";
const LOOPBACK: &str = "the reference names a loopback address, and no design is read from there";
const LINK_LOCAL: &str =
    "the reference names a link-local address, and no design is read from there";

/// References, and why each is refused.
fn table() -> Vec<(&'static str, &'static str)> {
    vec![
        // Of no scheme, or of one that nobody reads.
        ("site.yaml", START),
        ("/srv/sites/site.yaml", START),
        ("//designs.example.test/s", START),
        ("designs.example.test/s", START),
        (" https://designs.example.test/s", START),
        (
            "gopher://designs.example.test/s",
            "the scheme `gopher` is not enabled",
        ),
        (
            "ftp://designs.example.test/s",
            "the scheme `ftp` is not enabled",
        ),
        ("data:text/plain,schema", "the scheme `data` is not enabled"),
        (
            "JavaScript:alert(1)",
            "the scheme `javascript` is not enabled",
        ),
        (
            "jar:https://designs.example.test/s!/x",
            "the scheme `jar` is not enabled",
        ),
        (
            "unix:///var/run/docker.sock",
            "the scheme `unix` is not enabled",
        ),
        (
            "promenade+http://designs.example.test/s",
            "the scheme `promenade+http` is not enabled",
        ),
        (
            "deckhand://designs.example.test/s",
            "the scheme `deckhand` is not enabled",
        ),
        (
            "https+http://designs.example.test/s",
            "the scheme `https+http` is not enabled",
        ),
        // Of a file that is not below a root.
        ("file:///etc/passwd", OUTSIDE),
        ("FILE:///etc/passwd", OUTSIDE),
        ("file:///proc/self/environ", OUTSIDE),
        ("file:///dev/zero", OUTSIDE),
        ("file:///srv/sites/../../etc/passwd", DOTS),
        ("file:///srv/sites/%2e%2e/etc/passwd", ENCODING),
        ("file:///srv/sites%2f..%2f..%2fetc/passwd", ENCODING),
        ("file:///srv/sites/%252e%252e/passwd", ENCODING),
        ("file:///srv/sites/%c0%ae/passwd", ENCODING),
        ("file:///srv/sites/site.yaml%00.txt", CONTROL),
        ("file:////etc/passwd", EMPTY),
        ("file:///srv\\..\\etc", BACKSLASH),
        ("file:///srv/sites/site.yaml?x", QUERY),
        ("file:///srv/sites/site.yaml#x", QUERY),
        ("file://designs.example.test/etc/passwd", FILE_HOST),
        ("file://localhost/etc/passwd", FILE_HOST),
        ("file://user:hunter2@host/etc/passwd", FILE_HOST),
        ("file:/etc/passwd", FILE_FORM),
        ("file:etc/passwd", FILE_FORM),
        // Of a host that is not on the list, or seems to be.
        ("https://evil.example/s", HOST),
        ("https://designs.example.test.evil.example/s", HOST),
        ("https://evil-designs.example.test/s", HOST),
        ("https://example.test/s", HOST),
        ("https://a.designs.example.test/s", HOST),
        ("https://localhost/s", HOST),
        ("https://xn--designs-9za.example.test/s", HOST),
        ("https://d\u{435}signs.example.test/s", ASCII),
        ("https://designs.example.test\u{3002}evil.example/s", ASCII),
        ("https://designs\u{ff0e}example\u{ff0e}test/s", ASCII),
        ("https://designs.example.test./s", TRAILING),
        ("https://designs..example.test/s", LABELS),
        ("https://-designs.example.test/s", LABELS),
        ("https://designs_example.test/s", LABELS),
        ("https://%64esigns.example.test/s", HOST_ESCAPE),
        ("https://designs.example.test%2eevil.example/s", HOST_ESCAPE),
        (
            "https://designs.example.test%00.evil.example/s",
            HOST_ESCAPE,
        ),
        ("https:///s", NO_HOST),
        ("https://?s", NO_HOST),
        ("https:/designs.example.test/s", WEB_FORM),
        ("https:designs.example.test/s", WEB_FORM),
        ("HtTpS:designs.example.test/s", WEB_FORM),
        // Of somebody.
        ("https://user@designs.example.test/s", USER),
        ("https://user:hunter2@designs.example.test/s", USER),
        ("https://designs.example.test@evil.example/s", USER),
        ("https://designs.example.test:443@evil.example/s", USER),
        ("https://@designs.example.test/s", USER),
        ("https://designs.example.test\\@evil.example/s", BACKSLASH),
        ("https://evil.example\\.designs.example.test/s", BACKSLASH),
        ("https:\\\\designs.example.test\\s", WEB_FORM),
        ("https://evil.example#@designs.example.test/s", FRAGMENT),
        ("https://evil.example?@designs.example.test/s", HOST),
        // Of a port.
        ("https://designs.example.test:22/s", HOST),
        ("https://designs.example.test:80/s", HOST),
        ("http://designs.example.test:443/s", HOST),
        ("https://designs.example.test:/s", PORT),
        ("https://designs.example.test:0/s", PORT),
        ("https://designs.example.test:08443/s", PORT),
        ("https://designs.example.test:65979/s", PORT),
        ("https://designs.example.test:+443/s", PORT),
        ("https://designs.example.test:443:443/s", PORT),
        ("https://designs.example.test:8443.evil.example/s", PORT),
        // Of an address in disguise.
        ("http://2130706433/s", IPV4),
        ("http://0x7f000001/s", IPV4),
        ("http://0x7f.0.0.1/s", IPV4),
        ("http://0177.0.0.1/s", IPV4),
        ("http://127.1/s", IPV4),
        ("http://127.0.0.01/s", IPV4),
        ("http://10.1.2.3.4/s", IPV4),
        ("http://10.1.2.0x3/s", IPV4),
        ("http://256.1.2.3/s", IPV4),
        ("http://10.1.2.3./s", TRAILING),
        ("http://\u{ff11}0.1.2.3/s", ASCII),
        ("http://[::1/s", IPV6),
        ("http://::1/s", PORT),
        ("http://[fe80::1%25eth0]/s", IPV6),
        ("http://[::ffff:127.1]/s", IPV6),
        ("http://[v1.x]/s", IPV6),
        ("http://[]/s", IPV6),
        ("http://10.1.2.4/s", HOST),
        // Of an address that no list makes a good one, in whatever spelling it was listed.
        ("http://127.0.0.1/s", LOOPBACK),
        ("http://[::1]/s", LOOPBACK),
        ("http://[0:0:0:0:0:0:0:1]/s", LOOPBACK),
        ("http://[::ffff:7f00:1]/s", LOOPBACK),
        ("http://[::FFFF:127.0.0.1]/s", LOOPBACK),
        ("http://[2002:7f00:1::]/s", LOOPBACK),
        ("http://169.254.169.254/latest/meta-data/", LINK_LOCAL),
        ("http://[64:ff9b::169.254.169.254]/s", LINK_LOCAL),
        ("http://[fe80::1]/s", LINK_LOCAL),
        (
            "http://0.0.0.0/s",
            "the reference names an unspecified address, and no design is read from there",
        ),
        (
            "http://[::]/s",
            "the reference names an unspecified address, and no design is read from there",
        ),
        (
            "http://100.100.100.200/s",
            "the reference names the address of a metadata service, and no design is read from there",
        ),
        (
            "http://224.0.0.1/s",
            "the reference names a multicast address, and no design is read from there",
        ),
        (
            "http://255.255.255.255/s",
            "the reference names a reserved or broadcast address, and no design is read from there",
        ),
        // Of a path that two programs read in two ways.
        ("https://designs.example.test/a/../s", DOTS),
        ("https://designs.example.test/./s", DOTS),
        ("https://designs.example.test/%2e%2e/s", ENCODING),
        ("https://designs.example.test/a%2fs", ENCODING),
        ("https://designs.example.test/a%5cs", ENCODING),
        ("https://designs.example.test/%252e/s", ENCODING),
        ("https://designs.example.test/%ff/s", ENCODING),
        ("https://designs.example.test/%", ENCODING),
        ("https://designs.example.test/%u002e/s", ENCODING),
        ("https://designs.example.test//s", EMPTY),
        ("https://designs.example.test/s//", EMPTY),
        ("https://designs.example.test/s#top", FRAGMENT),
        ("https://designs.example.test/{s}", UNESCAPED),
        ("https://designs.example.test/<s>", UNESCAPED),
        ("https://designs.example.test/'s'", UNESCAPED),
        ("https://designs.example.test/s?q=%0d%0aHost:x", CONTROL),
        ("https://designs.example.test/s%0d%0aHost:x", CONTROL),
        ("https://designs.example.test/s?q=%zz", ENCODING),
        ("https://designs.example.test/s?q=\"", QUERY_UNESCAPED),
        ("https://designs.example.test/a b", ASCII),
        ("https://designs.example.test/s\n", CONTROL),
        ("https://designs.example.test\t/s", CONTROL),
        ("ht\ntps://designs.example.test/s", CONTROL),
        // Of a Deckhand that has no such thing.
        ("deckhand+https://designs.example.test/", REVISION),
        (
            "deckhand+https://designs.example.test/api/v1.0/revisions",
            REVISION,
        ),
        (
            "deckhand+https://designs.example.test/api/v1.0/revisions/3/documents",
            REVISION,
        ),
        (
            "deckhand+https://designs.example.test/revisions/latest/rendered-documents",
            REVISION,
        ),
        (
            "deckhand+https://designs.example.test/revisions//rendered-documents",
            EMPTY,
        ),
        (
            "deckhand+https://evil.example/revisions/3/rendered-documents",
            HOST,
        ),
        (
            "deckhand+https://user@designs.example.test/revisions/3/rendered-documents",
            USER,
        ),
    ]
}

async fn every_hostile_reference_is_refused_with_its_reason(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .set("design.allowed_hosts", ALLOWED)
        .set("design.allow_plain_http", true)
        .start()
        .await;
    let client = Client::of(server.address());
    let table = table();
    assert!(table.len() >= AT_LEAST, "only {}", table.len());
    let mut wrong = Vec::new();
    for (reference, expected) in table {
        if let Err(problem) = check(&client, reference, expected).await {
            wrong.push(format!("{reference}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(client.list().await, [], "something was stored");
    let log = server.log();
    assert!(!log.contains("hunter2"), "{log}");
}

async fn check(client: &Client, reference: &str, expected: &str) -> Result<(), String> {
    let request = create_request(TaskAction::VerifyNode, reference);
    let Err(status) = client.try_create(request).await else {
        return Err("was accepted".to_owned());
    };
    if status.code() != Code::InvalidArgument {
        return Err(format!("{status:?}"));
    }
    let violations = status.get_details_bad_request();
    let violations = violations.map_or_else(Vec::new, |request| request.field_violations);
    let found: Vec<(&str, &str)> = violations
        .iter()
        .map(|one| (one.field.as_str(), one.description.as_str()))
        .collect();
    if found != [("design_ref", expected)] {
        return Err(format!("{found:?}"));
    }
    Ok(())
}

/// Off until the operator lists a host, each with TLS until the operator does without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_host_is_asked_by_default() {
    let database = Database::sqlite();
    let site = Site::of(&Machine::many(1));
    let launch = Launch::on(&database).designs_in(site.directory());
    let path = "//designs.example.test/revisions/1/rendered-documents";
    let server = launch.start().await;
    let client = Client::of(server.address());
    for scheme in ["http", "https", "deckhand+http", "deckhand+https"] {
        let expected = format!("the scheme `{scheme}` is not enabled");
        let refused = check(&client, &format!("{scheme}:{path}"), &expected).await;
        refused.unwrap_or_else(|problem| panic!("{scheme}: {problem}"));
    }
    server.kill().await;

    let with_host = launch.set("design.allowed_hosts", "designs.example.test");
    let server = with_host.start().await;
    let client = Client::of(server.address());
    for scheme in ["http", "deckhand+http"] {
        let expected = format!("the scheme `{scheme}` is not enabled");
        let refused = check(&client, &format!("{scheme}:{path}"), &expected).await;
        refused.unwrap_or_else(|problem| panic!("{scheme}: {problem}"));
    }
    client
        .create(TaskAction::VerifyNode, &format!("https:{path}"))
        .await;
}
