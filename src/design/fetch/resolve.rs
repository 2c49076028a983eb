//! From a name to addresses, once for a fetch.
//!
//! What is checked is what is connected to: the addresses go on with the fetch, redirects included,
//! and nobody asks the name server again. A name that leads to one forbidden address is refused
//! whole: it is either misconfigured or somebody's attempt.

use std::io;
use std::net::IpAddr;

use super::super::error::LoadError;
use super::super::finding::Code;
use super::address;
use super::host::Host;

/// The most addresses that one name may have: more is no design server.
const MAX_ADDRESSES: usize = 32;

/// Who is asked for addresses.
#[derive(Debug)]
pub(super) enum Resolver {
    /// The operating system.
    System,
    /// Answers given beforehand, one for each time that it is asked.
    #[cfg(test)]
    Script(std::sync::Mutex<std::collections::VecDeque<Vec<IpAddr>>>),
}

impl Resolver {
    /// The addresses of `host`, all of which may be spoken to.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the name is not resolved for now, `Invalid` when it leads where no design
    /// is read from.
    pub(super) async fn resolve(
        &self,
        host: &Host,
        loopback: bool,
    ) -> Result<Vec<IpAddr>, LoadError> {
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.ask(name).await.map_err(|error| {
                tracing::debug!(host = %name, %error, "name not resolved");
                let message = "the name of the design's server is not resolved";
                LoadError::Unavailable(io::Error::new(error.kind(), message))
            })?,
        };
        if addresses.is_empty() {
            let message = "the name of the design's server has no address";
            return Err(LoadError::Unavailable(io::Error::new(
                io::ErrorKind::NotFound,
                message,
            )));
        }
        match addresses
            .iter()
            .find_map(|address| address::refusal(*address, loopback))
        {
            Some(what) => {
                let message = format!("the host of the reference leads to {what}");
                Err(LoadError::refused(Code::ReferenceEscapes, message))
            }
            None => Ok(addresses),
        }
    }

    async fn ask(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        match self {
            Self::System => {
                // The port is of no interest, but the function wants one.
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.take(MAX_ADDRESSES).map(|found| found.ip()).collect())
            }
            #[cfg(test)]
            Self::Script(answers) => {
                let mut answers = answers.lock().map_err(|_poisoned| io::ErrorKind::Other)?;
                answers
                    .pop_front()
                    .ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }
}
