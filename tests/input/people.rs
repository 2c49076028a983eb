//! Callers with names: the roster that has them, their tokens, and an authority for certificates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drydock::access::Token;
use drydock::domain::Role;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::support::client::{Client, channel};
use crate::support::server::{Launch, Server};

/// A roster with one caller of each role, named like the role.
pub(crate) struct People {
    pub(crate) directory: TempDir,
    tokens: Vec<(Role, Token)>,
}

impl People {
    pub(crate) fn of_each_role() -> Self {
        let token = |role| (role, Token::generate().expect("randomness"));
        let people = Self {
            directory: tempfile::tempdir().expect("a directory"),
            tokens: Role::ALL.map(token).to_vec(),
        };
        people.write(&Role::ALL.map(|role| people.line(role)).join("\n"));
        people
    }

    /// The line of a caller.
    pub(crate) fn line(&self, role: Role) -> String {
        format!("{role} {role} {}", self.token_of(role).hash())
    }

    /// Replaces the roster at once, as whoever looks after it should.
    pub(crate) fn write(&self, text: &str) {
        let beside = self.directory.path().join("roster.new");
        std::fs::write(&beside, text).expect("a file");
        std::fs::rename(beside, self.path()).expect("the file is replaced");
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("roster")
    }

    /// The server of `launch`, for these people.
    pub(crate) fn ask(&self, launch: Launch) -> Launch {
        launch.set("auth.roster", self.path().display())
    }

    pub(crate) fn token(&self, role: Role) -> &str {
        self.token_of(role).expose()
    }

    /// A client of a caller, in plaintext.
    pub(crate) fn client(&self, server: &Server, role: Role) -> Client {
        Client::over(channel(server.address()), Some(self.token(role)))
    }

    fn token_of(&self, role: Role) -> &Token {
        let found = self.tokens.iter().find(|(owner, _)| *owner == role);
        &found.expect("one of each role").1
    }
}

/// An authority that makes certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority of the tests");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server on this machine.
    pub(crate) fn server(&self) -> Pair {
        self.make(|params| {
            params.subject_alt_names = vec![
                SanType::IpAddress([127, 0, 0, 1].into()),
                SanType::DnsName("localhost".try_into().expect("a name")),
            ];
        })
    }

    /// A certificate for a client with a common name.
    pub(crate) fn client(&self, common_name: &str) -> Pair {
        self.make(|params| {
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
        })
    }

    /// A certificate for a client with a URI.
    pub(crate) fn client_at(&self, uri: &str) -> Pair {
        self.make(|params| {
            params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
        })
    }

    /// The same as [`Self::client`], for `lifetime` from now on.
    pub(crate) fn client_for(&self, common_name: &str, lifetime: Duration) -> Pair {
        let until = drydock::clock::now() + lifetime;
        self.make(|params| {
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
            let seconds = u64::try_from(until.timestamp()).expect("after 1970");
            params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        })
    }

    fn make(&self, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A connection to a server that this authority vouches for.
    pub(crate) fn channel(&self, address: SocketAddr, client: Option<&Pair>) -> Channel {
        let authority = Certificate::from_pem(&self.pem);
        let mut tls = ClientTlsConfig::new().ca_certificate(authority);
        if let Some(Pair { certificate, key }) = client {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{address}"));
        let endpoint = endpoint.expect("an address makes a URL").tls_config(tls);
        let endpoint = endpoint.expect("the certificates are good");
        endpoint.timeout(Duration::from_secs(90)).connect_lazy()
    }
}

impl Pair {
    /// Puts both where [`encrypt`] says they are.
    pub(crate) fn put(&self, directory: &Path) {
        std::fs::write(directory.join("tls.pem"), &self.certificate).expect("a file");
        std::fs::write(directory.join("tls.key"), &self.key).expect("a file");
    }
}

/// The server of `launch`, with the certificate in `directory`.
pub(crate) fn encrypt(launch: Launch, directory: &Path) -> Launch {
    launch
        .set("tls.certificate", directory.join("tls.pem").display())
        .set("tls.key", directory.join("tls.key").display())
}
