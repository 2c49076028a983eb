//! Whom we believe who they are.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::super::super::support::{TestResult, invalid};
use super::super::super::{Authorities, Code};
use super::super::*;
use super::fetching::{HOME, RACK, fetch, fetcher, options};
use super::http::{Answer, WebServer};

const NAME: &str = "designs.example.test";

/// An authority of its own, and its certificate in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
            directory: TempDir::new()?,
        };
        std::fs::write(authority.file(), authority.issuer.pem())?;
        Ok(authority)
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The identity of a server of this name.
    fn identity(&self, name: &str) -> Result<TlsAcceptor, Box<dyn std::error::Error>> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![name.to_owned()])?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Fetches from a server that is who it says it is, believing `authorities`.
async fn fetched(server: &WebServer, authorities: Authorities) -> Result<Fetched<()>, LoadError> {
    let mut options = options(server);
    options.fetch.authorities = authorities;
    let rest = format!("//{NAME}:{}/", server.address().port());
    let location = Location::parse("https", &rest, &options.references.web);
    let location = location.unwrap_or_else(|error| panic!("{rest}: {error}"));
    let fetcher = fetcher(&options, &[&[&HOME.to_string()]]);
    fetch(&fetcher, &location).await
}

#[tokio::test]
async fn a_server_is_believed_by_its_authority_and_name_alone() -> TestResult {
    let (ours, other) = (Authority::new()?, Authority::new()?);
    let identity = ours.identity(NAME)?;
    let server = WebServer::start_as(Some(identity), |_| Answer::ok(RACK)).await;
    let believed = fetched(&server, Authorities::from_file(&ours.file())?).await?;
    assert!(matches!(believed, Fetched::Content(_)), "{believed:?}");

    let identity = ours.identity("elsewhere.example.test")?;
    let misnamed = WebServer::start_as(Some(identity), |_| Answer::ok(RACK)).await;
    for (server, authorities) in [
        (&server, Authorities::from_file(&other.file())?),
        (&server, Authorities::System),
        (&misnamed, Authorities::from_file(&ours.file())?),
    ] {
        let findings = invalid(fetched(server, authorities).await);
        assert_eq!(findings[0].code, Code::ReferenceUnreadable);
        assert_eq!(
            findings[0].message,
            "the certificate of the design's server is not believed"
        );
    }
    assert_eq!(server.asked().len(), 1);
    assert!(misnamed.asked().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_step_up_to_tls_is_followed_and_only_it_sees_the_token() -> TestResult {
    let ours = Authority::new()?;
    let identity = ours.identity(NAME)?;
    let safe = WebServer::start_as(Some(identity), |_| Answer::ok(RACK)).await;
    let to = format!("https://{NAME}:{}/moved", safe.address().port());
    let plain = WebServer::start(move |_| Answer::redirect(&to)).await;
    std::fs::write(ours.directory.path().join("token"), "secret")?;

    let mut options = options(&plain);
    let port = safe.address().port();
    let allowed = format!("{NAME}:{port}").parse()?;
    options.references.web.hosts.push(allowed);
    options.fetch.authorities = Authorities::from_file(&ours.file())?;
    options.fetch.secrets = SecretSource::new(Some(ours.directory.path().to_owned()));
    let entry = format!("https://{NAME}:{port}=secret://token");
    options.fetch.tokens = vec![entry.parse()?];
    let rest = format!("//{NAME}:{}/", plain.address().port());
    let location = Location::parse("http", &rest, &options.references.web)?;
    let fetcher = fetcher(&options, &[&[&HOME.to_string()]]);
    let fetched = fetch(&fetcher, &location).await?;
    assert!(matches!(fetched, Fetched::Content(_)), "{fetched:?}");
    assert_eq!(plain.asked()[0].header("authorization"), None);
    let asked = safe.asked();
    assert_eq!(asked[0].target, "/moved");
    assert_eq!(asked[0].header("authorization"), Some("Bearer secret"));
    Ok(())
}

#[test]
fn a_file_without_authorities_is_refused() -> TestResult {
    let directory = TempDir::new()?;
    let path = directory.path().join("ca.pem");
    assert!(Authorities::from_file(&path).is_err());
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in ["", "text", damaged] {
        std::fs::write(&path, text)?;
        assert!(Authorities::from_file(&path).is_err(), "{text}");
    }
    Ok(())
}
