//! The section of plug-ins: drivers that are other processes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;

use reqwest::Url;

use crate::config::reader::Reader;
use crate::domain::{SecretReference, StepKind};

/// What the key of a plug-in ends with, after its name.
const KEYS: [&str; 9] = [
    ".address",
    ".ca",
    ".certificate",
    ".guarded",
    ".key",
    ".once",
    ".send_credentials",
    ".send_design",
    ".token",
];

/// Names that mean something else where a plug-in may be named.
const TAKEN: [&str; 6] = ["ipmi", "ironic", "manual", "none", "redfish", "simulated"];

/// The longest name, which is also that of an out-of-band type and of a generator of build data.
const MAX_NAME_BYTES: usize = 32;

/// A plug-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Where it is; always given where the configuration is accepted.
    pub address: Option<PluginAddress>,
    /// A PEM file of the authorities whose certificates are accepted; none: the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// What it is shown.
    pub token: Option<SecretReference>,
    /// Whether it gets the passwords of management controllers.
    pub send_credentials: bool,
    /// Whether it gets nodes with all that they inherit.
    pub send_design: bool,
    /// Steps for which it promises no more than `guarded`.
    pub guarded: Vec<StepKind>,
    /// Steps for which it promises no more than `once`.
    pub once: Vec<StepKind>,
}

