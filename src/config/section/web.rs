//! The section of designs on the web: who may be asked, who is believed, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::{SECOND, TICK};
use crate::config::reader::Reader;
use crate::design::{AllowedHost, Token};

/// How long a load of a design may take, so that a fetch within it may not take longer.
const LOAD: Duration = Duration::from_secs(60);

/// Designs on the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// The only hosts that are asked.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Whether they are also asked without TLS.
    pub allow_plain_http: bool,
    /// Whether they may be this machine.
    pub allow_loopback_hosts: bool,
    /// The certificate authorities that are believed instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our tokens, each for an origin.
    pub tokens: Vec<Token>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a fetch may take.
    pub fetch_timeout: Duration,
}

impl Web {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let connect_timeout = reader.duration(
            "design.connect_timeout",
            5 * SECOND,
            TICK,
            "How long a connection to a host of designs may take to be made.",
        );
        let fetch_timeout = reader.duration(
            "design.fetch_timeout",
            30 * SECOND,
            TICK,
            "How long a design may take to be fetched, redirects included, at most 1m.",
        );
        reader.check(
            "design.fetch_timeout",
            &[],
            fetch_timeout <= LOAD,
            "must be at most 1m".to_owned(),
        );
        let tokens = reader.texts(
            "design.tokens",
            "Tokens shown to hosts of designs, as `https://host:port=secret://NAME`.",
            |text| text.parse::<Token>().map_err(|error| error.to_string()),
        );
        for token in &tokens {
            reader.reserve(token.secret());
        }
        Self {
            allowed_hosts: reader.texts(
                "design.allowed_hosts",
                "The only hosts that design references may name, as `host`, on the usual port, or `host:port`.",
                |text| text.parse::<AllowedHost>().map_err(|error| error.to_string()),
            ),
            allow_plain_http: reader.boolean(
                "design.allow_plain_http",
                false,
                "Whether design references may be `http://` and `deckhand+http://`, without TLS.",
            ),
            allow_loopback_hosts: reader.boolean(
                "design.allow_loopback_hosts",
                false,
                "Whether hosts of designs may be this machine itself: for development.",
            ),
            ca_file: reader.path(
                "design.ca_file",
                "those of the system",
                "PEM file of the only certificate authorities that are believed of hosts of designs.",
            ),
            tokens,
            connect_timeout,
            fetch_timeout,
        }
    }
}
