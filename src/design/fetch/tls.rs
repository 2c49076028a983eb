//! Whom we believe who they are: certificate authorities.
//!
//! There is no switch that believes everybody. A site with an authority of its own names it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
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

impl Authorities {
    /// The authorities in a PEM file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, holds no certificate, or one that is damaged.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
        let pem = std::fs::read(path)?;
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            store
                .add(certificate)
                .map_err(|error| invalid(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(invalid("it holds no certificate".to_owned()));
        }
        Ok(Self::These(Arc::new(store)))
    }

    /// The configuration of TLS. Reads the system's authorities: not for an async thread.
    ///
    /// # Errors
    ///
    /// The cryptography of this build has no protocol version in common with itself.
    pub(super) fn config(&self) -> io::Result<ClientConfig> {
        let roots = match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                for error in &found.errors {
                    tracing::warn!(%error, "certificate authorities of the system not read");
                }
                let mut store = RootCertStore::empty();
                // Systems carry the odd certificate that this library does not take.
                store.add_parsable_certificates(found.certs);
                Arc::new(store)
            }
            Self::These(store) => Arc::clone(store),
        };
        // Named, because a library that finds two providers in one program chooses neither.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}
