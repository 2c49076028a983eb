//! Whom we believe who they are: certificate authorities, and TLS that believes these and nobody else.
//!
//! There is no switch that believes everybody. Whoever has an authority of their own names it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};

/// The authorities whose certificates are believed.
#[derive(Debug, Clone, Default)]
pub enum Authorities {
    /// Those that the operating system believes.
    #[default]
    System,
    /// These alone.
    These(Arc<RootCertStore>),
}

/// Why authorities cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of certificates cannot be read.
    #[error("read the certificates in {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// There is nobody whose certificates could be accepted.
    #[error("read the certificates in {}: there is none", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be used.
    #[error("believe the certificates in {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// TLS itself cannot be used.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Authorities {
    /// The authorities in a PEM file; none: the system's.
    ///
    /// # Errors
    ///
    /// Those of [`Authorities::from_file`].
    pub fn of(path: Option<&Path>) -> Result<Self, TrustError> {
        path.map_or(Ok(Self::System), Self::from_file)
    }

    /// The authorities in a PEM file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, holds no certificate, or one that is damaged.
    pub fn from_file(path: &Path) -> Result<Self, TrustError> {
        let file = |source| TrustError::File {
            path: path.to_owned(),
            source,
        };
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(file)? {
            let certificate = certificate.map_err(file)?;
            store
                .add(certificate)
                .map_err(|source| TrustError::Certificate {
                    path: path.to_owned(),
                    source,
                })?;
        }
        if store.is_empty() {
            return Err(TrustError::NoCertificate {
                path: path.to_owned(),
            });
        }
        Ok(Self::These(Arc::new(store)))
    }

    /// The configuration of TLS. Reads the system's authorities: not for an async thread.
    ///
    /// # Errors
    ///
    /// The cryptography of this build has no protocol version in common with itself.
    pub fn config(&self) -> Result<ClientConfig, TrustError> {
        let roots = match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                for error in &found.errors {
                    tracing::warn!(%error, "certificate authorities of the system not read");
                }
                let mut store = RootCertStore::empty();
                // Systems carry the odd certificate that this library does not take. With none at all
                // every connection is refused, and says so.
                store.add_parsable_certificates(found.certs);
                Arc::new(store)
            }
            Self::These(store) => Arc::clone(store),
        };
        // Named, because a library that finds two providers in one program chooses neither.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Tls)?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}
