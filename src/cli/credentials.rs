//! Who a client command is: the token it shows, and how it knows its server.
#![expect(
    clippy::disallowed_types,
    reason = "an interceptor answers with a status when it cannot go on"
)]

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use http::Uri;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use super::Error;
use crate::access::{Token, token};

/// The largest file with a token that is read: the longest token, and a line's end of any kind.
const MAX_TOKEN_FILE: u64 = token::MAX_LENGTH as u64 + 2;

/// The largest file of certificates that is read.
const MAX_PEM_FILE: u64 = 1024 * 1024;

/// Flags of who asks, and whom to believe.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct CredentialArgs {
    /// File with the token to show
    #[arg(long, env = "DRYDOCK_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates of the authority to believe, PEM, instead of those that this machine believes
    #[arg(long, env = "DRYDOCK_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Client certificate to show, PEM
    #[arg(
        long,
        env = "DRYDOCK_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    client_cert: Option<PathBuf>,
    /// Key of the client certificate, PEM
    #[arg(
        long,
        env = "DRYDOCK_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    client_key: Option<PathBuf>,
}

/// Adds the token to every call.
#[derive(Clone, Debug, Default)]
pub struct ShowToken(Option<MetadataValue<Ascii>>);

impl Interceptor for ShowToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", bearer.clone());
        }
        Ok(request)
    }
}

impl CredentialArgs {
    /// The flags that were given, for a command that is proposed.
    pub(super) fn flags(&self) -> Vec<(&'static str, &Path)> {
        let all = [
            ("--token-file", &self.token_file),
            ("--ca-file", &self.ca_file),
            ("--client-cert", &self.client_cert),
            ("--client-key", &self.client_key),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(flag, path)| Some((flag, path.as_deref()?)))
            .collect()
    }

    /// What shows the token to the server at `uri`.
    pub(super) fn shown_to(&self, uri: &Uri) -> Result<ShowToken, Error> {
        let Some(path) = &self.token_file else {
            return Ok(ShowToken(None));
        };
        if !is_encrypted(uri) && !is_this_machine(uri) {
            return Err(Error::Usage(format!(
                "a token is only shown over https, or to this machine: not to {uri}"
            )));
        }
        let text = read(path, MAX_TOKEN_FILE)?;
        let text = std::str::from_utf8(&text).unwrap_or_default().trim();
        // What the file says is not repeated: it is most likely a secret.
        let no_token = || Error::Usage(format!("there is no token in {}", path.display()));
        let token = Token::parse(text).ok_or_else(no_token)?;
        let mut bearer = MetadataValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| no_token())?;
        // Not to be logged, nor kept in the tables of HTTP/2.
        bearer.set_sensitive(true);
        Ok(ShowToken(Some(bearer)))
    }

    /// `endpoint`, encrypted if its URL says so.
    pub(super) fn encrypt(&self, endpoint: Endpoint) -> Result<Endpoint, Error> {
        let uri = endpoint.uri().clone();
        if !is_encrypted(&uri) {
            if self.ca_file.is_some() || self.client_cert.is_some() {
                return Err(Error::Usage(format!(
                    "certificates are for servers at https://..., not at {uri}"
                )));
            }
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca_file {
            Some(path) => tls.ca_certificate(Certificate::from_pem(read(path, MAX_PEM_FILE)?)),
            None => tls.with_native_roots(),
        };
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            let certificate = read(certificate, MAX_PEM_FILE)?;
            tls = tls.identity(Identity::from_pem(certificate, read(key, MAX_PEM_FILE)?));
        }
        endpoint.tls_config(tls).map_err(|source| Error::ServerUrl {
            url: uri.to_string(),
            source,
        })
    }
}

fn is_encrypted(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

fn is_this_machine(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn read(path: &Path, at_most: u64) -> Result<Vec<u8>, Error> {
    use std::io::Read as _;
    let mut contents = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(at_most).read_to_end(&mut contents))
        .map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, url: &str) -> Result<Option<String>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        std::fs::write(&path, text).expect("a file");
        let credentials = CredentialArgs {
            token_file: Some(path),
            ..CredentialArgs::default()
        };
        let mut show = credentials
            .shown_to(&Uri::try_from(url).expect("a URL"))
            .map_err(|error| error.to_string())?;
        let request = show.call(Request::new(())).expect("a request");
        let value = request.metadata().get("authorization");
        assert!(!format!("{request:?}").contains("drydock_x"));
        Ok(value.map(|value| value.to_str().expect("text").to_owned()))
    }

    #[test]
    fn a_token_is_shown_where_nobody_listens_in() {
        for url in [
            "https://drydock.example",
            "http://127.0.0.1:1",
            "http://localhost:1",
            "http://[::1]:1",
        ] {
            let shown = shown("drydock_x\n", url);
            assert_eq!(shown, Ok(Some("Bearer drydock_x".to_owned())), "{url}");
        }
        for url in [
            "http://drydock.example",
            "http://10.0.0.1:1",
            "http://127.example",
        ] {
            assert!(shown("drydock_x", url).is_err(), "{url}");
        }
        let refused = shown("drydock_x y", "https://h").expect_err("two words are no token");
        assert!(!refused.contains("drydock_x"), "{refused}");
    }
}
