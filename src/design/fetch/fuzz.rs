//! Hostile URLs, for [`crate::fuzzing`].

use reqwest::Url;

use super::host::{AllowedHost, authority};
use super::location::{Location, WebPolicy};

/// Hosts of each kind.
const HOSTS: [&str; 4] = [
    "designs.example.test",
    "designs.example.test:8443",
    "10.1.2.3",
    "[2001:db8::5]:9000",
];

/// What may be read.
pub(in crate::design) fn policy() -> WebPolicy {
    let hosts = HOSTS.iter().filter_map(|host| host.parse().ok());
    WebPolicy {
        hosts: hosts.collect(),
        plain_http: true,
        loopback: false,
    }
}

/// An allowed URL, and where its server says that the design is.
pub(in crate::design) fn allowed(location: &Location, redirect: &str) {
    let policy = policy();
    agreed(location, &policy);
    if let Ok(next) = location.redirected(redirect, &policy) {
        agreed(&next, &policy);
        assert_eq!(next.origin.host, location.origin.host, "another host");
        assert!(next.origin.tls >= location.origin.tls, "a step down");
    }
}

/// The client's parser reads a URL as we do, and its host is on the list.
fn agreed(location: &Location, policy: &WebPolicy) {
    let text = location.url();
    let read = Url::parse(&text).map(|url| {
        assert_eq!(url.as_str(), text, "another URL");
        assert!(
            url.username().is_empty() && url.password().is_none(),
            "{text}"
        );
        assert!(url.fragment().is_none(), "{text}");
        let host = url.host_str().map(authority);
        assert_eq!(host, Some(Ok((location.origin.host.clone(), None))));
        assert_eq!(url.port_or_known_default(), Some(location.origin.port));
    });
    assert!(read.is_ok(), "{text} is no URL");
    let listed = |allowed: &AllowedHost| allowed.host == location.origin.host;
    assert!(policy.hosts.iter().any(listed), "{text} is not on the list");
    let name = location.file_name();
    assert!(
        !name.is_empty() && !name.contains(['/', '\0', '\n']),
        "{name}"
    );
}
