//! What a client certificate says of its owner. Whether to believe it was settled in the handshake.

use std::fmt;

use chrono::DateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::domain::Timestamp;

/// A name in a certificate, of one of the kinds that identities may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// The subject's common name.
    Common(String),
    /// A DNS name among the alternative names, in lower case.
    Dns(String),
    /// A URI among the alternative names, such as a SPIFFE id.
    Uri(String),
}

impl CertificateName {
    /// The name that is written so: `cn:NAME`, `dns:NAME` or `uri:URI`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        if name.is_empty() {
            return None;
        }
        match kind {
            "cn" => Some(Self::Common(name.to_owned())),
            "dns" => Some(Self::Dns(name.to_ascii_lowercase())),
            "uri" => Some(Self::Uri(name.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common(name) => write!(f, "cn:{name}"),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Uri(name) => write!(f, "uri:{name}"),
        }
    }
}

/// A client certificate that the handshake has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The names it has.
    pub names: Vec<CertificateName>,
    /// The last moment it is good for.
    pub until: Timestamp,
}

/// The certificate cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read the certificate: {0}")]
pub struct CertificateError(String);

impl Certificate {
    /// Reads a certificate. A subject with several common names has none: which one is meant is anybody's
    /// guess.
    ///
    /// # Errors
    ///
    /// It is no X.509 certificate in DER, or its end is beyond all calendars.
    pub fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let problem = |error: &dyn fmt::Display| CertificateError(error.to_string());
        let (_, certificate) = parse_x509_certificate(der).map_err(|error| problem(&error))?;
        let mut names = Vec::new();
        let mut common = certificate.subject().iter_common_name();
        if let (Some(name), None) = (common.next(), common.next())
            && let Ok(name) = name.as_str()
        {
            names.push(CertificateName::Common(name.to_owned()));
        }
        let alternatives = certificate
            .subject_alternative_name()
            .map_err(|error| problem(&error))?;
        for name in alternatives
            .iter()
            .flat_map(|each| &each.value.general_names)
        {
            // A mail address, an IP address and the like are no names of ours.
            if let GeneralName::DNSName(name) = name {
                names.push(CertificateName::Dns(name.to_ascii_lowercase()));
            } else if let GeneralName::URI(uri) = name {
                names.push(CertificateName::Uri((*uri).to_owned()));
            }
        }
        let until = certificate.validity().not_after.timestamp();
        let until = DateTime::from_timestamp(until, 0)
            .ok_or_else(|| problem(&"its end is beyond the calendar"))?;
        Ok(Self { names, until })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        change(&mut params);
        let certificate = params.self_signed(&key).expect("a certificate");
        Certificate::read(certificate.der()).expect("it is read")
    }

    #[test]
    fn the_names_of_a_certificate_are_found() {
        let certificate = made(|params| {
            params.distinguished_name.push(DnType::CommonName, "ci");
            params.subject_alt_names = vec![
                SanType::DnsName("CI.example.org".try_into().expect("a name")),
                SanType::URI("spiffe://site/ci".try_into().expect("a URI")),
                SanType::Rfc822Name("ci@example.org".try_into().expect("an address")),
            ];
            params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        });
        let expected = ["cn:ci", "dns:ci.example.org", "uri:spiffe://site/ci"];
        let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
        assert_eq!(names, expected);
        for name in certificate.names {
            assert_eq!(CertificateName::parse(&name.to_string()), Some(name));
        }
        assert_eq!(certificate.until.to_rfc3339(), "2031-02-03T00:00:00+00:00");
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for bad in [&b""[..], b"0", &[0x30, 0x82, 0xff, 0xff], &[0xff; 64]] {
            assert!(Certificate::read(bad).is_err());
        }
        for bad in ["", "cn:", "ci", "ip:127.0.0.1"] {
            assert_eq!(CertificateName::parse(bad), None, "{bad}");
        }
    }
}
