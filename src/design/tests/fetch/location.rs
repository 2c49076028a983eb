//! References of the web that are allowed, and that nobody reads them in another way than we do.

use proptest::prelude::*;

use super::super::super::reference::{Reference, ReferencePolicy, Target};
use super::super::super::support::TestResult;
use super::super::location::{Location, RedirectError, WebPolicy};
use super::super::token::Token;

fn policy(hosts: &[&str]) -> WebPolicy {
    let parse = |text: &&str| text.parse().unwrap_or_else(|_| panic!("{text} is a host"));
    WebPolicy {
        hosts: hosts.iter().map(parse).collect(),
        plain_http: true,
        loopback: false,
    }
}

fn parse(uri: &str, policy: &WebPolicy) -> Option<Location> {
    let policy = ReferencePolicy {
        web: policy.clone(),
        ..ReferencePolicy::default()
    };
    match Reference::parse(uri, &policy).ok()?.target() {
        Target::Web(location) => Some(location.clone()),
        Target::File(file) => panic!("{file:?}"),
    }
}

fn ordinary() -> WebPolicy {
    policy(&[
        "designs.example.test",
        "designs.example.test:8443",
        "10.1.2.3",
        "[2001:db8::5]:9000",
        "xn--bcher-kva.example",
    ])
}

#[test]
fn plain_references_to_allowed_hosts_are_allowed() -> TestResult {
    for (uri, url, file) in [
        (
            "https://designs.example.test/a/site.yaml",
            "https://designs.example.test/a/site.yaml",
            "site.yaml",
        ),
        (
            "HTTPS://Designs.Example.TEST",
            "https://designs.example.test/",
            "design",
        ),
        (
            "https://designs.example.test:443/",
            "https://designs.example.test/",
            "design",
        ),
        (
            "https://designs.example.test:8443/s",
            "https://designs.example.test:8443/s",
            "s",
        ),
        (
            "http://designs.example.test:80/s/",
            "http://designs.example.test/s/",
            "s",
        ),
        (
            "http://10.1.2.3/site.yaml?rev=3&x=%2F",
            "http://10.1.2.3/site.yaml?rev=3&x=%2F",
            "site.yaml",
        ),
        (
            "http://[2001:DB8:0::5]:9000/north%20hall.yaml",
            "http://[2001:db8::5]:9000/north%20hall.yaml",
            "north hall.yaml",
        ),
        (
            "https://xn--bcher-kva.example/s",
            "https://xn--bcher-kva.example/s",
            "s",
        ),
        (
            "deckhand+https://designs.example.test/api/v1.0/revisions/12/rendered-documents",
            "https://designs.example.test/api/v1.0/revisions/12/rendered-documents?schema=drydock",
            "rendered-documents",
        ),
        (
            "deckhand+http://10.1.2.3/revisions/1/rendered-documents?schema=drydock/Rack",
            "http://10.1.2.3/revisions/1/rendered-documents?schema=drydock/Rack",
            "rendered-documents",
        ),
    ] {
        let location = parse(uri, &ordinary()).ok_or(uri)?;
        assert_eq!(location.url(), url, "{uri}");
        assert_eq!(location.file_name(), file, "{uri}");
    }
    Ok(())
}

#[test]
fn a_host_without_a_port_means_the_usual_one() {
    let names = policy(&["designs.example.test"]);
    assert!(parse("https://designs.example.test/", &names).is_some());
    for port in ["80", "8443", "22"] {
        let uri = format!("https://designs.example.test:{port}/");
        assert_eq!(parse(&uri, &names), None, "{uri}");
    }
    let ports = policy(&["designs.example.test:8443"]);
    assert!(parse("https://designs.example.test:8443/", &ports).is_some());
    assert_eq!(parse("https://designs.example.test/", &ports), None);
}

#[test]
fn nothing_is_enabled_by_default() {
    let nothing = WebPolicy::default();
    let tls_alone = WebPolicy {
        plain_http: false,
        ..ordinary()
    };
    let path = "//designs.example.test/revisions/1/rendered-documents";
    for scheme in ["http", "https", "deckhand+http", "deckhand+https"] {
        let uri = format!("{scheme}:{path}");
        assert_eq!(parse(&uri, &nothing), None, "{uri}");
        assert_eq!(
            parse(&uri, &tls_alone).is_some(),
            scheme.ends_with('s'),
            "{uri}"
        );
    }
}

#[test]
fn a_shown_reference_has_no_query() -> TestResult {
    let policy = ReferencePolicy {
        web: ordinary(),
        ..ReferencePolicy::default()
    };
    let reference = Reference::parse("https://designs.example.test/s?signature=hunter2", &policy)?;
    assert_eq!(reference.to_string(), "https://designs.example.test/s");
    Ok(())
}

