//! Sections of who may call, and over what.

use std::path::PathBuf;

use super::Server;
use crate::config::reader::Reader;

/// Encryption of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate, followed by those that lead to its authority.
    pub certificate: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// The authorities whose client certificates are accepted; none: clients are not asked for one.
    pub client_ca: Option<PathBuf>,
}

impl Tls {
    /// None: the listener speaks plaintext.
    pub(in crate::config) fn read(reader: &mut Reader) -> Option<Self> {
        let certificate = reader.path(
            "tls.certificate",
            "none",
            "The server's certificate chain, PEM; with it and `tls.key` the listener speaks TLS only.",
        );
        let key = reader.path("tls.key", "none", "The key of `tls.certificate`, PEM.");
        let client_ca = reader.path(
            "tls.client_ca",
            "none",
            "Authorities, PEM, whose client certificates are accepted as identities.",
        );
        reader.check(
            "tls.key",
            &["tls.certificate"],
            certificate.is_some() == key.is_some(),
            "`tls.certificate` and `tls.key` go together".to_owned(),
        );
        reader.check(
            "tls.client_ca",
            &["tls.certificate", "tls.key"],
            client_ca.is_none() || certificate.is_some(),
            "needs `tls.certificate` and `tls.key`".to_owned(),
        );
        Some(Self {
            certificate: certificate?,
            key: key?,
            client_ca,
        })
    }
}

/// Who may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// The file with a line for each credential; none: nobody is asked who they are.
    pub roster: Option<PathBuf>,
}

impl Auth {
    pub(in crate::config) fn read(reader: &mut Reader, server: &Server, tls: Option<&Tls>) -> Self {
        let roster = reader.path(
            "auth.roster",
            "none",
            "File of who may call and with which role; with it every call needs a credential.",
        );
        reader.check(
            "tls.client_ca",
            &["auth.roster"],
            roster.is_some() || tls.is_none_or(|tls| tls.client_ca.is_none()),
            "needs `auth.roster`, which says whose certificate it is".to_owned(),
        );
        let listen = server.listen;
        let is_local = listen.ip().is_loopback();
        reader.check(
            "server.listen",
            &["server.insecure", "auth.roster"],
            is_local || roster.is_some() || server.insecure,
            format!("{listen} is reachable from other machines and nobody is authenticated: set auth.roster, or give --insecure if that is meant"),
        );
        reader.check(
            "server.listen",
            &["auth.roster", "tls.certificate", "tls.key"],
            is_local || roster.is_none() || tls.is_some(),
            format!("{listen} is reachable from other machines and tokens would cross the network in clear: set tls.certificate and tls.key"),
        );
        Self { roster }
    }
}