/// Where a plug-in is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginAddress {
    /// Anywhere, over TLS.
    Tls {
        /// A name or an address; one of IPv6 is in brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// On this machine, without TLS.
    Loopback {
        /// A name or an address; one of IPv6 is in brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A socket file.
    Socket(PathBuf),
}

/// Reads the plug-ins that are named anywhere.
pub(super) fn read_plugins(reader: &mut Reader) -> BTreeMap<String, Plugin> {
    let names = reader.names_between("drivers.remote.", &KEYS);
    if names.is_empty() {
        // The keys are listed although there is no plug-in.
        Plugin::read(reader, "NAME");
    }
    let mut plugins = BTreeMap::new();
    for name in names {
        let plugin = Plugin::read(reader, &name);
        let key = format!("drivers.remote.{name}.address");
        reader.check(
            &key,
            &[],
            plugin.address.is_some(),
            "must say where the plug-in is".to_owned(),
        );
        reader.check(
            &key,
            &[],
            is_name(&name),
            format!("{name} must be of lower-case letters, digits, `-` and `_`, begin with a letter, be no longer than {MAX_NAME_BYTES}, and not be one of {}", TAKEN.join(", ")),
        );
        if is_name(&name) {
            plugins.insert(name, plugin);
        }
    }
    plugins
}

impl Plugin {
    fn read(reader: &mut Reader, name: &str) -> Self {
        let key = |end: &str| format!("drivers.remote.{name}.{end}");
        let steps: Vec<(&str, StepKind)> = StepKind::ALL.map(|step| (step.token(), step)).to_vec();
        let address = reader.text(&key("address"), "none", ADDRESS, address);
        let ca = reader.path(&key("ca"), "the system's", CA);
        let certificate = reader.path(&key("certificate"), "none", CERTIFICATE);
        let private_key = reader.path(&key("key"), "none", KEY);
        let encrypted = match &address {
            Some(PluginAddress::Loopback { .. } | PluginAddress::Socket(_)) => false,
            Some(PluginAddress::Tls { .. }) | None => true,
        };
        for (end, path) in [("ca", &ca), ("certificate", &certificate)] {
            reader.check(
                &key(end),
                &[&key("address")],
                path.is_none() || encrypted,
                "goes with an `https://` address alone".to_owned(),
            );
        }
        reader.check(
            &key("key"),
            &[&key("certificate")],
            certificate.is_some() == private_key.is_some(),
            format!(
                "goes with {}, and either needs the other",
                key("certificate")
            ),
        );
        Self {
            address,
            ca,
            identity: certificate.zip(private_key),
            token: reader.secret(&key("token"), TOKEN),
            send_credentials: reader.boolean(&key("send_credentials"), false, SEND_CREDENTIALS),
            send_design: reader.boolean(&key("send_design"), false, SEND_DESIGN),
            guarded: reader
                .tokens(&key("guarded"), &steps, GUARDED)
                .unwrap_or_default(),
            once: reader
                .tokens(&key("once"), &steps, ONCE)
                .unwrap_or_default(),
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(allowed)
        && !TAKEN.contains(&name)
}

fn address(text: &str) -> Result<PluginAddress, impl Display + use<>> {
    const EXPECTED: &str = "must be `https://HOST:PORT`, `http://127.0.0.1:PORT` or `unix:/PATH`";
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        return if path.is_absolute() {
            Ok(PluginAddress::Socket(path))
        } else {
            Err(EXPECTED)
        };
    }
    let url = Url::parse(text).map_err(|_| EXPECTED)?;
    let bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let (Some(host), Some(port), true) = (url.host_str(), url.port_or_known_default(), bare) else {
        return Err(EXPECTED);
    };
    let host = host.to_owned();
    match url.scheme() {
        "https" => Ok(PluginAddress::Tls { host, port }),
        "http" if is_loopback(&host) => Ok(PluginAddress::Loopback { host, port }),
        "http" => Err("must be `https://`: what leaves this machine is encrypted"),
        _ => Err(EXPECTED),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

const ADDRESS: &str = "Where the plug-in NAME is: `https://HOST:PORT`, or on this machine `http://127.0.0.1:PORT` or `unix:/PATH`.";
const CA: &str = "PEM file of the authorities that sign the plug-in's certificate; only these are accepted then.";
const CERTIFICATE: &str = "PEM file of the certificate that the plug-in is shown.";
const KEY: &str = "PEM file of that certificate's key.";
const TOKEN: &str =
    "The token that the plug-in is shown with each call, as `secret://NAME`; read anew each time.";
const SEND_CREDENTIALS: &str = "Whether the plug-in gets the passwords of the management controllers that it works with; otherwise it gets their references alone.";
const SEND_DESIGN: &str =
    "Whether the plug-in gets each node with everything that it inherits, as `GetNode` shows it.";
const GUARDED: &str =
    "Steps that the plug-in promises to be `guarded` at the most, where the plan has more.";
const ONCE: &str = "Steps that the plug-in cannot promise anything about: after a crash in the middle of one its node fails.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encrypted_or_of_this_machine() {
        let read = |text: &str| address(text).map_err(|error| error.to_string());
        assert_eq!(
            read("https://maas.example"),
            Ok(PluginAddress::Tls {
                host: "maas.example".to_owned(),
                port: 443
            })
        );
        for local in ["127.0.0.1", "[::1]", "localhost"] {
            assert_eq!(
                read(&format!("http://{local}:50061")),
                Ok(PluginAddress::Loopback {
                    host: local.to_owned(),
                    port: 50061
                })
            );
        }
        assert_eq!(
            read("unix:/run/maas.sock"),
            Ok(PluginAddress::Socket("/run/maas.sock".into()))
        );
        let refused = read("http://maas.example:50061").unwrap_err();
        assert!(refused.contains("is encrypted"), "{refused}");
        for text in [
            "",
            "maas.example:50061",
            "https://user:hunter2@maas.example",
            "https://maas.example/path",
            "https://maas.example?a=b",
            "unix:run/maas.sock",
            "ftp://127.0.0.1:1",
        ] {
            let refused = read(text).unwrap_err();
            assert!(
                !refused.contains("hunter2") && refused.contains("unix:"),
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_those_of_no_other_driver() {
        for name in ["maas", "vendor-2", "a_b"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(33);
        for name in ["", "a.b", "Maas", "2maas", "redfish", "ironic", &long] {
            assert!(!is_name(name), "{name}");
        }
    }
}
