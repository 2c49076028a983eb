//! A loader and a fetcher before a web server that says what it likes.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::super::Design;
use super::super::super::loader::{Loader, LoaderOptions};
use super::super::super::reference::ReferencePolicy;
use super::super::*;
use super::http::WebServer;

pub(super) const RACK: &str = "schema: drydock/Rack/v1\nmetadata: {name: r1}\n";

/// A design that the tests' loader takes, and nothing more.
pub(super) const MAX: u64 = 64 * 1024;

pub(super) const SLOW: &str = "the design's server took too long";

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

pub(super) async fn load(loader: &Loader, uri: &str) -> Result<Design, LoadError> {
    let reference = loader.check(uri);
    let reference = reference.unwrap_or_else(|error| panic!("{uri}: {error}"));
    loader.load(&reference).await
}

pub(super) fn uri(server: &WebServer, path: &str) -> String {
    format!("http://{}/{path}", server.address())
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
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

pub(super) fn location(options: &LoaderOptions, port: u16) -> Location {
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
