//! The certificates of the listener: read at start, and again whenever their files change. A connection
//! keeps those that it began with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;
use tracing::{error, info, warn};

use crate::access::Certificate;
use crate::access::certificate::CertificateError;
use crate::{clock, config};

/// The largest file that is read: a bundle of all the authorities that the web trusts has a quarter of it.
const MAX_BYTES: u64 = 1024 * 1024;

/// The protocols that are spoken inside, the preferred one first; the second is for gRPC-Web.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What is wrong with the certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] Unreadable),
    /// A file does not hold what it should, in PEM.
    #[error("read {what} from {}", path.display())]
    Pem {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// A file of certificates holds none.
    #[error("read certificates from {}: there are none", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be used.
    #[error("use the certificate in {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// The certificate and the key cannot be used, or not together.
    #[error("use the certificate with its key")]
    Unusable(#[source] rustls::Error),
    /// The authorities for clients cannot be used.
    #[error("use the authorities for client certificates")]
    ClientAuthorities(#[source] VerifierBuilderError),
}

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read {}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// What new connections are encrypted with, as of now. Cheap to clone; every clone is the same.
#[derive(Clone, Debug)]
pub(super) struct TlsConfig(Arc<RwLock<Arc<ServerConfig>>>);

impl TlsConfig {
    /// What shakes hands with the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        // A panic elsewhere leaves a configuration that is still whole.
        let config = self.0.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }
}

/// The files behind a [`TlsConfig`].
#[derive(Debug)]
pub(super) struct TlsFiles {
    paths: config::Tls,
    current: TlsConfig,
    /// Of what was read last, good or bad, so that the same mistake is told once.
    seen: Result<[u8; 32], io::ErrorKind>,
}

/// The contents of the files.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl TlsFiles {
    /// Reads the files.
    pub(super) fn open(paths: &config::Tls) -> Result<Self, TlsError> {
        let contents = Contents::read(paths)?;
        let config = contents.configuration(paths)?;
        Ok(Self {
            paths: paths.clone(),
            current: TlsConfig(Arc::new(RwLock::new(Arc::new(config)))),
            seen: Ok(contents.digest()),
        })
    }

    /// What connections are encrypted with, now and after each reload.
    pub(super) fn current(&self) -> TlsConfig {
        self.current.clone()
    }

    /// Looks at the files again. What cannot be used changes nothing, and the log says what is wrong: a
    /// certificate and its key are two files, and may be seen half-way from one pair to the next. Blocks on
    /// the file system.
    pub(super) fn reload(&mut self) {
        let contents = match Contents::read(&self.paths) {
            Ok(contents) => contents,
            Err(problem) => {
                if self.is_new(Err(problem.source.kind())) {
                    error!(error = %chain(&problem), "certificates not reloaded");
                }
                return;
            }
        };
        if !self.is_new(Ok(contents.digest())) {
            return;
        }
        match contents.configuration(&self.paths) {
            Ok(config) => {
                let mut current = self
                    .current
                    .0
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(config);
            }
            Err(problem) => error!(error = %chain(&problem), "certificates not reloaded"),
        }
    }

    fn is_new(&mut self, seen: Result<[u8; 32], io::ErrorKind>) -> bool {
        let is_new = self.seen != seen;
        self.seen = seen;
        is_new
    }
}

impl Contents {
    fn read(paths: &config::Tls) -> Result<Self, Unreadable> {
        Ok(Self {
            certificate: read(&paths.certificate)?,
            key: read(&paths.key)?,
            client_ca: paths.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in [
            Some(&self.certificate),
            Some(&self.key),
            self.client_ca.as_ref(),
        ] {
            let part = part.map_or(&[][..], |part| part);
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn configuration(&self, paths: &config::Tls) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.certificate, &paths.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| TlsError::Pem {
            what: "a private key",
            path: paths.key.clone(),
            source,
        })?;
        let until = Certificate::read(&chain[0])
            .map_err(|source| TlsError::Certificate {
                path: paths.certificate.clone(),
                source,
            })?
            .until;

        // The same for everything in the program; what other libraries would choose is not asked.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?;
        let builder = match (&self.client_ca, &paths.client_ca) {
            (Some(authorities), Some(path)) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities, path)? {
                    roots.add(authority).map_err(TlsError::Unusable)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        // Others come with a token, or ask for the health alone.
                        .allow_unauthenticated()
                        .build()
                        .map_err(TlsError::ClientAuthorities)?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(TlsError::Unusable)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();

        let path = paths.certificate.display();
        if until < clock::now() {
            warn!(%path, %until, "the certificate has expired");
        } else {
            info!(%path, %until, "certificate read");
        }
        Ok(config)
    }
}

/// The certificates of a file, at least one.
fn certificates(contents: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(contents)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem {
            what: "certificates",
            path: path.to_owned(),
            source,
        })?;
    if found.is_empty() {
        return Err(TlsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    use std::io::Read as _;
    let mut contents = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut contents))
        .and_then(|count| {
            if count as u64 > MAX_BYTES {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "it is larger than 1 MiB",
                ));
            }
            Ok(())
        })
        .map_err(|source| Unreadable {
            path: path.to_owned(),
            source,
        })?;
    Ok(contents)
}

/// An error and its causes, for a log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
