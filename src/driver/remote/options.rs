//! What can be set about a plug-in.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::inventory::Node;
use crate::domain::{Policy, StepKind};
use crate::secret::SecretReference;

/// How a plug-in is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the configuration calls it.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// The token that it is shown, if it wants one.
    pub token: Option<SecretReference>,
    /// Whether it gets the passwords of management controllers.
    pub send_credentials: bool,
    /// Whether it gets nodes with all that they inherit; none: it does not.
    pub design: Option<Describe>,
    /// Steps for which it promises no more than `guarded`.
    pub guarded: BTreeSet<StepKind>,
    /// Steps for which it promises no more than `once`.
    pub once: BTreeSet<StepKind>,
    /// The longest that the executor waits for one call of the driver.
    pub call_timeout: Duration,
}

impl Options {
    /// What is relied on for a step that `planned` is asked of.
    pub(super) fn policy(&self, step: StepKind, planned: Policy) -> Policy {
        let known = if self.once.contains(&step) {
            Policy::Once
        } else if self.guarded.contains(&step) {
            Policy::Guarded
        } else {
            planned
        };
        if strength(known) < strength(planned) {
            known
        } else {
            planned
        }
    }
}

/// Where a plug-in is. Whatever leaves this machine is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Anywhere, over TLS.
    Tls {
        /// Host and port.
        place: Place,
        /// How it is known, and we to it.
        trust: Trust,
    },
    /// On this machine, on a loopback address.
    Loopback(Place),
    /// On this machine, on a socket file.
    Socket(PathBuf),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A name or an address; one of IPv6 is in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Who is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A PEM file of the authorities whose certificates are accepted; none: the system's.
    pub authorities: Option<PathBuf>,
    /// PEM files of our own certificate and its key, if the plug-in wants one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls { place, .. } | Self::Loopback(place) => place.fmt(f),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Makes the document of a node that plug-ins get.
#[derive(Clone)]
pub struct Describe(Arc<dyn Fn(&Node) -> String + Send + Sync>);

impl Describe {
    /// Makes documents with `document`.
    pub fn by(document: impl Fn(&Node) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(document))
    }

    pub(super) fn document(&self, node: &Node) -> String {
        (self.0)(node)
    }
}

impl fmt::Debug for Describe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Describe(..)")
    }
}

/// How much a promise allows, against others.
pub(super) fn strength(policy: Policy) -> u8 {
    match policy {
        Policy::Observe => 3,
        Policy::Converge => 2,
        Policy::Guarded => 1,
        Policy::Once => 0,
    }
}
