//! Reaching a plug-in: TLS, and one connection that is never opened again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::options::{Address, Place, Trust};

/// Why a plug-in cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file of certificates or a key cannot be read.
    #[error("read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The address, a certificate or a key cannot be used.
    #[error("use its address and certificates")]
    Endpoint(#[source] tonic::transport::Error),
}

/// How to reach `address`.
///
/// # Errors
///
/// A certificate or a key cannot be used.
pub(super) fn endpoint(address: &Address) -> Result<Endpoint, SetupError> {
    let (uri, trust) = match address {
        Address::Tls { place, trust } => (format!("https://{place}"), Some(trust)),
        Address::Loopback(place) => (format!("http://{place}"), None),
        // Of no meaning but to HTTP, which wants a name.
        Address::Socket(_) => ("http://localhost".to_owned(), None),
    };
    let endpoint = Endpoint::from_shared(uri)
        .and_then(|endpoint| endpoint.user_agent(concat!("drydock/", env!("CARGO_PKG_VERSION"))))
        .map_err(SetupError::Endpoint)?;
    match trust {
        Some(trust) => endpoint
            .tls_config(tls(trust)?)
            .map_err(SetupError::Endpoint),
        None => Ok(endpoint),
    }
}

fn tls(trust: &Trust) -> Result<ClientTlsConfig, SetupError> {
    let mut config = ClientTlsConfig::new();
    config = match &trust.authorities {
        Some(path) => config.ca_certificate(Certificate::from_pem(read(path)?)),
        None => config.with_native_roots(),
    };
    if let Some((certificate, key)) = &trust.identity {
        config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|source| SetupError::File {
        path: path.to_owned(),
        source,
    })
}

/// Opens a connection the first time, and never again.
pub(super) async fn open_once(
    address: Address,
    used: Arc<AtomicBool>,
) -> io::Result<TokioIo<Either<TcpStream, UnixStream>>> {
    if used.swap(true, Ordering::AcqRel) {
        return Err(io::Error::new(io::ErrorKind::NotConnected, "it was closed"));
    }
    let stream = match address {
        Address::Tls { place, .. } | Address::Loopback(place) => {
            let Place { host, port } = place;
            let host = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?;
            Either::Left(stream)
        }
        Address::Socket(path) => Either::Right(UnixStream::connect(path).await?),
    };
    Ok(TokioIo::new(stream))
}