#[test]
fn redirects_stay_at_the_host() -> TestResult {
    let policy = ordinary();
    let plain = parse("http://designs.example.test/a/site.yaml", &policy).ok_or("allowed")?;
    let tls = parse("https://designs.example.test/a/site.yaml", &policy).ok_or("allowed")?;
    for (from, to, url) in [
        (&tls, "/b", "https://designs.example.test/b"),
        (
            &tls,
            "https://designs.example.test/b?c=1",
            "https://designs.example.test/b?c=1",
        ),
        (
            &tls,
            "//designs.example.test/b",
            "https://designs.example.test/b",
        ),
        (&plain, "/b", "http://designs.example.test/b"),
        (
            &plain,
            "https://designs.example.test/b",
            "https://designs.example.test/b",
        ),
        (
            &plain,
            "https://designs.example.test:8443/b",
            "https://designs.example.test:8443/b",
        ),
    ] {
        let next = from.redirected(to, &policy);
        assert_eq!(next.map(|next| next.url()).as_deref(), Ok(url), "{to}");
    }
    for (from, to, refused) in [
        (
            &tls,
            "http://designs.example.test/b",
            RedirectError::Downgrade,
        ),
        (
            &tls,
            "http://designs.example.test:8443/b",
            RedirectError::Downgrade,
        ),
        (
            &tls,
            "https://designs.example.test:8443/b",
            RedirectError::OtherPort,
        ),
        (
            &tls,
            "https://designs.example.test:22/b",
            RedirectError::OtherPort,
        ),
        (
            &plain,
            "http://designs.example.test:8443/b",
            RedirectError::OtherPort,
        ),
        (&tls, "https://10.1.2.3/b", RedirectError::OtherHost),
        (&tls, "https://evil.example/b", RedirectError::OtherHost),
        (&tls, "//evil.example/b", RedirectError::OtherHost),
        (
            &tls,
            "https://169.254.169.254/latest",
            RedirectError::OtherHost,
        ),
        (&tls, "b.yaml", RedirectError::Relative),
        (&tls, "?b", RedirectError::Relative),
        (&tls, "", RedirectError::Relative),
        (&tls, "data:text/plain,x", RedirectError::Relative),
    ] {
        assert_eq!(from.redirected(to, &policy), Err(refused), "{to}");
    }
    for to in [
        "file:///etc/passwd",
        "gopher://designs.example.test/b",
        "https://user@designs.example.test/b",
        "https://designs.example.test/../b",
        "https://designs.example.test/%2e%2e/b",
        "https://designs.example.test\\@evil.example/b",
        "https://0x7f.1/b",
        "/a b",
        "/a\u{fc}",
    ] {
        let refused = tls.redirected(to, &policy);
        assert!(
            matches!(refused, Err(RedirectError::NotAllowed(_))),
            "{to}: {refused:?}"
        );
    }
    Ok(())
}

#[test]
fn tokens_and_hosts_are_plain_or_refused() {
    for text in [
        "",
        "https://designs.example.test",
        "designs.example.test=secret://token",
        "ftp://designs.example.test=secret://token",
        "https://designs.example.test=hunter2",
        "https://designs.example.test=secret://",
        "https://user@designs.example.test=secret://token",
        "https://designs.example.test/path=secret://token",
        "https://0x7f.1=secret://token",
    ] {
        assert!(text.parse::<Token>().is_err(), "{text}");
    }
    for text in [
        "",
        "*",
        "*.example.test",
        "https://a.test",
        "a.test/",
        "a.test:",
        "a.test:0",
        "a.test:65536",
        "127.1",
        "a..test",
        "a.test.",
    ] {
        assert!(text.parse::<super::super::AllowedHost>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_is_allowed_is_read_alike_by_another_parser(
        parts in prop::collection::vec(
            "(/|\\.|\\.\\.|%2e|%2F|%25|%00|\\\\|@|:|#|\\?|'|\"|\\[|\\]|\\||\\^|<|a|%20|80|8443|designs.example.test|10.1.2.3|evil.example|\u{fc}){1,3}",
            0..5,
        ),
        scheme in "(https://|http://|https:/|HTTP://|https:)",
        host in "(designs.example.test|10.1.2.3|\\[2001:db8::5\\]:9000|evil.example|)",
    ) {
        let uri = format!("{scheme}{host}{}", parts.concat());
        if let Some(location) = parse(&uri, &ordinary()) {
            let url = reqwest::Url::parse(&uri);
            prop_assert!(url.is_ok(), "{}", uri);
            let url = url.map(|url| url.to_string()).unwrap_or_default();
            prop_assert_eq!(location.url(), url, "{}", uri);
        }
    }
}
